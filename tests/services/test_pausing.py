"""A round that is paused and goes on: within a step, between steps, and what the line says meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from annotator_fakes import Desk
from lane_fakes import SECONDS, Heard, steps

from napari_adasam.services.lane import Job, JobKind, give_way, held_seconds

RATHER_LONG = 0.15
Slow = tuple[int, threading.Event, list[float]]


@pytest.fixture
def slow(heard: Heard) -> Iterator[Slow]:
    """A long step that gives way all the time, until the gate is opened; with the times at which it did."""
    reached, turns = threading.Event(), list[float]()

    def work() -> Iterator[str]:
        while not heard.gate.is_set():
            turns.append(time.monotonic())
            reached.set()
            give_way()
            time.sleep(0.001)
        yield "step"
        yield "another"

    job = heard.lane.submit(Job(JobKind.TRAIN, work))
    assert reached.wait(SECONDS)
    yield job, reached, turns
    heard.gate.set()


def test_a_round_pauses_within_its_step_and_goes_on(heard: Heard, slow: Slow) -> None:
    job, _, turns = slow
    asked = time.monotonic()
    heard.lane.pause(job)
    time.sleep(RATHER_LONG)
    assert turns[-1] - asked < 1.0  # paused within 1 s
    before = len(turns)
    time.sleep(RATHER_LONG)
    assert len(turns) == before
    heard.lane.pause(job, False)
    heard.gate.set()
    heard.until_ended(job)
    assert heard.end(job).state == "done"


def test_clicks_are_answered_while_a_round_is_paused_within_a_step(heard: Heard, slow: Slow) -> None:
    job, _, turns = slow
    heard.lane.pause(job)
    time.sleep(RATHER_LONG)
    before = len(turns)
    click = heard.lane.submit(Job(JobKind.PROMPT, lambda: "mask", within=True))
    heard.until_ended(click)
    assert heard.end(click).value == "mask"
    assert len(turns) == before
    heard.lane.pause(job, False)


def test_what_may_not_be_done_within_a_step_is_done_after_it_and_the_round_stays_paused(
    heard: Heard, slow: Slow
) -> None:
    job, _, _ = slow
    heard.lane.pause(job)
    heard.gate.set()
    suggestion = heard.lane.submit(Job(JobKind.SUGGEST, lambda: "outlines"))
    heard.until_ended(suggestion)
    time.sleep(RATHER_LONG)
    assert heard.states(job) == ["started", "progress"]  # the step it was in, and no other
    heard.lane.pause(job, False)
    heard.until_ended(job)


def test_a_paused_round_can_be_cancelled_within_a_second(heard: Heard, slow: Slow) -> None:
    job, _, _ = slow
    heard.lane.pause(job)
    time.sleep(RATHER_LONG)
    asked = time.monotonic()
    heard.lane.cancel(job)
    heard.until_ended(job)
    assert time.monotonic() - asked < 1.0
    assert heard.end(job).state == "cancelled"


def test_paused_before_it_began_it_waits_and_less_urgent_jobs_do_not(heard: Heard) -> None:
    heard.hold()
    log: list[str] = []
    train = heard.lane.submit(Job(JobKind.TRAIN, steps(2, log, "train ")))
    heard.lane.pause(train)
    look = heard.lane.submit(Job(JobKind.LOOK, lambda: log.append("look")))
    heard.gate.set()
    heard.until_ended(look)
    assert log == ["look"]
    heard.lane.pause(train, False)
    heard.until_ended(train)
    assert log == ["look", "train 0", "train 1"]


def test_a_job_knows_how_long_it_was_paused(heard: Heard) -> None:
    reached, known = threading.Event(), list[float]()

    def work() -> Iterator[str]:
        known.append(held_seconds())
        reached.set()
        heard.gate.wait(SECONDS)
        yield "step"
        known.append(held_seconds())

    job = heard.lane.submit(Job(JobKind.TRAIN, work))
    assert reached.wait(SECONDS)
    heard.lane.pause(job)
    heard.gate.set()
    time.sleep(RATHER_LONG)
    heard.lane.pause(job, False)
    heard.until_ended(job)
    assert known[0] == 0.0
    assert RATHER_LONG <= known[1] < SECONDS
    assert held_seconds() == 0.0


def test_a_paused_round_is_told_of_and_is_no_silence(desk: Desk) -> None:
    """The line says that it is paused and how to go on, and after a long pause it is not taken for a job that hangs."""
    desk.accept()
    desk.settle()
    step, hold = threading.Event(), threading.Event()

    def before_step(number: int) -> None:
        if number == 2:
            step.set()
            hold.wait(SECONDS)

    desk.trainer.before_step = before_step
    assert desk.annotator.start_round()
    assert step.wait(SECONDS)
    desk.annotator.pause_round()
    assert desk.annotator.round_paused
    desk.clock.now += 1000.0
    desk.annotator.look_again()
    assert "paused" in desk.annotator.activity.text
    assert "no progress" not in desk.annotator.activity.text
    assert desk.annotator.activity.seconds_left is None
    hold.set()
    desk.annotator.resume_round()
    assert not desk.annotator.round_paused
    assert "paused" not in desk.annotator.activity.text
    desk.settle()
    assert desk.reports[0].accepted


def test_what_hangs_beside_a_paused_round_is_told_of(desk: Desk) -> None:
    desk.accept()
    desk.settle()
    hold = threading.Event()

    def before_step(_number: int) -> None:
        hold.wait(SECONDS)

    desk.trainer.before_step = before_step
    assert desk.annotator.start_round()
    desk.annotator.pause_round()
    desk.annotator.suggest()
    desk.clock.now += 1000.0
    desk.annotator.look_again()
    assert "no progress" in desk.annotator.activity.text
    hold.set()
    desk.annotator.cancel()
    desk.settle()
    assert not desk.annotator.round_paused
    assert not desk.reports
