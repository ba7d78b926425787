"""A click within a step: answered at once, without a trace in what the step computes."""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Callable, Iterator

import pytest
import torch
from lane_fakes import SECONDS, Heard
from tiny import BELLY, picture, tiny_net, tiny_vit
from toy_rounds import LET_PASS, SHORT, Serving, labelled, serving, unlabelled

from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.services import interludes
from napari_adasam.services.interludes import let_clicks_in
from napari_adasam.services.lane import Job, JobKind, give_way
from napari_adasam.services.trainer import RoundTrainer

__all__ = ["serving"]  # a fixture


def stepping(heard: Heard, log: list[str], reached: threading.Event) -> Callable[[], Iterator[str]]:
    """A job of one step that gives way once, after the gate is opened."""

    def work() -> Iterator[str]:
        log.append("step begins")
        reached.set()
        heard.gate.wait(SECONDS)
        give_way()
        log.append("step ends")
        yield "step"

    return work


def test_a_click_is_answered_within_a_step(heard: Heard) -> None:
    log: list[str] = []
    reached = threading.Event()
    train = heard.lane.submit(Job(JobKind.TRAIN, stepping(heard, log, reached)))
    assert reached.wait(SECONDS)
    click = heard.lane.submit(Job(JobKind.PROMPT, lambda: log.append("click"), within=True))
    heard.gate.set()
    heard.until_ended(train, click)
    assert log == ["step begins", "click", "step ends"]
    assert heard.states(click) == ["started", "done"]
    assert heard.states(train) == ["started", "progress", "done"]


@pytest.mark.parametrize("job", [Job(JobKind.PROMPT, give_way), Job(JobKind.TRAIN, give_way, within=True)])
def test_other_jobs_wait_for_the_end_of_the_step(heard: Heard, job: Job) -> None:
    """One that may change what the step works with, and one that is not more urgent."""
    log: list[str] = []
    reached = threading.Event()
    train = heard.lane.submit(Job(JobKind.TRAIN, stepping(heard, log, reached)))
    assert reached.wait(SECONDS)
    other = heard.lane.submit(job)
    heard.gate.set()
    heard.until_ended(train, other)
    order = [(one.job_id, one.state) for one in heard.outcomes]
    assert order.index((other, "started")) > order.index((train, "progress"))


def test_a_click_does_not_interrupt_a_click(heard: Heard) -> None:
    log: list[str] = []
    reached = threading.Event()

    def first() -> None:
        reached.set()
        heard.gate.wait(SECONDS)
        give_way()
        log.append("first")

    jobs = [heard.lane.submit(Job(JobKind.PROMPT, first, within=True))]
    assert reached.wait(SECONDS)
    jobs.append(heard.lane.submit(Job(JobKind.PROMPT, lambda: log.append("second"), within=True)))
    heard.gate.set()
    heard.until_ended(*jobs)
    assert log == ["first", "second"]


def test_a_failing_click_does_not_hurt_the_step(heard: Heard) -> None:
    log: list[str] = []
    reached = threading.Event()
    train = heard.lane.submit(Job(JobKind.TRAIN, stepping(heard, log, reached)))
    assert reached.wait(SECONDS)
    click = heard.lane.submit(Job(JobKind.PROMPT, lambda: 1 // 0, within=True))
    heard.gate.set()
    heard.until_ended(train, click)
    assert isinstance(heard.end(click).error, ZeroDivisionError)
    assert heard.end(train).state == "done"


def test_a_cancelled_job_ends_in_the_middle_of_its_step(heard: Heard) -> None:
    log: list[str] = []
    reached = threading.Event()
    train = heard.lane.submit(Job(JobKind.TRAIN, stepping(heard, log, reached)))
    assert reached.wait(SECONDS)
    heard.lane.cancel(train)
    heard.gate.set()
    heard.until_ended(train)
    assert log == ["step begins"]
    assert heard.states(train) == ["started", "cancelled"]
    after = heard.lane.submit(Job(JobKind.SUGGEST, lambda: "alive"))
    heard.until_ended(after)
    assert heard.end(after).value == "alive"


def test_elsewhere_giving_way_does_nothing() -> None:
    give_way()


def test_a_network_gives_way_after_its_layers_in_both_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bool] = []
    monkeypatch.setattr(interludes, "give_way", lambda: calls.append(torch.is_grad_enabled()))
    net = copy.deepcopy(let_clicks_in(tiny_net(encoder=tiny_vit(depth=2))))
    image = torch.zeros(1, 3, 64, 64)
    with torch.no_grad():
        plain = net.sam.encoder(image)
    forwards = len(calls)
    assert forwards > 10
    out = net.sam.encoder(image)
    assert torch.equal(out, plain)
    assert len(calls) == 2 * forwards
    out.sum().backward()
    assert len(calls) > 2.5 * forwards


def test_clicks_leave_no_trace_in_a_round(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answered after every fiftieth layer of a round, they do not change its result."""

    def fingerprint(clicks: bool) -> str:
        predictor = serving(tiny_net())
        layers, answers = itertools.count(), []

        def click() -> None:
            if clicks and next(layers) % 50 == 0:
                with monkeypatch.context() as patch:  # as in the lane, a click does not interrupt a click
                    patch.setattr(interludes, "give_way", lambda: None)
                    answers.append(predictor.segment("seen", picture(5), Prompt(points=(Point(9, 9),)), None))

        predictor.embedding("seen", picture(5))
        monkeypatch.setattr(interludes, "give_way", click)
        *_, report = RoundTrainer(predictor, SHORT, LET_PASS).round(labelled(2), unlabelled(1), (BELLY,))
        assert (len(answers) > 5) is clicks
        return str(report.model)

    assert fingerprint(clicks=True) == fingerprint(clicks=False)
