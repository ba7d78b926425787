"""From frame to frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from napari_adasam.domain.errors import AdasamError, InputError
from napari_adasam.domain.queue import ORDERS, Order
from napari_adasam.services.calibrating import Calibrating
from napari_adasam.services.sentences import ForNow


class Moving(Calibrating):
    """Goes to frames of a sitting. Every method runs on the GUI thread.

    A frame of a large file that is not open becomes current a little later: the lane opens the file first.
    """

    def go_to(self, frame_id: str) -> None:
        """Make a frame current; its suggestion is asked for, and those of the next two."""
        self._walk.stray()
        self._arrive([frame_id])

    def next(self) -> None:
        """Go to the next frame that is to be done and can be read; say so if there is none."""
        self._walk.stray()
        self._advance()

    def back(self) -> None:
        """Go to the frame seen before this one; over those that cannot be read, with a sentence for each."""
        earlier = self._walk.earlier() if not self._refused("back") else ()
        if earlier:
            self._walk.stray()
            self._arrive(earlier, then=self._walk.returned)

    def next_frame(self) -> None:
        """Go to the next frame of the same file, done or not."""
        self._step_within("next_frame", 1)

    def frame_before(self) -> None:
        """Go to the frame before in the same file."""
        self._step_within("frame_before", -1)

    def next_item(self) -> None:
        """Go to the next file, to its first frame that is to be done; where all are done, to its first one."""
        self._step_over("next_item", 1)

    def item_before(self) -> None:
        """Go to the file before, in the same way."""
        self._step_over("item_before", -1)

    def go_to_item(self, frame_id: str) -> None:
        """Go to the file of a frame; nothing happens where the current frame is one of it."""
        item, current = self._bench.items.of(frame_id), self._session.current
        if current is None or current not in item.frames:
            self.go_to(self._bench.items.first_open(item))

    @property
    def order(self) -> Order:
        """In which order frames are offered."""
        return self._walk.how

    def set_order(self, how: str, seed: int = 0) -> None:
        """Offer frames in the order of the files (``"file"``), at ``"random"``, or what teaches most (``"active"``)."""
        if how not in ORDERS:
            raise ValueError(f"expected one of {', '.join(ORDERS)}, got {how!r}")
        self._walk.how, self._walk.seed = how, seed
        self._looking.want(how == "active")
        self._recording.place()
        self.queue_changed.emit()
        self._suggesting.ask_ahead()

    @property
    def opening(self) -> bool:
        """Whether files are being opened."""
        return self._filing.opening is not None or self._bench.ahead.opening

    @property
    def not_saved(self) -> str:
        """That a change is not on the disk, in the sentence that was said of it; empty once all are."""
        return self._recording.not_saved

    def _step_within(self, command: str, step: int) -> None:
        current = self._session.current if not self._refused(command) else None
        there = None if current is None else self._bench.items.beside(current, step)
        if there is not None:
            self.go_to(there)

    def _step_over(self, command: str, step: int) -> None:
        current = self._session.current if not self._refused(command) else None
        if current is not None:
            items = self._bench.items
            self.go_to(items.first_open(items.all[items.of(current).number + step]))

    def _arrive(self, frame_ids: Sequence[str], then: Callable[[], None] = lambda: None) -> None:
        """Make the first of these that can be read current, with a sentence for each before it; then ``then``."""
        self._bench.ahead.forget()
        while frame_ids and self._bench.sources.at_hand(frame_ids[0]):
            if self._arrive_at(frame_ids[0]):
                then()
                return
            frame_ids = frame_ids[1:]
        if frame_ids:
            self._bench.ahead.open(frame_ids[0], lambda done: self._arrive(frame_ids if done else frame_ids[1:], then))

    def _arrive_at(self, frame_id: str) -> bool:
        if frame_id != self._session.current:
            try:
                self.pixels(frame_id)
            except AdasamError as error:
                self.problem.emit(str(error))
                return False
            try:
                self._session.hold(frame_id)
            except InputError:
                self._checking.mend(frame_id)
            self._walk.leave()
            self._session.go_to(frame_id)
        self._suggesting.show_current()
        return True

    def _advance(self) -> None:
        coming = self._walk.coming()
        if coming:
            self._arrive(coming)
            return
        accepted = len(self._session.annotations)
        said = f"No other image is left to be done: {accepted} of {len(self._session.frames)} accepted."
        self.problem.emit(ForNow(said))

    def _changed(self, frame_id: str) -> None:
        """Something was done on the current frame: one stays there, and it is written."""
        self._walk.just_closed = None
        self._bench.ahead.forget()
        self._recording.follow(frame_id)
        self._correcting.answer_open_questions(frame_id)
