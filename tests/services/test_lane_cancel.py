"""The lane: cancelling, closing, and ending every job exactly once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator
from queue import SimpleQueue

import pytest
from lane_fakes import SECONDS, Heard, steps

from napari_adasam.services.lane import Job, JobKind, Lane, Outcome


def test_a_waiting_job_that_is_cancelled_never_starts(heard: Heard) -> None:
    heard.hold()
    ran: list[str] = []
    job = heard.lane.submit(Job(JobKind.SUGGEST, lambda: ran.append("ran")))
    heard.lane.cancel(job)
    heard.gate.set()
    heard.until_ended(job)
    assert heard.states(job) == ["cancelled"]
    assert ran == []


def test_a_running_generator_is_closed_after_its_step(heard: Heard) -> None:
    log: list[str] = []

    def work() -> Generator[int, None, str]:
        heard.gate.wait(SECONDS)
        return (yield from steps(1000, log, "s")())

    job = heard.lane.submit(Job(JobKind.TRAIN, work))
    heard.until(lambda: "started" in heard.states(job))
    heard.lane.cancel(job)
    heard.gate.set()
    heard.until_ended(job)
    assert heard.states(job) == ["started", "progress", "cancelled"]
    assert log == ["s0", "s closed"]


def test_what_ran_to_its_end_is_done_though_it_was_cancelled_meanwhile(heard: Heard) -> None:
    job = heard.hold()
    heard.lane.cancel(job)
    heard.gate.set()
    heard.until_ended(job)
    assert heard.states(job) == ["started", "done"]


def test_a_failure_while_closing_a_cancelled_job_is_told(heard: Heard, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    def work() -> Generator[int, None, None]:
        try:
            while True:
                heard.gate.wait(SECONDS)
                yield 0
        finally:
            raise RuntimeError("while closing")

    job = heard.lane.submit(Job(JobKind.TRAIN, work))
    heard.until(lambda: "started" in heard.states(job))
    heard.lane.cancel(job)
    heard.gate.set()
    heard.until_ended(job)
    assert heard.states(job)[-1] == "failed"


def test_all_of_a_kind_are_cancelled_and_the_others_are_not(heard: Heard) -> None:
    heard.hold()
    suggest = [heard.lane.submit(Job(JobKind.SUGGEST, lambda: None)) for _ in range(3)]
    embed = heard.lane.submit(Job(JobKind.EMBED, lambda: None))
    heard.lane.cancel(JobKind.SUGGEST)
    heard.gate.set()
    heard.until_ended(*suggest, embed)
    assert [heard.states(job) for job in suggest] == [["cancelled"]] * 3
    assert heard.states(embed) == ["started", "done"]


def test_a_cancelled_job_ends_before_waiting_ones_start(heard: Heard) -> None:
    heard.hold()
    click = heard.lane.submit(Job(JobKind.PROMPT, lambda: None))
    train = heard.lane.submit(Job(JobKind.TRAIN, steps(3)))
    heard.lane.cancel(train)
    heard.gate.set()
    heard.until_ended(click, train)
    ended = [one.job_id for one in heard.outcomes if one.job_id in (click, train)]
    assert ended[0] == train


def test_unknown_and_ended_jobs_can_be_cancelled_without_effect(heard: Heard) -> None:
    job = heard.lane.submit(Job(JobKind.PROMPT, lambda: 1))
    heard.until_ended(job)
    heard.lane.cancel(job)
    heard.lane.cancel(99)
    after = heard.lane.submit(Job(JobKind.PROMPT, lambda: 2))
    heard.until_ended(after)
    assert heard.states(job) == ["started", "done"]


def test_closing_ends_every_job_and_the_thread(heard: Heard) -> None:
    first = heard.hold()
    train = heard.lane.submit(Job(JobKind.TRAIN, steps(1000)))
    embed = heard.lane.submit(Job(JobKind.EMBED, lambda: None))
    threading.Timer(0.05, heard.gate.set).start()
    assert heard.lane.close(SECONDS)
    heard.until_ended(first, train, embed)
    assert (heard.states(train), heard.states(embed)) == (["cancelled"], ["cancelled"])
    with pytest.raises(RuntimeError, match="expected an open lane"):
        heard.lane.submit(Job(JobKind.PROMPT, lambda: None))


def test_closing_does_not_wait_longer_than_it_is_told(heard: Heard) -> None:
    heard.hold()
    began = time.monotonic()
    assert not heard.lane.close(timeout=0.05)
    assert time.monotonic() - began < 2


def test_a_receiver_that_fails_does_not_end_the_lane(caplog: pytest.LogCaptureFixture) -> None:
    told: SimpleQueue[str] = SimpleQueue()

    def post(outcome: Outcome) -> None:
        if outcome.key == "bad":
            raise RuntimeError("the window is gone")
        told.put(outcome.state)

    lane = Lane(post)
    lane.submit(Job(JobKind.PROMPT, lambda: 1, key="bad"))
    lane.submit(Job(JobKind.PROMPT, lambda: 2, key="good"))
    assert [told.get(timeout=SECONDS), told.get(timeout=SECONDS)] == ["started", "done"]
    assert lane.close(SECONDS)
    assert "could not be delivered" in caplog.text


def test_under_a_storm_of_jobs_and_cancels_every_job_ends_exactly_once(heard: Heard) -> None:
    jobs = []
    for number in range(300):
        kind = list(JobKind)[number % 4]
        work = steps(number % 5) if number % 3 else (lambda: None)
        jobs.append(heard.lane.submit(Job(kind, work)))
        if number % 7 == 0:
            heard.lane.cancel(jobs[number // 2])
        if number % 50 == 49:
            heard.lane.cancel(JobKind.EMBED)
    heard.until_ended(*jobs)
    marker = heard.lane.submit(Job(JobKind.TRAIN, lambda: None))
    heard.until_ended(marker)
    assert [sum(one.ended for one in heard.of(job)) for job in jobs] == [1] * 300
    assert {heard.of(job)[-1].state for job in jobs} == {"done", "cancelled"}
    assert all(heard.of(job)[-1].ended for job in jobs)
