"""Looking back: versions of a frame, other readers' outlines, remarks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.packing import StoredLabels, laid_out
from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.steps import CLOSED
from napari_adasam.domain.versions import Remark, Version
from napari_adasam.files.store import Store
from napari_adasam.services.moving import Moving
from napari_adasam.services.readers import OtherReaders

SUGGESTION = "the suggestion"


class Reviewing(Moving):
    """What can be laid beside a sitting's frames, and brought back. Every method runs on the GUI thread."""

    def versions(self, frame_id: str) -> tuple[Version, ...]:
        """What a frame can be compared with: the suggestion, the versions accepted so far, and other readers' outlines.

        Masks are read when they are asked for; opening one may raise InputError.
        """
        session = self._session
        kept, others = self._keeping.versions(frame_id), self._readers().versions(frame_id, session.structures)
        return (*self._suggestion(frame_id), *kept, *others)

    def _suggestion(self, frame_id: str) -> tuple[Version, ...]:
        """The suggestion; after reopening, of a frame that was accepted, the one that was accepted or corrected."""
        session, frame = self._session, self._session.frame(frame_id)
        shape, read = (frame.height, frame.width), partial(session.suggested_labels, frame_id)
        if not session.scores(frame_id):
            masks = self._keeping.suggested(frame_id)
            if not masks or any(mask.shape != shape for mask in masks.values()):
                return ()
            read = partial(laid_out, masks, shape)
        return (Version(0, "", StoredLabels(shape, SUGGESTION, read), SUGGESTION),)

    def bring_back(self, version: Version) -> bool:
        """Show a version as work in progress on the current frame, to be accepted or undone; ``False`` if refused."""
        current = self._current("bring_back")
        if current is None:
            return False
        try:
            labels = version.labels.open()
            if labels.shape != self._session.labels(current).shape:
                raise AdasamError("This version is of another size than the image. Nothing was changed.")
        except AdasamError as error:
            self.problem.emit(str(error))
            return False
        self._session.bring_back(current, labels)
        self._changed(current)
        return True

    @property
    def in_steps(self) -> bool:
        """Whether a clip or a volume is gone through now, frame by frame."""
        return self._clips.under_way is not None

    def measure_stack(self) -> bool:
        """Measure the clip or volume on the screen over its frames; ``stack_measured`` brings the figures."""
        current = self._current("measure_stack")
        if current is not None:
            self._clips.stacking.start(current)
        return current is not None

    def show_volume(self) -> bool:
        """Read the volume on the screen, to be looked at; ``volume_read`` brings it."""
        current = self._current("show_volume")
        if current is not None:
            self._clips.volumes.start(current)
        return current is not None

    def note(self, text: str, frame_id: str | None = None) -> bool:
        """Write a note on a frame (the current one), in place of an earlier one; empty takes it away."""
        current = self._current("note")
        if current is None:
            return False
        noted = current if frame_id is None else frame_id
        return self._remark(noted, Remark(text.strip(), self._session.remark(noted).unusable))

    def mark_unusable(self) -> None:
        """Leave the current frame out because it cannot be used, and go on."""
        current = self._current("skip")
        if current is not None and self._remark(current, Remark(self._session.remark(current).note, unusable=True)):
            self._close_as_skipped(current)

    def skip(self) -> None:
        """Mark the current frame as skipped, and go on."""
        current = self._current("skip")
        if current is not None and self._remark(current, Remark(self._session.remark(current).note)):
            self._close_as_skipped(current)

    def skip_file(self) -> bool:
        """Mark what is open of the current file as skipped, as one step, and go on; what is accepted stays."""
        current = self._current("skip_file")
        if current is None:
            return False
        session = self._session
        frames = [one for one in self._bench.items.of(current).frames if session.status(one) not in CLOSED]
        for one in frames:
            if session.remark(one).unusable and not self._remark(one, Remark(session.remark(one).note)):
                return False
        for one in frames:
            session.skip(one)
        if not self._recording.follow_together(frames):
            for one in frames:
                session.undo(one)
            return False
        self._walk.note_together(frames)
        self._walk.note_closed(current if current in frames else frames[0])
        self._advance()
        return True

    def second_reader(self, folder: Path) -> bool:
        """Make a session for a second reader: the same frames and structures, and nothing of what was done here."""
        session = self._session

        def make() -> None:
            store = Store.create(folder)
            try:
                store.save_structures(session.structures)
                store.save_frames([session.own_frame(frame.id) for frame in session.frames])
                store.save_setups({}, {frame.id: session.setup(frame.id) for frame in session.frames})
            except BaseException:
                store.discard()
                raise
            store.close()

        return self._recording.attempt(make)

    def _remark(self, frame_id: str, remark: Remark) -> bool:
        before = self._session.remark(frame_id)
        self._session.set_remark(frame_id, remark)
        if self._recording.attempt(lambda: self._keeping.remark(frame_id), ("remark", frame_id)):
            return True
        self._session.set_remark(frame_id, before)
        return False

    def _travel(self, undo: bool) -> bool:
        """Undo or redo; done back if the disk does not take it. What is open again gets what it lacks."""
        session, current = self._session, self._session.current
        self._bench.ahead.forget()
        if current is None:
            return False
        there, back = (session.undo, session.redo) if undo else (session.redo, session.undo)
        closed = session.status(current) in CLOSED
        frames, moved = self._walk.together(current, skipped=undo), list[str]()
        try:
            for one in frames:
                moved += [one] if there(one) else []
        except AdasamError as error:
            self.problem.emit(str(error))
        done = len(moved) == len(frames) and self._write_travel(moved)
        for one in [] if done else moved:
            back(one)
        if len(frames) > 1:
            self._walk.note_together(frames)
        if not done:
            return False
        self._correcting.answer_open_questions(current)
        if closed:
            self._suggesting.show_current()
        return True

    def _write_travel(self, frames: Sequence[str]) -> bool:
        if len(frames) == 1:
            return self._recording.follow(frames[0], stays=False)
        return self._recording.follow_together(frames)

    def _readers(self) -> OtherReaders:
        if self._other.readers != self._keeping.readers:
            self._other = OtherReaders(self._keeping.readers, self.problem.emit)
        return self._other

    def _close_as_skipped(self, frame_id: str) -> None:
        new = self._session.status(frame_id) is not FrameStatus.SKIPPED
        if new:
            self._session.skip(frame_id)
        if not self._recording.follow(frame_id, stays=False):
            if new:
                self._session.undo(frame_id)
            return
        self._walk.note_closed(frame_id)
        self._advance()
