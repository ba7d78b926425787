"""The lane: order, ends, errors as values, cancelling, closing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator

import pytest
from lane_fakes import SECONDS, Heard, steps

from napari_adasam.domain.errors import ModelError
from napari_adasam.services.lane import Job, JobKind


def test_a_job_starts_and_is_done_with_its_value(heard: Heard) -> None:
    job = heard.lane.submit(Job(JobKind.SUGGEST, lambda: 41 + 1, key="frame", revision=7))
    heard.until_ended(job)
    assert heard.states(job) == ["started", "done"]
    last = heard.of(job)[-1]
    assert (last.value, last.key, last.revision, last.kind) == (42, "frame", 7, JobKind.SUGGEST)


def test_every_job_runs_on_the_same_thread_that_is_not_this_one(heard: Heard) -> None:
    jobs = [heard.lane.submit(Job(kind, threading.get_ident)) for kind in JobKind]
    heard.until_ended(*jobs)
    threads = {heard.of(job)[-1].value for job in jobs}
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_a_generator_tells_each_step_and_then_what_it_returns(heard: Heard) -> None:
    job = heard.lane.submit(Job(JobKind.TRAIN, steps(3)))
    heard.until_ended(job)
    assert heard.states(job) == ["started", "progress", "progress", "progress", "done"]
    assert [one.value for one in heard.of(job)[1:]] == [0, 1, 2, "result"]


def test_more_urgent_kinds_go_first_and_equal_ones_in_turn(heard: Heard) -> None:
    heard.hold()
    ran: list[str] = []
    wanted = ["train", "embed 1", "suggest 1", "embed 2", "prompt 1", "suggest 2", "prompt 2"]
    kinds = {"t": JobKind.TRAIN, "e": JobKind.EMBED, "s": JobKind.SUGGEST, "p": JobKind.PROMPT}
    jobs = [heard.lane.submit(Job(kinds[name[0]], lambda name=name: ran.append(name))) for name in wanted]
    heard.gate.set()
    heard.until_ended(*jobs)
    assert ran == ["prompt 1", "prompt 2", "suggest 1", "suggest 2", "embed 1", "embed 2", "train"]


def test_a_click_is_answered_between_two_training_steps(heard: Heard) -> None:
    log: list[str] = []
    second = threading.Event()

    def training() -> Generator[str, None, None]:
        log.append("step 1")
        yield "step 1"
        second.set()
        heard.gate.wait(SECONDS)
        log.append("step 2")
        yield "step 2"
        log.append("step 3")
        yield "step 3"

    train = heard.lane.submit(Job(JobKind.TRAIN, training))
    assert second.wait(SECONDS)
    click = heard.lane.submit(Job(JobKind.PROMPT, lambda: log.append("click")))
    heard.gate.set()
    heard.until_ended(train, click)
    assert log == ["step 1", "step 2", "click", "step 3"]


def test_one_round_ends_before_the_next_begins(heard: Heard) -> None:
    log: list[str] = []
    heard.hold()
    jobs = [heard.lane.submit(Job(JobKind.TRAIN, steps(2, log, name))) for name in ("a", "b")]
    heard.gate.set()
    heard.until_ended(*jobs)
    assert log == ["a0", "a1", "b0", "b1"]


@pytest.mark.parametrize(
    "error",
    [RuntimeError("CUDA out of memory"), MemoryError(), ModelError("A sentence."), SystemExit(1), KeyboardInterrupt()],
)
@pytest.mark.parametrize("as_generator", [False, True], ids=["at once", "in a step"])
def test_every_error_arrives_as_a_value_and_the_lane_lives(
    heard: Heard, error: BaseException, as_generator: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    def at_once() -> None:
        raise error

    def in_a_step() -> Generator[int, None, None]:
        yield 0
        raise error

    failing = heard.lane.submit(Job(JobKind.TRAIN, in_a_step if as_generator else at_once))
    after = heard.lane.submit(Job(JobKind.TRAIN, lambda: "alive"))
    heard.until_ended(failing, after)
    last = heard.of(failing)[-1]
    assert heard.states(failing)[-1] == "failed"
    assert last.error is error
    assert error.__traceback__ is None, "the traceback holds what the job had in memory"
    assert heard.of(after)[-1].value == "alive"


def test_a_stray_stop_iteration_is_a_failure_not_an_empty_success(heard: Heard) -> None:
    job = heard.lane.submit(Job(JobKind.PROMPT, lambda: next(iter(()))))
    heard.until_ended(job)
    assert heard.states(job) == ["started", "failed"]


def test_an_unexpected_error_is_logged_with_its_traceback_and_an_expected_one_is_not(
    heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(error: Exception) -> None:
        raise error

    jobs = [
        heard.lane.submit(Job(JobKind.PROMPT, lambda error=error: fail(error), key=key))
        for key, error in (("odd", ValueError("inner")), ("known", ModelError("A sentence.")))
    ]
    heard.until_ended(*jobs)
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.args[2] for record in errors if record.args] == ["odd"]
    assert "in fail" in caplog.text
