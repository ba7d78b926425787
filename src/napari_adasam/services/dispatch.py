"""Errands to the lane and back: who asked for a job gets its outcomes, on the GUI thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from psygnal import Signal

from napari_adasam.services.lane import Job, JobKind, Lane, Outcome
from napari_adasam.services.sentences import is_device_lost, sentence

Receive = Callable[[Outcome], None]


@dataclass(frozen=True, slots=True, eq=False)
class Errand:
    """A job on its way.

    Parameters
    ----------
    doing
        What it does, in words: "Loading the model".
    receive
        Gets every outcome but ``started``.
    """

    job: Job
    doing: str
    receive: Receive = field(repr=False)


class Dispatch:
    """Sends jobs to a lane of its own. GUI thread.

    Parameters
    ----------
    forward
        See :class:`~napari_adasam.services.annotator.Annotator`.
    clock
        Monotonic seconds.
    """

    changed = Signal()
    """An errand began, came further or ended."""
    problem = Signal(str)
    device_lost = Signal()
    """The device that computes does not answer any more."""

    def __init__(
        self, forward: Callable[[Outcome], None] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._last_sign = clock, clock()
        self._inbox: SimpleQueue[Outcome] = SimpleQueue()
        self._pumped = forward is None
        self._errands: dict[int, Errand] = {}
        self._paused: set[int] = set()
        self._lane = Lane(forward or self._inbox.put)

    @property
    def errands(self) -> tuple[Errand, ...]:
        """What is under way, oldest first."""
        return tuple(self._errands.values())

    @property
    def silence(self) -> float:
        """Seconds since there was last a sign that what is under way goes on; 0 where nothing is, or all is paused."""
        return self._clock() - self._last_sign if set(self._errands) - self._paused else 0.0

    def send(self, job: Job, doing: str, receive: Receive) -> int:
        """Submit a job; its outcomes come to ``receive``. A failure is told as a problem beforehand."""
        if not set(self._errands) - self._paused:
            self._last_sign = self._clock()
        job_id = self._lane.submit(job)
        self._errands[job_id] = Errand(job, doing, receive)
        self.changed.emit()
        return job_id

    def cancel(self, which: int | JobKind) -> None:
        """Cancel a job by its id, or all of a kind; their outcomes still come."""
        self._lane.cancel(which)

    def pause(self, job_id: int, paused: bool) -> None:
        """Hold a job back, or let it go on."""
        if paused:
            self._paused.add(job_id)
        else:
            self._paused.discard(job_id)
            self._last_sign = self._clock()
        self._lane.pause(job_id, paused)
        self.changed.emit()

    def deliver(self, outcome: Outcome) -> None:
        """Hand an outcome to who asked for it. After :meth:`close` it is dropped."""
        errand = self._errands.get(outcome.job_id)
        self._last_sign = self._clock()
        if errand is None or outcome.state == "started":
            return
        if outcome.ended:
            del self._errands[outcome.job_id]
            self._paused.discard(outcome.job_id)
        try:
            if outcome.error is not None:
                self.problem.emit(sentence(outcome.error, errand.doing))
            errand.receive(outcome)
            if outcome.error is not None and is_device_lost(outcome.error):
                self.device_lost.emit()
        finally:
            self.changed.emit()

    def wait_idle(self, timeout: float) -> bool:
        """Take outcomes in until nothing is under way; ``False`` if ``timeout`` seconds are over first."""
        if not self._pumped:
            raise RuntimeError("expected no window: its event loop delivers the outcomes")
        end = time.monotonic() + timeout
        while self._errands:
            try:
                outcome = self._inbox.get(timeout=max(0.0, end - time.monotonic()))
            except Empty:
                return False
            self.deliver(outcome)
        return True

    def close(self) -> None:
        """End the lane; outcomes that are still on their way are dropped."""
        self._errands.clear()
        self._lane.close(timeout=5.0)
