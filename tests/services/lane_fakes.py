"""A lane, all it said, and jobs of many steps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from queue import SimpleQueue

from napari_adasam.services.lane import Job, JobKind, Lane, Outcome

SECONDS = 10.0


class Heard:
    """A lane with a gate in front, and all it said."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self._box: SimpleQueue[Outcome] = SimpleQueue()
        self.lane = Lane(self._box.put)
        self.gate = threading.Event()

    def hold(self) -> int:
        """Keep the lane busy until the gate is opened, so that what is submitted meanwhile waits."""
        entered = threading.Event()

        def wait() -> None:
            entered.set()
            self.gate.wait(SECONDS)

        job = self.lane.submit(Job(JobKind.PROMPT, wait, key="gate"))
        assert entered.wait(SECONDS)
        return job

    def until(self, enough: Callable[[], bool]) -> None:
        while not enough():
            self.outcomes.append(self._box.get(timeout=SECONDS))

    def waiting(self) -> list[Outcome]:
        """What was said and not yet taken."""
        return [self._box.get_nowait() for _ in range(self._box.qsize())]

    def until_ended(self, *jobs: int) -> None:
        self.until(lambda: all(self.end(job) is not None for job in jobs))

    def of(self, job: int) -> list[Outcome]:
        return [one for one in self.outcomes if one.job_id == job]

    def end(self, job: int) -> Outcome | None:
        return next((one for one in self.of(job) if one.ended), None)

    def states(self, job: int) -> list[str]:
        return [one.state for one in self.of(job)]


def steps(count: int, log: list[str] | None = None, name: str = "") -> Callable[[], Generator[int, None, str]]:
    def work() -> Generator[int, None, str]:
        try:
            for number in range(count):
                if log is not None:
                    log.append(f"{name}{number}")
                yield number
        except GeneratorExit:
            if log is not None:
                log.append(f"{name} closed")
            raise
        return "result"

    return work
