"""The lane: one thread that owns every tensor and works through jobs, the clinician's own first.

A job is a function. What it returns is its value; if it returns a generator, the lane takes one step of it, puts it
back into the queue behind more urgent jobs, and its return value is the job's. So a click is answered between two
training steps, and within one wherever it calls :func:`give_way`. Every job ends in exactly one outcome of ``done``,
``failed`` or ``cancelled``; every exception arrives as a value.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from napari_adasam.domain.errors import AdasamError

logger = logging.getLogger(__name__)

Work = Callable[[], object]
OutcomeState = Literal["started", "progress", "done", "failed", "cancelled"]
ENDS: tuple[OutcomeState, ...] = ("done", "failed", "cancelled")
_AT_ONCE = -1
_here = threading.local()


def give_way() -> None:
    """Answer the clicks that wait, in the middle of a job's step, and end the step here if its job was cancelled.

    Lane's thread; on any other it does nothing. Only jobs that may run ``within`` another one's step are done here:
    they change nothing that the step works with.
    """
    lane: Lane | None = getattr(_here, "lane", None)
    if lane is not None:
        lane._give_way()


class JobKind(IntEnum):
    """What a job is for; the lower value goes first."""

    PROMPT = 0
    READ = 1
    SUGGEST = 2
    EMBED = 3
    PROPAGATE = 4
    EXPORT = 5
    TRAIN = 6
    LOOK = 7


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One piece of work.

    Parameters
    ----------
    work
        Called on the lane's thread; returns the value, or a generator of steps that returns it.
    key, revision
        What the job is about, given back with every outcome.
    within
        Whether a longer job may be interrupted for it, see :func:`give_way`.
    """

    kind: JobKind
    work: Work = field(repr=False)
    key: str = ""
    revision: int = 0
    within: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of a job: ``value`` of a step or of the whole, ``error`` if it failed."""

    job_id: int
    kind: JobKind
    key: str
    revision: int
    state: OutcomeState
    value: object = None
    error: BaseException | None = None

    @property
    def ended(self) -> bool:
        """Whether this is the last outcome of its job."""
        return self.state in ENDS


class _Entry:
    """A job in the queue. Touched by the lane's thread, and by others under the lane's lock."""

    __slots__ = ("cancelled", "job", "job_id", "started", "steps")

    def __init__(self, job_id: int, job: Job) -> None:
        self.job_id = job_id
        self.job = job
        self.steps: Generator[object, None, object] | None = None
        self.started = False
        self.cancelled = False


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
        self._queue: list[tuple[int, int, _Entry]] = []
        self._running: list[_Entry] = []
        self._closing = False
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="adasam-lane", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> int:
        """Put a job into the queue and return its id. Any thread."""
        with self._wake:
            if self._closing:
                raise RuntimeError("expected an open lane, got one that is closed")
            entry = _Entry(next(self._ids), job)
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

    def close(self, timeout: float | None = 10.0) -> bool:
        """Cancel everything and end the thread; ``False`` if its last step takes longer than ``timeout`` seconds."""
        with self._wake:
            self._closing = True
            self._mark(lambda entry: True)
            self._wake.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _mark(self, chosen: Callable[[_Entry], bool]) -> None:
        """Mark entries as cancelled; those that wait go to the front, so that their outcome comes soon."""
        for entry in self._running:
            entry.cancelled = entry.cancelled or chosen(entry)
        queue = []
        for order, job_id, entry in self._queue:
            entry.cancelled = entry.cancelled or chosen(entry)
            queue.append((_AT_ONCE if entry.cancelled else order, job_id, entry))
        heapq.heapify(queue)
        self._queue = queue
        self._wake.notify()

    # -- on the lane's thread --------------------------------------------------------------------------------------

    def _work(self) -> None:
        _here.lane = self
        while (entry := self._take()) is not None:
            self._advance(entry)

    def _give_way(self) -> None:
        """Do what may be done within the step that is under way. It costs nothing where nothing waits."""
        while self._queue and (entry := self._take_within()) is not None:
            self._advance(entry)
        if self._running[-1].cancelled:
            raise _Cancelled

    def _advance(self, entry: _Entry) -> None:
        if entry.cancelled:
            self._stop(entry)
        elif self._step(entry):
            self._put_back(entry)
        with self._wake:
            self._running.pop()

    def _take_within(self) -> _Entry | None:
        """The most urgent entry if it may interrupt the one that runs; a click does not interrupt a click."""
        with self._wake:
            if not self._queue or not self._queue[0][2].job.within:
                return None
            if self._queue[0][0] >= min(entry.job.kind for entry in self._running):
                return None
            self._running.append(heapq.heappop(self._queue)[2])
            return self._running[-1]

    def _take(self) -> _Entry | None:
        """Wait for the most urgent entry; ``None`` when the lane is closed and empty."""
        with self._wake:
            while not self._queue and not self._closing:
                self._wake.wait()
            if not self._queue:
                return None
            self._running.append(heapq.heappop(self._queue)[2])
            return self._running[-1]

    def _put_back(self, entry: _Entry) -> None:
        with self._wake:
            order = _AT_ONCE if entry.cancelled else int(entry.job.kind)
            heapq.heappush(self._queue, (order, entry.job_id, entry))

    def _step(self, entry: _Entry) -> bool:
        """Take one step of a job; ``True`` if there are more."""
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
        self._tell(entry, "done" if ended else "progress", value)
        return not ended

    def _run(self, entry: _Entry) -> tuple[bool, object]:
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

    def _stop(self, entry: _Entry) -> None:
        try:
            if entry.steps is not None:
                entry.steps.close()
        except BaseException as error:  # noqa: BLE001 - the same
            self._fail(entry, error)
        else:
            self._tell(entry, "cancelled")

    def _fail(self, entry: _Entry, error: BaseException) -> None:
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
        self, entry: _Entry, state: OutcomeState, value: object = None, error: BaseException | None = None
    ) -> None:
        job = entry.job
        try:
            self._post(Outcome(entry.job_id, job.kind, job.key, job.revision, state, value, error))
        except Exception:
            logger.exception("an outcome of job %d could not be delivered", entry.job_id)
