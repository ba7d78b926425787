"""Two readers' sessions on the same frames: how far they agree, and a third session to settle where they do not."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_adasam.domain.agreement import BlandAltman, Interval, MaskAgreement, bland_altman, compare_masks, icc
from napari_adasam.domain.calibration import FROM_REGION, NOT_SET
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.measures import scale_within
from napari_adasam.domain.records import Frame, FrameStatus, Labels, Spacing
from napari_adasam.domain.structures import MAX_STRUCTURES, Structure, same_name
from napari_adasam.files.agreement_plot import Panel, plot
from napari_adasam.files.atomic import make_folder, write_whole
from napari_adasam.files.store import SessionRecord, Store
from napari_adasam.files.tables import table_writer
from napari_adasam.services.sources import Sources

ENOUGH_FOR_ICC, ENOUGH_FOR_LIMITS = 3, 2
READERS = ("first reader", "second reader")
COLUMNS = ("frame", "structure", "dice", "hd95", "hd95_unit", "area_first", "area_second", "area_unit")
Part = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class StructureAgreement:
    """Two readers on one structure.

    Parameters
    ----------
    masks
        One a frame that both have accepted, and were asked for the structure on: it was in their lists by then.
    areas
        (first, second) for each of ``masks``, in ``unit``: mm² where every frame has a scale that holds for both
        outlines, else px².
    icc, limits
        Of the areas on :attr:`outlined` frames; ``None`` where there are too few of them, or nothing that differs.
    """

    structure: Structure
    masks: tuple[MaskAgreement, ...]
    areas: tuple[tuple[float, float], ...]
    unit: str
    icc: Interval | None
    limits: BlandAltman | None

    @property
    def outlined(self) -> tuple[int, ...]:
        """Places in :attr:`masks` of the frames on which one of the two has the structure at least.

        To agree that it is not there is agreement of another kind: as Dice 1 and areas of 0 it would hide how far
        outlines differ.
        """
        return tuple(at for at, pair in enumerate(self.areas) if any(pair))


@dataclass(frozen=True, slots=True)
class SessionAgreement:
    """Two sessions; ``left_out`` are the frames that only one of the two has accepted."""

    frames: tuple[Frame, ...]
    structures: tuple[StructureAgreement, ...]
    left_out: int


def compare_sessions(first: Path, second: Path) -> SessionAgreement:
    """Compare what two sessions have accepted; structures go by their names. Both are only read.

    Raises
    ------
    InputError
        If one is no session, a mask is damaged, or the two have no accepted frame or no structure in common.
    """
    one, other = Store.read(first, lazily=True), Store.read(second, lazily=True)
    mine, theirs = _accepted(one), _accepted(other)
    frames = tuple(frame for frame in one.frames if frame.id in mine & theirs)
    pairs = [(a, b) for a in one.structures for b in other.structures if same_name(a, b)]
    if not frames or not pairs:
        what = "accepted image" if not frames else "structure of the same name"
        raise InputError(
            f"{first} and {second} have no {what} in common. Nothing was compared; accept the same images."
        )
    scales = _scales(one, frames)
    found = tuple(_compare(one, other, frames, pair, scales) for pair in pairs)
    return SessionAgreement(frames, found, len(mine ^ theirs))


def _scales(record: SessionRecord, frames: Sequence[Frame]) -> dict[str, tuple[Spacing | None, Part | None]]:
    """The scale of each frame, and the part of the picture that it holds for (``None``: all), which its file says."""
    found: dict[str, tuple[Spacing | None, Part | None]] = {}
    sources = Sources()
    for frame in frames:
        by_hand = record.setups.get(frame.id, NOT_SET).scale
        regional = by_hand is None and frame.spacing is not None and frame.spacing.source == FROM_REGION
        found[frame.id] = by_hand or frame.spacing, sources.facts(frame).region if regional else None
    return found


def _compare(
    one: SessionRecord,
    other: SessionRecord,
    frames: Sequence[Frame],
    pair: tuple[Structure, Structure],
    scales: Mapping[str, tuple[Spacing | None, Part | None]],
) -> StructureAgreement:
    masks: list[MaskAgreement] = []
    pixels: list[tuple[int, int]] = []
    known: list[Spacing | None] = []
    for frame in frames:  # one at a time: a study may have thousands
        labels = [_only(record, frame.id, own.value) for record, own in zip((one, other), pair, strict=True)]
        if labels[0] is None or labels[1] is None:
            continue
        if labels[0].shape != labels[1].shape:
            raise InputError(f"{frame.stem} has another size in the two sessions. Nothing was compared.")
        spacing, part = scales[frame.id]
        known.append(scale_within(labels[0] | labels[1], 1, spacing, part))
        masks += compare_masks({frame.id: labels[0]}, {frame.id: labels[1]}, 1, {frame.id: known[-1]})
        pixels.append((int(labels[0].sum()), int(labels[1].sum())))
    sizes = [spacing.pixel_area_mm2 for spacing in known if spacing is not None]
    unit, each = ("mm²", sizes) if len(sizes) == len(known) else ("px²", [1.0] * len(known))
    areas = tuple((size * first, size * second) for size, (first, second) in zip(each, pixels, strict=True))
    bare = StructureAgreement(pair[0], tuple(masks), areas, unit, None, None)
    table = np.array([areas[at] for at in bare.outlined])
    return replace(
        bare,
        icc=icc(table) if len(table) >= ENOUGH_FOR_ICC and np.ptp(table) > 0 else None,
        limits=bland_altman(table[:, 0], table[:, 1]) if len(table) >= ENOUGH_FOR_LIMITS else None,
    )


def write_agreement(found: SessionAgreement, out: Path) -> list[Path]:
    """Write ``agreement.csv``, a row a frame and structure, and ``agreement.svg``, a plot of each structure's areas.

    Raises StorageError.
    """
    make_folder(out)
    stems = {frame.id: frame.stem for frame in found.frames}
    text = io.StringIO()
    table = table_writer(text, COLUMNS)
    table.writeheader()
    for one in found.structures:
        for mask, areas in zip(one.masks, one.areas, strict=True):
            dice = f"{mask.dice:.4f}" if any(areas) else ""
            hd95 = "" if mask.hd95 is None or not any(areas) else f"{mask.hd95:.3f}"
            figures = [dice, hd95, mask.unit, f"{areas[0]:.2f}", f"{areas[1]:.2f}", one.unit]
            table.writerow(dict(zip(COLUMNS, [stems[mask.frame], one.structure.name, *figures], strict=True)))
    panels = []
    for one in found.structures:
        pairs = tuple(one.areas[at] for at in one.outlined)
        panels.append(Panel(one.structure.name, one.structure.color, pairs, one.unit, one.limits))
    return [
        write_whole(out / "agreement.csv", text.getvalue().encode()),
        write_whole(out / "agreement.svg", plot(panels).encode()),
    ]


def summary(found: SessionAgreement) -> dict[str, Any]:
    """The figures as the command prints them."""
    rows = [_row(one, len(found.frames)) for one in found.structures]
    return {"frames": len(found.frames), "left_out": found.left_out, "rows": rows}


def _row(one: StructureAgreement, frames: int) -> dict[str, Any]:
    masks = [one.masks[at] for at in one.outlined]
    units = {mask.unit for mask in masks if mask.hd95 is not None} or {mask.unit for mask in one.masks[:1]} or {"px"}
    return {
        "structure": one.structure.name,
        "n": len(masks),
        "in_neither": len(one.masks) - len(masks),
        "not_asked": frames - len(one.masks),
        "dice": _mean([mask.dice for mask in masks]),
        "hd95": _mean([mask.hd95 for mask in masks]) if len(units) == 1 else None,  # mm and px have no mean
        "hd95_unit": units.pop() if len(units) == 1 else "mixed",
        "in_one_only": sum(mask.hd95 is None for mask in masks),
        "area_unit": one.unit,
        "icc": _words(one.icc),
        "bias": None if one.limits is None else _words(one.limits.bias),
        "lower_limit": None if one.limits is None else _words(one.limits.lower),
        "upper_limit": None if one.limits is None else _words(one.limits.upper),
    }


def begin_adjudication(first: Path, second: Path, found: SessionAgreement, folder: Path) -> None:
    """Make a third session of the compared frames, those that agree least first; both readers are laid beside in it.

    It has the structures of both, and the first one's scales and sectors.

    Raises InputError if the folder holds a session already, or StorageError.
    """
    record, other = Store.read(first, lazily=True), Store.read(second, lazily=True)
    worst = {frame.id: 1.0 for frame in found.frames}
    for mask in (mask for one in found.structures for mask in one.masks):
        worst[mask.frame] = min(worst[mask.frame], mask.dice)
    store = Store.create(folder)
    try:
        store.save_structures(_joined(record.structures, other.structures))
        store.save_frames(sorted(found.frames, key=lambda frame: worst[frame.id]))
        store.save_setups({}, {key: setup for key, setup in record.setups.items() if key in worst})
        store.save_readers(list(zip(READERS, (first.resolve(), second.resolve()), strict=True)))
    except BaseException:
        store.discard()
        raise
    store.close()


def _accepted(record: SessionRecord) -> set[str]:
    return {key for key in record.annotations if record.statuses.get(key) is FrameStatus.ACCEPTED}


def _joined(mine: Sequence[Structure], theirs: Sequence[Structure]) -> list[Structure]:
    """Structures of both sessions: what only the second has gets a value that is free in the first."""
    found = list(mine)
    for one in theirs:
        if not any(same_name(one, other) for other in found):
            taken = {other.value for other in found}
            free = (value for value in (one.value, *range(1, MAX_STRUCTURES + 1)) if value not in taken)
            found += [replace(one, value=value) for value in [next(free, None)] if value is not None]
    return found


def _only(record: SessionRecord, frame_id: str, value: int) -> Labels | None:
    """One structure's mask as labels 0 and 1; ``None`` where the frame was accepted before it was in the list."""
    annotation = record.annotations[frame_id]
    return np.asarray(annotation.labels == value, np.uint8) if annotation.tells_of(value) else None


def _mean(figures: Sequence[float | None]) -> float | None:
    known = [one for one in figures if one is not None]
    return float(np.mean(known)) if known else None


def _words(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else {"value": interval.value, "low": interval.low, "high": interval.high}
