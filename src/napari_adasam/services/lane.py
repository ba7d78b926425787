"""The lane: one thread that owns every tensor and works through jobs, the clinician's own first.

A job is a function. What it returns is its value; if it returns a generator, the lane takes one step of it, puts it
back into the queue behind more urgent jobs, and its return value is the job's. So a click is answered between two
training steps, and within one wherever it calls :func:`give_way`. A job whose step is ``ASLEEP`` waits for others, and
is left alone until it is woken (:func:`while_asleep`). Every job ends in exactly one outcome of ``done``, ``failed`` or
``cancelled``; every exception arrives as a value.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
import traceback
from collections.abc import Callable, Generator
from functools import partial

from napari_adasam.domain.errors import AdasamError
from napari_adasam.services.jobs import ASLEEP, HELD, Entry, Job, JobKind, Outcome, OutcomeState

__all__ = ["Job", "JobKind", "Lane", "Outcome", "give_way", "held_seconds", "while_asleep", "worked_seconds"]

logger = logging.getLogger(__name__)

_here = threading.local()


def give_way() -> None:
    """Answer the clicks that wait, in the middle of a job's step, and end the step here if its job was cancelled.

    Lane's thread; on any other it does nothing. Only jobs that may run ``within`` another one's step are done here:
    they change nothing that the step works with.
    """
    lane: Lane | None = getattr(_here, "lane", None)
    if lane is not None:
        lane._give_way()


def held_seconds() -> float:
    """How long (s) the job that calls was paused until now; 0 on any thread but a lane's."""
    lane: Lane | None = getattr(_here, "lane", None)
    return 0.0 if lane is None or not lane._running else lane._running[-1].held


def worked_seconds() -> float:
    """Monotonic seconds without those for which the job that calls was paused."""
    return time.monotonic() - held_seconds()


def while_asleep(on_pause: Callable[[bool], None]) -> Callable[[], None]:
    """For a job's generator that others work for: what wakes it after it has yielded ``ASLEEP``, on any thread.

    ``on_pause`` is told, on the thread that does so, when the job is paused or let go on. Off a lane's thread nothing
    ever is, and waking does nothing.
    """
    lane: Lane | None = getattr(_here, "lane", None)
    if lane is None or not lane._running:
        return lambda: None
    entry = lane._running[-1]
    entry.on_pause = on_pause
    return partial(lane._rouse, entry)


class _Cancelled(BaseException):
    """Leaves a step whose job was cancelled meanwhile."""


