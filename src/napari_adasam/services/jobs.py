"""What the lane is given and what it gives back: jobs and their outcomes."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Literal

Work = Callable[[], object]
AT_ONCE, HELD = -1, 99
"""Places in the queue in front of and behind all kinds; what is held is not taken at all."""
OutcomeState = Literal["started", "progress", "done", "failed", "cancelled"]


class Asleep(Enum):
    """What a job's generator yields to be left alone until it is woken: ``while_asleep`` in :mod:`.lane`."""

    ASLEEP = "asleep"


ASLEEP = Asleep.ASLEEP
ENDS: tuple[OutcomeState, ...] = ("done", "failed", "cancelled")


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
        Whether a longer job may be interrupted for it, see :func:`napari_adasam.services.lane.give_way`.
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


class Entry:
    """A job in the queue. Touched by the lane's thread, and by others under its lock."""

    __slots__ = ("asleep", "cancelled", "held", "job", "job_id", "on_pause", "paused_at", "roused", "started", "steps")

    def __init__(self, job_id: int, job: Job) -> None:
        self.job_id = job_id
        self.job = job
        self.steps: Generator[object, None, object] | None = None
        self.started = False
        self.cancelled = False
        self.paused_at: float | None = None
        self.held = 0.0
        self.asleep = self.roused = False
        self.on_pause: Callable[[bool], None] | None = None

    @property
    def order(self) -> int:
        """Its place in the queue."""
        if self.cancelled:
            return AT_ONCE
        return int(self.job.kind) if self.paused_at is None and not self.asleep else HELD

    def pause(self, paused: bool) -> None:
        """Hold it back, or let it go on."""
        if paused == (self.paused_at is not None):
            return
        if self.paused_at is not None:
            self.held += time.monotonic() - self.paused_at
        self.paused_at = time.monotonic() if paused else None
        if self.on_pause is not None:
            self.on_pause(paused)
