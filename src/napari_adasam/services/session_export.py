"""Export a saved session without a window and without the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_adasam.domain.calibration import NOT_SET
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.export_formats import EVERYDAY
from napari_adasam.domain.packing import LabelImage, PackedAnnotations
from napari_adasam.domain.records import Frame, FrameStatus
from napari_adasam.domain.steps import CLOSED
from napari_adasam.domain.versions import NO_REMARK
from napari_adasam.files.clips import stem_of
from napari_adasam.files.exports import (
    NO_EXTRAS,
    ExportOptions,
    ExportReport,
    Extras,
    Provenance,
    check_target,
    export,
    key_of,
    losses,
)
from napari_adasam.files.exports.naming import KEY_NOT_KEPT, as_path, word_for
from napari_adasam.files.exports.plan import make_plan
from napari_adasam.files.exports.provenance import remark_facts
from napari_adasam.files.store import SessionRecord, Store
from napari_adasam.files.tables import composed
from napari_adasam.services.scan_sectors import ScanSectors
from napari_adasam.services.sources import Sources

SHOWN_NAMES = 5


@dataclass(frozen=True, slots=True)
class SessionExport:
    """What to export of a saved session: ``names`` are stems of frames, or of files for all their frames; none: all."""

    formats: tuple[str, ...] = EVERYDAY
    names: tuple[str, ...] = ()
    deidentify: bool = False
    extras: Extras = NO_EXTRAS


def export_session(
    folder: Path,
    out: Path,
    order: SessionExport,
    tell: Callable[[str], None] = lambda sentence: None,
    progress: Callable[[int, int, str], None] | None = None,
) -> ExportReport:
    """Export the accepted frames of the session in ``folder`` to ``out``.

    Parameters
    ----------
    tell
        Gets each sentence that a person should read, before anything is written.

    Raises
    ------
    InputError
        If there is no session, a frame is unknown or not accepted, a picture cannot be read, or names are to be left
        out of a folder that may hold some.
    StorageError
        If the disk did not take it; nothing was written then.
    """
    record = Store.read(folder)
    for problem in dict.fromkeys(record.problems):  # first: it may be why a frame is not among the accepted ones
        tell(problem)
    check_target(out, order.deidentify)
    sources = Sources()
    sources.add_frames(record.frames)
    frames = [_as_set(record, frame) for frame in record.frames]
    accepted = [frame for frame in frames if _is_accepted(record, frame)]
    chosen = _chosen(record, accepted, order.names)
    lost = losses(order.formats, chosen, record.structures, order.deidentify, order.extras)
    options = _options(record, order, sources, chosen)
    make_plan(_those(record, accepted), frames, record.structures, options)  # what cannot be is all that is said then
    key, kept = key_of(folder) if order.deidentify else (b"", True)
    for sentence in (*lost, *_unused(order), *(() if kept else (KEY_NOT_KEPT,))):
        tell(sentence)
    wanted = {frame.id for frame in chosen} | options.propagated.keys()
    whole = [sources.facts(frame) if frame.id in wanted else frame for frame in frames]
    options = replace(options, key=key, progress=progress)
    return export(_those(record, accepted), whole, record.structures, out, options)


def _options(record: SessionRecord, order: SessionExport, sources: Sources, chosen: Sequence[Frame]) -> ExportOptions:
    files = {frame.file_id for frame in chosen}
    return ExportOptions(
        formats=order.formats,
        frames=tuple(frame.id for frame in chosen),
        pixels=lambda frame: sources.read(frame.id),
        own_values=lambda frame: sources.own_values(frame.id),
        scan=ScanSectors(record.frames, record.setups, sources.grey).mask,
        extras=order.extras,
        propagated=_propagated(record, files) if "csv" in order.formats else {},
        provenance=_provenance(record),
    )


def _those(record: SessionRecord, frames: Sequence[Frame]) -> PackedAnnotations:
    """The annotations of some frames; the record has those of frames that were opened again or left out, too."""
    packed = {frame.id: record.annotations.packed(frame.id) for frame in frames}
    return PackedAnnotations({frame_id: one for frame_id, one in packed.items() if one is not None})


def _is_accepted(record: SessionRecord, frame: Frame) -> bool:
    return record.statuses.get(frame.id) is FrameStatus.ACCEPTED and frame.id in record.annotations


def _propagated(record: SessionRecord, files: set[str]) -> dict[str, LabelImage]:
    """Outlines that came from a key frame and stand as they came; a frame that is closed or in work has none."""
    found = {frame_id: one.labels for frame_id, one in record.propagated.items() if frame_id.partition("-")[0] in files}
    return {frame_id: labels for frame_id, labels in found.items()
            if frame_id not in record.drafts and record.statuses.get(frame_id) not in CLOSED}  # fmt: skip


def _as_set(record: SessionRecord, frame: Frame) -> Frame:
    """The frame with the scale that was set by hand, where there is one."""
    scale = record.setups.get(frame.id, NOT_SET).scale
    return frame if scale is None else replace(frame, spacing=scale)


def _unused(order: SessionExport) -> tuple[str, ...]:
    """What was asked for and is of another format than those that are written."""
    asked = (
        ("--table", "csv", order.extras.table is not None),
        ("--erosion", "csv", order.extras.erosion_mm > 0),
        ("--blank-outside", "overlay", order.extras.blank_outside),
    )
    return tuple(
        f"{option} does nothing here: it is of the format {of}, which is not written. Give --format {of}, too."
        for option, of, given in asked
        if given and of not in order.formats
    )


def _chosen(record: SessionRecord, accepted: Sequence[Frame], names: Sequence[str]) -> list[Frame]:
    """The accepted frames of these names; every name must be of one at least."""
    word = word_for(record.frames)
    if not accepted and FrameStatus.ACCEPTED in record.statuses.values():
        raise InputError(
            f"No accepted {word} of this session has a mask that can be read, so there is nothing to export. Put its "
            f"folder masks back from a copy, or open the session and accept the {word}s again."
        )
    if not accepted:
        raise InputError(f"No {word} of this session is accepted, so there is nothing to export; accept one first.")
    if not names:
        return list(accepted)
    for name in names:
        if not any(_is_called(frame, name) for frame in accepted):
            known = any(_is_called(frame, name) for frame in record.frames)
            some = ", ".join(frame.stem for frame in accepted[:SHOWN_NAMES])
            why = "is not accepted" if known else "is not in this session"
            raise InputError(f'The {word} "{name}" {why}. Nothing was exported. Accepted are: {some}{_more(accepted)}.')
    return [frame for frame in accepted if any(_is_called(frame, name) for name in names)]


def _more(frames: Sequence[Frame]) -> str:
    return f" and {len(frames) - SHOWN_NAMES} more" if len(frames) > SHOWN_NAMES else ""


def _is_called(frame: Frame, name: str) -> bool:
    file = as_path(frame.path).name
    return composed(name) in map(composed, (frame.stem, stem_of(Path(file)), file, file.removesuffix(".gz")))


def _provenance(record: SessionRecord) -> Provenance:
    """The models of accepted rounds; name, licence and settings of the sitting are not in the session's folder."""
    lineage = tuple(report.model for report in record.rounds if report.accepted)
    frames = {frame.id: frame for frame in record.frames}
    said = {one: remark for one, remark in record.remarks.items() if one in frames and remark != NO_REMARK}
    noted = tuple(remark_facts(frames[one], remark) for one, remark in said.items())
    return Provenance(fingerprint=lineage[-1] if lineage else "", lineage=lineage, remarks=noted)
