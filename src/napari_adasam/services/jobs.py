"""What the lane is given and what it gives back: jobs and their outcomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

Work = Callable[[], object]
OutcomeState = Literal["started", "progress", "done", "failed", "cancelled"]
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
