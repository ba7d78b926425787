"""The session on disk, in step with the one in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np

from napari_adasam.domain.calibration import NOT_SET, FrameSetup
from napari_adasam.domain.choices import Choices
from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.domain.packing import LabelImage, PackedLabels, PackedMask
from napari_adasam.domain.propagation import Propagated, PropagatedMasks
from napari_adasam.domain.queue import Place
from napari_adasam.domain.records import Annotation, Draft, Frame, FrameStatus
from napari_adasam.domain.rounds import RoundReport
from napari_adasam.domain.session import Session
from napari_adasam.domain.steps import CLOSED
from napari_adasam.domain.structures import Structure
from napari_adasam.domain.versions import NO_REMARK, Remark, Version
from napari_adasam.files import home
from napari_adasam.files.exports.naming import carry_key
from napari_adasam.files.own_folders import make_own_folder
from napari_adasam.files.store import SessionRecord, Store

Past = TypeVar("Past")


class Keeping:
    """Writes what the clinician decides, if there is a folder for it. GUI thread.

    Every method that writes raises StorageError, with nothing half written, if the disk does not take it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._store: Store | None = None
        self._statuses: dict[str, FrameStatus] = {}
        self._ticks: dict[str, dict[int, bool]] = {}
        self._drafts: dict[str, tuple[LabelImage, frozenset[int]]] = {}
        self._remarks: dict[str, Remark] = {}
        self._propagated: dict[str, tuple[Propagated, LabelImage]] = {}
        self._looked: Path | None = None
        self.reading = ""
        """Why the session that is open may only be looked at; empty where it may be changed."""
        self.readers: tuple[tuple[str, Path], ...] = ()
        """Names and folders of the sessions that are compared in this one."""
        self.choices: Choices | None = None
        """What is chosen, as it is written or will be with a new session; ``None`` before anything is."""
        self.automatic = False
        """Whether the folder was chosen by the program."""
        self.left: Path | None = None
        """The folder that the program had chosen and that is kept no more, since :meth:`begin` was given another."""

    @property
    def folder(self) -> Path | None:
        """The session's folder; ``None`` while nothing is kept."""
        return None if self._store is None else self._store.folder

    @property
    def lies_in(self) -> Path | None:
        """The folder that the session is kept in or, where it is only looked at, read from; ``None`` for neither."""
        return self._looked if self._store is None else self._store.folder

    def begin(self, folder: Path, reports: Sequence[RoundReport], automatic: bool = False) -> None:
        """Make a new session in a folder with everything that is decided so far, and keep it there from now on.

        Raises InputError if the folder holds a session already.
        """
        if automatic:
            make_own_folder(folder)
        store = Store.create(folder)
        origin = self.lies_in
        before = (self._store, self._statuses, self._ticks, self._drafts, self._remarks, self._propagated)
        self._store, self._statuses, self._ticks, self._drafts, self._remarks = store, {}, {}, {}, {}
        self._propagated = {}
        try:
            if origin is not None:
                store.carry_past(origin)
            self._write_all(store, reports)
            if origin is not None:
                carry_key(origin, folder)
            home.drop_word(folder)
            if before[0] is not None:
                self._leave_word(before[0].folder, folder)
        except Exception:
            self._store, self._statuses, self._ticks, self._drafts, self._remarks, self._propagated = before
            store.discard()
            raise
        self.reading, self.left, self._looked = "", None, None
        if before[0] is not None:
            self.left = before[0].folder if self.automatic else None
            before[0].close()
        self.automatic = automatic

    def _leave_word(self, old: Path, new: Path) -> None:
        """Let the images lead to the new folder; an old one that is not the program's own may be gone by now."""
        try:
            home.leave_word(old, new)
        except StorageError:
            if self.automatic:
                raise

    def _write_all(self, store: Store, reports: Sequence[RoundReport]) -> None:
        """Write everything that is decided so far into a new session."""
        session, known = self._session, {one.value for one in self._session.structures}
        gone = [Structure(value, f"removed {value}") for value in sorted(session.used - known)]
        if gone:  # their numbers are not given again
            self.structures([*session.structures, *gone])
        self.structures(session.structures)
        self.frames([session.own_frame(frame.id) for frame in session.frames])
        self.setups({}, {frame.id: self._session.setup(frame.id) for frame in self._session.frames})
        for report in reports:
            self.round(report)
        for frame in self._session.frames:
            self.follow(frame.id)
            self.draft(frame.id, 0.0)
            self.remark(frame.id)
        store.save_readers(self.readers)
        if self.choices is not None:
            store.save_choices(self.choices)

    def look(self, folder: Path, why: str) -> SessionRecord:
        """Read a session's folder without keeping anything there; ``why`` is told to who wants to change it."""
        record = Store.read(folder, lazily=True)
        self.reading, self._looked, self.readers = why, folder, record.readers
        return record

    def resume(self, folder: Path, automatic: bool = False) -> SessionRecord:
        """Read a session's folder, and keep the session there from now on."""
        store = Store.open(folder)
        try:
            record = store.load(lazily=True)
        except Exception:
            store.close()
            raise
        self._store = store
        self.automatic = automatic
        self._drafts = {
            key: (PackedLabels.of(one.annotation.labels), one.touched) for key, one in record.drafts.items()
        }
        self._propagated = {frame_id: (one.how, one.labels) for frame_id, one in record.propagated.items()}
        self._statuses = dict(record.statuses)
        self._remarks = dict(record.remarks)
        self.readers = record.readers
        self.choices = record.choices or self.choices
        self._ticks = {frame_id: dict(ticks) for frame_id, ticks in record.ticks.items()}
        return record

    def frames(self, frames: Sequence[Frame]) -> None:
        """Write new frames."""
        if self._store is not None and frames:
            self._store.save_frames(frames)

    def structures(self, structures: Sequence[Structure]) -> None:
        """Write the list of structures."""
        if self._store is not None:
            self._store.save_structures(structures)

    def place(self, place: Place) -> None:
        """Write where one is."""
        if self._store is not None:
            self._store.save_place(place)

    def choose(self, choices: Choices) -> None:
        """Write what is chosen, where it is something else than before."""
        if self._store is not None and choices != self.choices:
            self._store.save_choices(choices)
        self.choices = choices

    def remark(self, frame_id: str) -> None:
        """Write the note on a frame, if there is one or was."""
        remark = self._session.remark(frame_id)
        if self._store is not None and remark != self._remarks.get(frame_id, NO_REMARK):
            self._store.save_remark(frame_id, remark)
            self._remarks[frame_id] = remark

    def versions(self, frame_id: str) -> tuple[Version, ...]:
        """Every accepted version of a frame; none while nothing is kept, or where what is looked at has gone."""
        return self._past(lambda store: store.versions(frame_id), ())

    def suggested(self, frame_id: str) -> Mapping[int, PackedMask]:
        """What was suggested before a frame was accepted, by structure value; empty in the same cases."""
        return self._past(lambda store: store.suggested(frame_id), {})

    def _past(self, ask: Callable[[Store], Past], nothing: Past) -> Past:
        try:
            if self._store is not None:
                return ask(self._store)
            if self._looked is None:
                return nothing
            with closing(Store.to_read(self._looked)) as store:
                return ask(store)
        except InputError:
            return nothing

    def setups(self, before: Mapping[str, FrameSetup], after: Mapping[str, FrameSetup]) -> None:
        """Write the scales and sectors by hand that are others than before."""
        if self._store is not None and any(setup != before.get(key, NOT_SET) for key, setup in after.items()):
            self._store.save_setups(before, after)

    def annotation(self, annotation: Annotation) -> bool:
        """Write an accepted frame before its status says so; ``False`` while nothing is kept."""
        if self._store is None:
            return False
        self._store.save_annotation(annotation, self._session.suggested_masks(annotation.frame_id))
        self._statuses[annotation.frame_id] = FrameStatus.ACCEPTED
        return True

    def round(self, report: RoundReport) -> None:
        """Write a round's report."""
        if self._store is not None:
            self._store.save_round(report)

    def follow(self, frame_id: str) -> None:
        """Write what has changed about a frame that a person decided: accepted, skipped, opened again, ticks.

        Of a frame that was closed before every status: that it is as it was suggested tells that all was undone.
        """
        if self._store is None:
            return
        self._follow_ticks(self._store, frame_id)
        status, written = self._session.status(frame_id), self._statuses.get(frame_id, FrameStatus.NEW)
        if status is written or (status not in CLOSED and frame_id not in self._statuses):
            return
        if status is FrameStatus.ACCEPTED:
            self._store.save_annotation(self._session.annotations[frame_id], self._session.suggested_masks(frame_id))
        else:
            self._store.save_status(frame_id, status)
        self._statuses[frame_id] = status

    def draft(self, frame_id: str, seconds: float) -> None:
        """Write work in progress on a frame, at the end of every stroke and with every answer to a click.

        ``seconds`` is the time spent on the frame so far. Nothing is written where nothing has changed.
        """
        if self._store is None:
            return
        self._follow_propagated(self._store, frame_id)
        session, written = self._session, self._drafts.get(frame_id)
        labels, touched = session.packed(frame_id), session.touched(frame_id)
        if session.status(frame_id) is FrameStatus.ACCEPTED:
            self._drafts.pop(frame_id, None)
        elif touched and labels is not None:
            self._follow_ticks(self._store, frame_id)  # what is outlined after "not there" is there
            if (labels, touched) != written:
                self._store.save_draft(Draft(session.draft(frame_id, seconds), touched))
                self._drafts[frame_id] = labels, touched
        elif written is not None:
            self._store.drop_draft(frame_id)
            del self._drafts[frame_id]

    def models_folder(self) -> Path | None:
        """Where the session's learned models go; ``None`` while nothing is kept."""
        return None if self._store is None else self._store.models

    def serving(self, file: Path | None) -> None:
        """Note which model serves from now on; see :meth:`Store.save_serving`."""
        if self._store is not None:
            self._store.save_serving(file)

    def _follow_propagated(self, store: Store, frame_id: str) -> None:
        """Write masks that came from a key frame; while they are being corrected, those of before stay."""
        session, written = self._session, self._propagated.get(frame_id)
        how, labels = session.propagated(frame_id), session.packed(frame_id)
        if session.status(frame_id) is FrameStatus.ACCEPTED:
            self._propagated.pop(frame_id, None)
        elif how is None and written is not None:
            store.drop_propagated(frame_id)
            del self._propagated[frame_id]
        elif how is None or labels is None or (written is not None and session.touched(frame_id)):
            return
        elif written is None or written[0] is not how or written[1] != labels:
            present = tuple(int(value) for value in np.unique(labels.open()) if value)
            store.save_propagated(PropagatedMasks(frame_id, labels, how, present, session.model_of(frame_id)))
            self._propagated[frame_id] = how, labels

    def _follow_ticks(self, store: Store, frame_id: str) -> None:
        ticks, written = self._session.ticks(frame_id), self._ticks.setdefault(frame_id, {})
        for structure in set(ticks) | set(written):
            present = ticks.get(structure)
            if present is not written.get(structure):
                store.save_tick(frame_id, structure, present)
                written.pop(structure, None)
                if present is not None:
                    written[structure] = present

    def close(self) -> None:
        """Close the folder."""
        if self._store is not None:
            self._store.close()
            self._store = None
