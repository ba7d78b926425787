"""A job that others work for: it sleeps in the lane until it is woken."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from lane_fakes import SECONDS, Heard

from napari_adasam.services.jobs import ASLEEP
from napari_adasam.services.lane import Job, JobKind, while_asleep

RATHER_LONG = 0.1


class Sleeper:
    """Sleeps until it is given something, which it yields; ``None`` ends it."""

    def __init__(self) -> None:
        self.given: list[int | None] = []
        self.turns = 0
        self.pauses: list[bool] = []
        self.closed = threading.Event()
        self.asleep = threading.Event()
        self._wake: Callable[[], None] = lambda: None

    def work(self) -> Iterator[object]:
        self._wake = while_asleep(self.pauses.append)
        try:
            while True:
                self.turns += 1
                if not self.given:
                    self.asleep.set()
                    yield ASLEEP
                    continue
                value = self.given.pop(0)
                if value is None:
                    return
                yield value
        finally:
            self.closed.set()

    def give(self, *values: int | None) -> None:
        self.given += values
        self._wake()

    def into(self, heard: Heard) -> int:
        job = heard.lane.submit(Job(JobKind.TRAIN, self.work))
        assert self.asleep.wait(SECONDS)
        time.sleep(RATHER_LONG)  # until it has been put back
        return job


def test_it_takes_no_turns_until_it_is_woken(heard: Heard) -> None:
    sleeper = Sleeper()
    job = sleeper.into(heard)
    assert sleeper.turns == 1
    sleeper.give(1, 2, None)
    heard.until_ended(job)
    assert [one.value for one in heard.of(job) if one.state == "progress"] == [1, 2]
    assert heard.end(job).state == "done"


def test_others_are_done_meanwhile(heard: Heard) -> None:
    sleeper = Sleeper()
    sleeper.into(heard)
    less_urgent = heard.lane.submit(Job(JobKind.LOOK, lambda: "looked"))
    heard.until_ended(less_urgent)
    assert heard.end(less_urgent).value == "looked"


def test_what_comes_just_before_it_falls_asleep_wakes_it(heard: Heard) -> None:
    turns = []

    def work() -> Iterator[object]:
        wake = while_asleep(lambda paused: None)
        wake()
        turns.append("first")
        yield ASLEEP
        turns.append("second")

    job = heard.lane.submit(Job(JobKind.TRAIN, work))
    heard.until_ended(job)
    assert turns == ["first", "second"]


def test_it_can_be_cancelled_in_its_sleep(heard: Heard) -> None:
    sleeper = Sleeper()
    job = sleeper.into(heard)
    heard.lane.cancel(job)
    heard.until_ended(job)
    assert heard.end(job).state == "cancelled"
    assert sleeper.closed.is_set()


def test_who_works_for_it_is_told_of_pauses_and_what_it_is_given_waits(heard: Heard) -> None:
    sleeper = Sleeper()
    job = sleeper.into(heard)
    heard.lane.pause(job)
    sleeper.give(1, None)
    time.sleep(RATHER_LONG)
    assert sleeper.turns == 1
    heard.lane.pause(job, False)
    heard.until_ended(job)
    assert sleeper.pauses == [True, False]
    assert heard.end(job).state == "done"


def test_closing_the_lane_ends_it(heard: Heard) -> None:
    sleeper = Sleeper()
    sleeper.into(heard)
    assert heard.lane.close()
    assert sleeper.closed.is_set()


def test_off_a_lane_nothing_wakes_and_nothing_fails() -> None:
    while_asleep(lambda paused: None)()
