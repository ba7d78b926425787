"""The way through the frames: what is offered next, where one came from, how long one stayed."""

from __future__ import annotations

from collections.abc import Callable

from napari_adasam.domain import queue
from napari_adasam.domain.queue import Order
from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.session import Session


class Walk:
    """A clinician's way through one session. GUI thread.

    Parameters
    ----------
    clock
        Monotonic seconds.
    """

    def __init__(self, session: Session, clock: Callable[[], float]) -> None:
        self._session = session
        self._clock = clock
        self._trail: list[str] = []
        self._seconds: dict[str, float] = {}
        self._since = clock()
        self.how: Order = "file"
        self.seed = 0
        self.just_closed: str | None = None
        """The frame that was accepted or skipped last, while nothing else was done since: undo goes back to it."""

    @property
    def queue(self) -> tuple[str, ...]:
        """Ids of the frames still to be done, in the order they are offered."""
        return self._order(self._session.status)

    def coming(self) -> tuple[str, ...]:
        """The other frames still to be done, beginning with the one that comes after the current one."""
        current = self._session.current
        if current is None:
            return self.queue
        ids = self._order(self._status_but_current)
        place = ids.index(current)
        if self.how == "active" and self._session.status(current) in queue.DONE:
            return ids[:place] + ids[place + 1 :]
        return ids[place + 1 :] + ids[:place]

    def why(self, frame_id: str) -> str:
        """Why a frame is offered, in words."""
        names = {one.value: one.name for one in self._session.structures}
        return queue.why(self._session.scores(frame_id), self.how, names)

    def leave(self) -> None:
        """Remember where one was, and for how long; called before another frame becomes current."""
        if self._session.current is not None:
            self._trail.append(self._session.current)
            self._stop_clock(self._session.current)
        self._since = self._clock()

    def earlier(self) -> str | None:
        """The frame seen before; where there is none, the one before in the files' order."""
        if self._trail:
            return self._trail[-1]
        ids = [frame.id for frame in self._session.frames]
        place = ids.index(self._session.current) if self._session.current is not None else 0
        return ids[place - 1] if place else None

    def forget_last(self, count: int) -> None:
        """Shorten the remembered way."""
        del self._trail[len(self._trail) - min(count, len(self._trail)) :]

    def seconds(self, frame_id: str) -> float:
        """How long a frame has been current so far, over all visits."""
        if frame_id == self._session.current:
            self._stop_clock(frame_id)
        return self._seconds.get(frame_id, 0.0)

    def _stop_clock(self, frame_id: str) -> None:
        now = self._clock()
        self._seconds[frame_id] = self._seconds.get(frame_id, 0.0) + now - self._since
        self._since = now

    def _status_but_current(self, frame_id: str) -> FrameStatus:
        return FrameStatus.NEW if frame_id == self._session.current else self._session.status(frame_id)

    def _order(self, status: Callable[[str], FrameStatus]) -> tuple[str, ...]:
        return queue.order(self._session.frames, status, self._session.scores, self.how, self.seed)
