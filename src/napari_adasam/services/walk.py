"""The way through the frames: what is offered next, where one came from, how long one stayed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from napari_adasam.domain import queue
from napari_adasam.domain.looks import Look
from napari_adasam.domain.queue import Order, Place
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
        self.looks: Mapping[str, Look] = {}
        self._offers: tuple[object, Mapping[str, str]] = (None, {})
        self._places: tuple[str, ...] = ()
        self._closed: list[str] = []
        self._skipped: dict[str, dict[str, int]] = {}
        self.just_closed: str | None = None
        """The frame that was accepted or skipped last, while nothing else was done since: undo goes back to it."""

    def note_closed(self, frame_id: str) -> None:
        """A frame was accepted or skipped, and one goes on."""
        self._closed.append(frame_id)
        self.just_closed = frame_id

    def note_together(self, frame_ids: Sequence[str]) -> None:
        """Frames were skipped in one step, or that step was taken back or done again."""
        revisions = {one: self._session.revision(one) for one in frame_ids}
        self._skipped.update(dict.fromkeys(frame_ids, revisions))

    def together(self, frame_id: str, skipped: bool) -> list[str]:
        """The frame, and those that were skipped in one step with it, as far as nothing was done on them since.

        Itself alone where it does not stand so: ``skipped``, or opened again by undo.
        """
        session, revisions = self._session, self._skipped.get(frame_id, {})
        same = [one for one, revision in revisions.items() if session.revision(one) == revision]
        stands = (session.status(frame_id) is FrameStatus.SKIPPED) is skipped
        return same if stands and frame_id in same else [frame_id]

    @property
    def last_closed(self) -> str | None:
        """Of the frames that were closed on the way here, the last that is closed still: for undo, step by step."""
        while self._closed and self._session.status(self._closed[-1]) not in queue.DONE:
            self._closed.pop()
        return self._closed[-1] if self._closed and self._closed[-1] != self._session.current else None

    def to_undo(self, here: bool) -> str | None:
        """The frame whose accept or skip is taken back next; ``None``: what was done on this one, if anything was."""
        return self.just_closed if here or self.just_closed is not None else self.last_closed

    def stray(self) -> None:
        """One goes elsewhere by oneself: undo stays there."""
        self.just_closed = None
        self._closed.clear()

    @property
    def place(self) -> Place:
        """Where one is."""
        return Place(self._session.current or "", self.how, self.seed)

    @property
    def queue(self) -> tuple[str, ...]:
        """Ids of the frames still to be done, in the order they are offered."""
        ids, current = self._ids(), self._session.current
        if current is None or self._session.status(current) not in queue.DONE:
            return ids
        return tuple(one for one in ids if one != current)

    def coming(self) -> tuple[str, ...]:
        """The other frames still to be done, beginning with the one that comes after the current one."""
        current = self._session.current
        if current is None:
            return self.queue
        ids = self._ids()
        place = ids.index(current)
        if self.how == "active" and self._session.status(current) in queue.DONE:
            return ids[:place] + ids[place + 1 :]
        return ids[place + 1 :] + ids[:place]

    def likely(self) -> tuple[str, ...]:
        """What will probably be shown next, likeliest first: after an accept, and without a decision."""
        coming = self.coming()
        if self.how != "active":
            return coming
        best = [one for one in self._ids() if one != self._session.current][:1]
        return tuple(dict.fromkeys((*best, *coming)))

    def why(self, frame_id: str) -> str:
        """Why a frame is offered, in words."""
        done = self._session.status(frame_id) in queue.DONE
        return "it is done already" if done else self._in_order().get(frame_id, "")

    def renew(self) -> None:
        """There are new looks: make the order anew."""
        self._offers = (None, {})

    def leave(self) -> None:
        """Remember where one was, and for how long; called before another frame becomes current."""
        if self._session.current is not None:
            self._trail.append(self._session.current)
            self._stop_clock(self._session.current)
        self._since = self._clock()

    def earlier(self) -> tuple[str, ...]:
        """The frames seen before, the latest first; where there are none, those before in the files' order."""
        current = self._session.current
        if self._trail:
            return tuple(one for one in dict.fromkeys(reversed(self._trail)) if one != current)
        ids = [frame.id for frame in self._session.frames]
        return tuple(reversed(ids[: ids.index(current)])) if current is not None else ()

    def returned(self) -> None:
        """The current frame was come back to: what was seen since is no way back any more."""
        while self._trail and self._trail.pop() != self._session.current:
            pass

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

    def _ids(self) -> tuple[str, ...]:
        self._in_order()
        return self._places

    def _in_order(self) -> Mapping[str, str]:
        """The frames to be done and the current one, and why; made anew only where something has changed."""
        session = self._session
        key = (session.moves, session.current, session.structures, self.how, self.seed)
        if self._offers[0] != key:
            names = {one.value: one.name for one in session.structures}
            frames, status = session.frames, self._status_but_current
            self._offers = (key, queue.order(frames, status, self.how, self.seed, self.looks, names))
            self._places = tuple(self._offers[1])
        return self._offers[1]