class Lane:
    """A worker thread with a priority queue.

    Parameters
    ----------
    post
        Called on the lane's thread with every outcome, in order. What it raises is logged and does not end the lane.
    """

    def __init__(self, post: Callable[[Outcome], None]) -> None:
        self._post = post
        self._ids = itertools.count(1)
        self._queue: list[tuple[int, int, Entry]] = []
        self._running: list[Entry] = []
        self._closing = False
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="adasam-lane", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> int:
        """Put a job into the queue and return its id. Any thread."""
        with self._wake:
            if self._closing:
                raise RuntimeError("expected an open lane, got one that is closed")
            entry = Entry(next(self._ids), job)
            heapq.heappush(self._queue, (job.kind, entry.job_id, entry))
            self._wake.notify()
            return entry.job_id

    def cancel(self, which: int | JobKind) -> None:
        """Cancel a job by its id, or all of a kind (a JobKind). Any thread; returns at once.

        A job that waits never starts; a generator is closed after the step it is in, any job at its next
        :func:`give_way`. What runs to its end before the cancellation takes effect is done: its value is delivered.
        """
        with self._wake:
            self._mark(lambda entry: entry.job.kind is which if isinstance(which, JobKind) else entry.job_id == which)

    def pause(self, job_id: int, paused: bool = True) -> None:
        """Hold a job back, or let it go on. Any thread; returns at once.

        It stops at its next :func:`give_way`, or after the step that it is in; what is more urgent is done meanwhile.
        """
        with self._wake:
            for entry in (*self._running, *(row[2] for row in self._queue)):
                if entry.job_id == job_id:
                    entry.pause(paused)
            self._sort()

    def close(self, timeout: float | None = 10.0) -> bool:
        """Cancel everything and end the thread; ``False`` if its last step takes longer than ``timeout`` seconds."""
        with self._wake:
            self._closing = True
            self._mark(lambda entry: True)
            self._wake.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _mark(self, chosen: Callable[[Entry], bool]) -> None:
        """Mark entries as cancelled; those that wait go to the front, so that their outcome comes soon."""
        for entry in (*self._running, *(row[2] for row in self._queue)):
            entry.cancelled = entry.cancelled or chosen(entry)
        self._sort()

    def _rouse(self, entry: Entry) -> None:
        """Let a job go on that sleeps, or that is just about to. Any thread."""
        with self._wake:
            entry.asleep, entry.roused = False, True
            self._sort()

    def _sort(self) -> None:
        self._queue = [(entry.order, job_id, entry) for _, job_id, entry in self._queue]
        heapq.heapify(self._queue)
        self._wake.notify()

    # -- on the lane's thread --------------------------------------------------------------------------------------

    def _work(self) -> None:
        _here.lane = self
        while (entry := self._take()) is not None:
            self._advance(entry)

    def _give_way(self) -> None:
        """Do what may be done within the step that is under way. It costs nothing where nothing waits."""
        here = self._running[-1]
        while True:
            while self._queue and (entry := self._take_within()) is not None:
                self._advance(entry)
            if here.cancelled:
                raise _Cancelled
            if here.paused_at is None or not self._rest(here):
                return

    def _rest(self, here: Entry) -> bool:
        """Wait in the middle of a paused job's step until something is new; ``False``: take the step to its end.

        That is so where something more urgent waits that may not be done within a step.
        """
        with self._wake:
            urgent = bool(self._queue) and self._queue[0][0] < here.job.kind
            if here.paused_at is None or (urgent and not self._queue[0][2].job.within):
                return False
            if not urgent and not here.cancelled:
                self._wake.wait()
            return True

    def _advance(self, entry: Entry) -> None:
        if entry.cancelled:
            self._stop(entry)
        elif self._step(entry):
            self._put_back(entry)
        with self._wake:
            self._running.pop()

    def _take_within(self) -> Entry | None:
        """The most urgent entry if it may interrupt the one that runs; a click does not interrupt a click."""
        with self._wake:
            if not self._queue or not self._queue[0][2].job.within:
                return None
            if self._queue[0][0] >= min(entry.job.kind for entry in self._running):
                return None
            self._running.append(heapq.heappop(self._queue)[2])
            return self._running[-1]

    def _take(self) -> Entry | None:
        """Wait for the most urgent entry; ``None`` when the lane is closed and empty."""
        with self._wake:
            while (not self._queue or self._queue[0][0] == HELD) and not self._closing:
                self._wake.wait()
            if not self._queue:
                return None
            self._running.append(heapq.heappop(self._queue)[2])
            return self._running[-1]

    def _put_back(self, entry: Entry) -> None:
        with self._wake:
            entry.asleep = entry.asleep and not entry.roused
            heapq.heappush(self._queue, (entry.order, entry.job_id, entry))

    def _step(self, entry: Entry) -> bool:
        """Take one step of a job; ``True`` if there are more."""
        entry.roused = False
        if not entry.started:
            entry.started = True
            self._tell(entry, "started")
        try:
            ended, value = self._run(entry)
        except _Cancelled:
            self._tell(entry, "cancelled")
            return False
        except BaseException as error:  # noqa: BLE001 - out of memory and exits included: nothing may end the lane
            self._fail(entry, error)
            return False
        entry.asleep = value is ASLEEP and not ended
        if not entry.asleep:
            self._tell(entry, "done" if ended else "progress", value)
        return not ended

    def _run(self, entry: Entry) -> tuple[bool, object]:
        """Whether the job has ended, and its value or that of its step."""
        if entry.steps is None:
            value = entry.job.work()
            if not isinstance(value, Generator):
                return True, value
            entry.steps = value
        try:
            return False, next(entry.steps)
        except StopIteration as stop:
            return True, stop.value

    def _stop(self, entry: Entry) -> None:
        try:
            if entry.steps is not None:
                entry.steps.close()
        except BaseException as error:  # noqa: BLE001 - the same
            self._fail(entry, error)
        else:
            self._tell(entry, "cancelled")

    def _fail(self, entry: Entry, error: BaseException) -> None:
        """Log the traceback and let go of its frames, which may hold gigabytes of tensors."""
        level = logging.DEBUG if isinstance(error, AdasamError) else logging.ERROR
        logger.log(level, "job %d (%s %s) failed", entry.job_id, entry.job.kind.name, entry.job.key, exc_info=error)
        link: BaseException | None = error
        while link is not None:
            traceback.clear_frames(link.__traceback__)
            link.__traceback__ = None
            link = link.__cause__ or link.__context__
        entry.steps = None
        self._tell(entry, "failed", error=error)

    def _tell(
        self, entry: Entry, state: OutcomeState, value: object = None, error: BaseException | None = None
    ) -> None:
        job = entry.job
        try:
            self._post(Outcome(entry.job_id, job.kind, job.key, job.revision, state, value, error))
        except Exception:
            logger.exception("an outcome of job %d could not be delivered", entry.job_id)
