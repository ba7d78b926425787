"""Exports from a session at work: on the lane, a step a frame, so that the window goes on and clicks are answered."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from psygnal import Signal

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.export_formats import EVERYDAY
from napari_adasam.domain.packing import LabelImage
from napari_adasam.domain.records import Frame, FrameStatus
from napari_adasam.domain.session import Session
from napari_adasam.domain.versions import NO_REMARK
from napari_adasam.files.exports import (
    NO_EXTRAS,
    ExportOptions,
    ExportReport,
    Extras,
    Progress,
    Provenance,
    check_target,
    export,
    export_steps,
    key_of,
    losses,
)
from napari_adasam.files.exports.naming import KEY_BYTES, KEY_NOT_KEPT
from napari_adasam.files.exports.provenance import remark_facts
from napari_adasam.services.activity import Activity
from napari_adasam.services.keeping import Keeping
from napari_adasam.services.lane import Job, JobKind, Outcome
from napari_adasam.services.ports import ModelInfo
from napari_adasam.services.scan_sectors import ScanSectors
from napari_adasam.services.workbench import Workbench

UNDER_WAY = "An export is under way; wait for it, or stop it."
NOT_SENT = -1
"""In place of the job's id while the job is being sent: the status line asks for it meanwhile."""
NOT_KEPT = (
    "The session is not saved, so that exports after this window is closed will use other names; to have names that "
    "stay, use “Keep session in…” first."
)


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What a person wants exported.

    Parameters
    ----------
    formats
        Some of :data:`~napari_adasam.domain.export_formats.FORMATS`.
    frames
        Ids; ``None`` for all accepted ones.
    deidentify
        Whether frames get pseudonyms, and all that comes from names is left out.
    extras
        What else is asked for.
    """

    folder: Path
    formats: tuple[str, ...] = EVERYDAY
    frames: tuple[str, ...] | None = None
    deidentify: bool = False
    extras: Extras = NO_EXTRAS


class Exporting:
    """Exports the session. GUI thread; the files are written on the lane's thread, unless :meth:`now` is called."""

    finished = Signal(ExportReport)

    def __init__(self, bench: Workbench, keeping: Keeping, model: Callable[[], ModelInfo | None]) -> None:
        self._bench = bench
        self._keeping = keeping
        self._model = model
        self._running: int | None = None
        self._began = 0.0
        self._passing_key = b""
        self.progress: Progress | None = None

    @property
    def running(self) -> bool:
        """Whether an export is under way."""
        return self._running is not None

    def activity(self, training: bool) -> Activity:
        """What is going on, while an export is under way; a round waits for it."""
        waiting = " · learning waits" if training else ""
        if self.progress is None:
            return Activity(f"Exporting: about to start{waiting}", cancellable=True)
        done, total = self.progress.done, self.progress.total
        left = (time.monotonic() - self._began) / done * (total - done) if done else None
        return Activity(f"Exporting: {self.progress.what}{waiting}", done, total, left, cancellable=True)

    def losses(self, order: ExportOrder) -> tuple[str, ...]:
        """What the order would lose or give away, in sentences."""
        structures = self._bench.session.structures
        found = losses(order.formats, self._wanted(order), structures, order.deidentify, order.extras)
        return (*found, NOT_KEPT) if order.deidentify and self._keeping.lies_in is None else found

    def now(self, order: ExportOrder) -> ExportReport:
        """Export and wait for it; for scripts. Raises StorageError or InputError."""
        session = self._bench.session
        options, facts = self._options(order), self._bench.sources.facts
        wanted = {frame.id for frame in self._wanted(order)} | options.propagated.keys()
        frames = [facts(frame) if frame.id in wanted else frame for frame in session.frames]
        return export(session.annotations, frames, session.structures, order.folder, options)

    def start(self, order: ExportOrder) -> bool:
        """Begin an export of the session as it is now; ``False``, with a sentence, if that is not possible."""
        if self.running:
            self._bench.dispatch.problem.emit(UNDER_WAY)
            return False
        session = self._bench.session
        annotations, frames, structures = session.annotations.snapshot(), session.frames, session.structures
        facts = self._bench.sources.facts
        try:
            options = self._options(order)
            wanted = {frame.id for frame in self._wanted(order)} | options.propagated.keys()
        except AdasamError as error:
            self._bench.dispatch.problem.emit(str(error))
            return False

        def steps() -> Generator[Progress, None, ExportReport]:
            whole = {frame.id: frame for frame in frames}
            for frame in (frame for frame in frames if frame.id in wanted):
                whole[frame.id] = facts(frame)
                yield Progress(0, len(wanted), "reading what the files say")
            return (yield from export_steps(annotations, (*whole.values(),), structures, order.folder, options))

        self.progress, self._began = None, time.monotonic()
        self._running = NOT_SENT
        self._running = self._bench.dispatch.send(Job(JobKind.EXPORT, steps, key="export"), "Exporting", self._receive)
        return True

    def cancel(self) -> None:
        """Stop the export; nothing of it will be there, and earlier ones stay."""
        if self._running is not None:
            self._bench.dispatch.cancel(self._running)

    def _receive(self, outcome: Outcome) -> None:
        if not outcome.ended:
            self.progress = cast(Progress, outcome.value)
            return
        self._running, self.progress = None, None
        if outcome.state == "done":
            self.finished.emit(cast(ExportReport, outcome.value))
        elif outcome.state == "cancelled":
            self._bench.dispatch.problem.emit("The export was stopped. Nothing of it was written; earlier ones stay.")

    def _options(self, order: ExportOrder) -> ExportOptions:
        check_target(order.folder, order.deidentify)
        session, sources = self._bench.session, self._bench.sources
        setups = {frame.id: session.setup(frame.id) for frame in session.frames}
        return ExportOptions(
            formats=order.formats,
            frames=order.frames,
            key=self._key() if order.deidentify else b"",
            pixels=lambda frame: sources.read(frame.id),
            own_values=lambda frame: sources.own_values(frame.id),
            scan=ScanSectors(session.frames, setups, sources.grey).mask,
            extras=order.extras,
            propagated=self._propagated(order),
            provenance=self._provenance(),
        )

    def _propagated(self, order: ExportOrder) -> dict[str, LabelImage]:
        """Of the files that are exported, the frames whose outlines came from a key frame and stand as they came."""
        if "csv" not in order.formats:
            return {}
        session, files = self._bench.session, {frame.file_id for frame in self._wanted(order)}
        found = {one.id: propagated_labels(session, one.id) for one in session.frames if one.file_id in files}
        return {frame_id: labels for frame_id, labels in found.items() if labels is not None}

    def _key(self) -> bytes:
        """The session's key; one for this sitting where the session has no folder, or one that takes no key."""
        folder = self._keeping.lies_in
        if folder is not None:
            key, kept = key_of(folder)
            if kept:
                return key
            self._bench.dispatch.problem.emit(KEY_NOT_KEPT)
        self._passing_key = self._passing_key or secrets.token_bytes(KEY_BYTES)
        return self._passing_key

    def _provenance(self) -> Provenance:
        model, settings, session = self._model(), self._bench.settings, self._bench.session
        remarks = ((frame, session.remark(frame.id)) for frame in session.frames)
        noted = tuple(remark_facts(frame, remark) for frame, remark in remarks if remark != NO_REMARK)
        if model is None:
            return Provenance(settings=settings, remarks=noted)
        return Provenance(model.name, model.fingerprint, model.lineage, model.licence, settings, noted)

    def _wanted(self, order: ExportOrder) -> tuple[Frame, ...]:
        """The accepted frames that are to be exported."""
        accepted = self._bench.session.annotations
        wanted = accepted if order.frames is None else set(order.frames)
        return tuple(one for one in self._bench.session.frames if one.id in accepted and one.id in wanted)


def propagated_labels(session: Session, frame_id: str) -> LabelImage | None:
    """Outlines that came from a key frame and that nobody has accepted, changed or left out; ``None`` for none."""
    open_ = session.status(frame_id) is FrameStatus.SUGGESTED and not session.touched(frame_id)
    return session.packed(frame_id) if open_ and session.propagated(frame_id) is not None else None
