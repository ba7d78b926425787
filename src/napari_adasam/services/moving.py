"""From frame to frame."""

from __future__ import annotations

from napari_adasam.domain.errors import AdasamError
from napari_adasam.services.calibrating import Calibrating


class Moving(Calibrating):
    """Goes to frames of a sitting. Every method runs on the GUI thread."""

    def go_to(self, frame_id: str) -> None:
        """Make a frame current; its suggestion is asked for, and those of the next two."""
        self._walk.just_closed = None
        self._arrive(frame_id)

    def next(self) -> None:
        """Go to the next frame that is to be done and can be read; say so if there is none."""
        self._walk.just_closed = None
        self._advance()

    def back(self) -> None:
        """Go to the frame seen before this one."""
        earlier = self._walk.earlier() if not self._refused("back") else None
        if earlier is not None:
            self._walk.just_closed = None
            if self._arrive(earlier):
                self._walk.forget_last(2)

    def _arrive(self, frame_id: str) -> bool:
        """Make a frame current; ``False``, with a sentence, if its picture cannot be read."""
        if frame_id != self._session.current:
            try:
                self.pixels(frame_id)
            except AdasamError as error:
                self.problem.emit(str(error))
                return False
            self._checking.mend(frame_id)
            self._walk.leave()
            self._session.go_to(frame_id)
        self._suggesting.show_current()
        return True

    def _advance(self) -> None:
        coming = self._walk.coming()
        if not any(self._arrive(frame_id) for frame_id in coming) and not coming:
            accepted = len(self._session.annotations)
            self.problem.emit(f"No other image is left to be done: {accepted} of {len(self._session.frames)} accepted.")

    def _changed(self, frame_id: str) -> None:
        self._walk.just_closed = None
        self._recording.follow(frame_id)
        self._correcting.answer_open_questions(frame_id)
