"""One session and the folder that it is written to: what the clinician decides, and what of it is written already."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import numpy as np

from napari_adasam.domain.calibration import NOT_SET, FrameSetup
from napari_adasam.domain.choices import Choices
from napari_adasam.domain.packing import LabelImage
from napari_adasam.domain.propagation import Propagated, PropagatedMasks
from napari_adasam.domain.queue import Place
from napari_adasam.domain.records import Annotation, Draft, Frame, FrameStatus
from napari_adasam.domain.rounds import RoundReport
from napari_adasam.domain.session import Session
from napari_adasam.domain.steps import CLOSED
from napari_adasam.domain.structures import Structure
from napari_adasam.domain.versions import NO_REMARK, Remark
from napari_adasam.files.store import Store


class Writing:
    """Writes a session, if there is a folder for it. One thread at a time: that of the session.

    Every method raises StorageError, with nothing half written, if the disk does not take it.
    """

    def __init__(self, session: Session, store: Store | None = None) -> None:
        self._session = session
        self._store = store
        self._statuses: dict[str, FrameStatus] = {}
        self._ticks: dict[str, dict[int, bool]] = {}
        self._drafts: dict[str, tuple[LabelImage, frozenset[int]]] = {}
        self._remarks: dict[str, Remark] = {}
        self._propagated: dict[str, tuple[Propagated, LabelImage]] = {}
        self._rounds = 0
        self.choices: Choices | None = None
        """What is chosen, as it is written or will be with a new session; ``None`` before anything is."""

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

    def setups(self, before: Mapping[str, FrameSetup], after: Mapping[str, FrameSetup]) -> None:
        """Write the scales and sectors by hand that are others than before."""
        if self._store is not None and any(setup != before.get(key, NOT_SET) for key, setup in after.items()):
            self._store.save_setups(before, after)

    def annotation(self, annotation: Annotation) -> None:
        """Write an accepted frame before its status says so."""
        if self._store is None:
            return
        self._store.save_annotation(annotation, self._session.suggested_masks(annotation.frame_id))
        self._statuses[annotation.frame_id] = FrameStatus.ACCEPTED

    def round(self, report: RoundReport) -> None:
        """Write a round's report."""
        if self._store is not None:
            self._store.save_round(report)
            self._rounds += 1

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

    def follow_together(self, frame_ids: Sequence[str]) -> None:
        """Write where frames stand that were skipped in one step, or opened again by undo: all or none."""
        stand = [(one, self._session.status(one)) for one in frame_ids]
        if self._store is not None:
            self._store.save_status(*stand[0], *stand[1:])
            self._statuses.update(stand)

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

    def catch_up(self, now: Session, reports: Sequence[RoundReport]) -> Generator[int, None, None]:
        """Write what is otherwise in a session than in the one that was written, whose place it takes.

        Yields how many of the frames that :func:`changed` names are written.
        """
        before, self._session = self._session, now
        behind, known = changed(before, now), {frame.id: before.own_frame(frame.id) for frame in before.frames}
        self._all_structures(before, now)
        frames = [now.own_frame(frame.id) for frame in now.frames]
        self.frames([frame for frame in frames if known.get(frame.id) != frame])
        setups = {frame_id: before.setup(frame_id) for frame_id in known}
        self.setups(setups, {frame.id: now.setup(frame.id) for frame in frames})
        for report in reports[self._rounds :]:
            self.round(report)
        for done, frame_id in enumerate(behind, start=1):
            if now.status(frame_id) is FrameStatus.ACCEPTED:  # it may be another version than the one that is written
                self._statuses.pop(frame_id, None)
            self.follow(frame_id)
            self.draft(frame_id, 0.0)
            self.remark(frame_id)
            yield done

    def _all_structures(self, before: Session, now: Session) -> None:
        """Those that are there now; and before, once, the numbers of those that are gone: they are not given again."""
        gone = now.used - before.used - {one.value for one in now.structures}
        if gone:
            removed = [Structure(value, f"removed {value}") for value in sorted(gone)]
            self.structures([*now.structures, *removed])
        if gone or now.structures != before.structures or not before.frames:
            self.structures(now.structures)

    def take_over(self, other: Writing) -> None:
        """Go on where another one has written the same session."""
        self._store, self._rounds = other._store, other._rounds
        self._statuses, self._ticks, self._drafts = other._statuses, other._ticks, other._drafts
        self._remarks, self._propagated = other._remarks, other._propagated


def changed(before: Session, now: Session) -> list[str]:
    """Ids of the frames that hold something else than before, or were not there."""
    known = {frame.id for frame in before.frames}
    ids = (frame.id for frame in now.frames)
    return [one for one in ids if one not in known or _holds(before, one) != _holds(now, one)]


def _holds(session: Session, frame_id: str) -> tuple[int, Remark]:
    return id(session.step(frame_id)), session.remark(frame_id)
