"""Two models may serve: what has learned suggests, and what learning began with answers clicks until it is beaten."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import BELLY, BrightnessEncoder, blob, see_brightness, tiny_net, tiny_vit
from toy_rounds import LET_PASS, SHORT, Serving, labelled, serving, to_the_end

from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.rounds import RoundProgress, RoundReport
from napari_adasam.domain.settings import NEVER, ModelSettings, PromptSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.model import registry
from napari_adasam.model.adasam import AdaSam
from napari_adasam.services import judging, material
from napari_adasam.services.material import better_at_clicks, by_hand
from napari_adasam.services.ports import Picture
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.trainer import RoundTrainer
from napari_adasam.services.views import Views

__all__ = ["serving"]  # a fixture

CLICK = Prompt(points=(Point(30.0, 30.0),))
FULL = replace(SHORT, mild_from=NEVER, lr=0.1)


def clicks_go(monkeypatch: pytest.MonkeyPatch, new: float, old: float) -> None:
    """Rounds find their student so good at clicks, and what learning began with so."""

    def found(net: AdaSam, views: Views, frame: Any, structures: Iterable[Structure]) -> list[float]:
        return [new if net.adapted else old]

    monkeypatch.setattr(judging, "by_hand", found)
    for module in (material, judging):
        monkeypatch.setattr(module, "FEWEST", 2)  # so many are held out here


@pytest.mark.parametrize(("new", "old", "answers"), [(0.9, 0.8, True), (0.8, 0.9, False), (0.8, 0.8, False)])
def test_clicks_are_answered_by_what_is_better_at_them(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, new: float, old: float, answers: bool
) -> None:
    clicks_go(monkeypatch, new, old)
    predictor, (pixels, _) = serving(), blob(60)
    before = predictor.segment("new", pixels, CLICK, None).logits
    suggested = predictor.suggest("new", pixels, (BELLY,), PromptSettings())[0].cam
    began = predictor.net
    *events, report = RoundTrainer(predictor, FULL, LET_PASS).round(labelled(6), [], (BELLY,))
    assert isinstance(report, RoundReport)
    assert report.accepted
    assert [one.what for one in events[-4:] if isinstance(one, RoundProgress)] == ["trying clicks"] * 4
    assert predictor.net is not began
    assert predictor.by_hand.net is (predictor.net if answers else began)
    assert (predictor.segment("new", pixels, CLICK, None).logits == before).all() == (not answers)
    assert (predictor.suggest("new", pixels, (BELLY,), PromptSettings())[0].cam != suggested).any()
    assert report.verdict.endswith(f"click {new:.3f}, before learning {old:.3f}." if answers else f"one {new:.3f}.")
    predictor.go_back()
    assert (predictor.segment("new", pixels, CLICK, None).logits == before).all()


def test_a_later_student_may_take_over_and_lose_again(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = serving()
    began, answered = predictor.net, []
    for new in (0.7, 0.9, 0.6):
        clicks_go(monkeypatch, new, 0.8)
        to_the_end(RoundTrainer(predictor, FULL, LET_PASS).round(labelled(6), [], (BELLY,)))
        answered.append(predictor.by_hand.net is not began)
    assert answered == [False, True, False]
    predictor.go_back()
    assert predictor.by_hand.net is predictor.net


@pytest.mark.parametrize("answers", [True, False])
def test_behind_a_mild_round_the_same_answer(serving: Serving, monkeypatch: pytest.MonkeyPatch, answers: bool) -> None:
    clicks_go(monkeypatch, 0.9 if answers else 0.7, 0.8)
    predictor, (pixels, _) = serving(), blob(60)
    found = []
    for mild_from in (NEVER, -1.0):
        to_the_end(
            RoundTrainer(predictor, replace(FULL, mild_from=mild_from), LET_PASS).round(labelled(6), [], (BELLY,))
        )
        found.append(predictor.segment("new", pixels, CLICK, None).logits)
    assert (found[0] == found[1]).all()


def test_where_nothing_is_held_out_clicks_are_answered_as_before(serving: Serving) -> None:
    predictor = serving()
    began = predictor.net
    report = to_the_end(RoundTrainer(predictor, FULL, LET_PASS).round(labelled(1), [], (BELLY,)))
    assert predictor.net is not began
    assert predictor.by_hand.net is began
    assert report.verdict.endswith("few images were kept aside.")


def test_where_too_few_are_held_out_nobody_is_asked(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "by_hand", None)
    predictor = serving()
    began = predictor.net
    to_the_end(RoundTrainer(predictor, FULL, LET_PASS).round(labelled(6), [], (BELLY,)))
    assert predictor.net is not began
    assert predictor.by_hand.net is began


def test_a_few_frames_do_not_tell_and_each_counts_alike() -> None:
    few, _ = better_at_clicks([[0.9, 0.9], [0.9]], [[0.1], [0.1]])
    enough, _ = better_at_clicks([[0.9, 0.9], [0.9], [0.9], []], [[0.1], [0.1], [0.1], []])
    many_parts, _ = better_at_clicks([[0.9] * 9, [0.1], [0.1]], [[0.5], [0.5], [0.5]])
    nothing, _ = better_at_clicks([[], []], [[], []])
    assert [few, enough, many_parts, nothing] == [False, True, False, False]


@pytest.mark.parametrize("answers", [True, False])
def test_a_reopened_session_answers_as_it_did(
    serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    base, (pixels, _) = tiny_net(encoder=tiny_vit(depth=2)), blob(60)
    predictor = serving(copy.deepcopy(base))
    clicks_go(monkeypatch, 0.9 if answers else 0.7, 0.8)
    to_the_end(RoundTrainer(predictor, FULL, LET_PASS).round(labelled(6), [], (BELLY,)))
    path = predictor.save(tmp_path)
    assert path is not None
    again = serving(base)
    again.info()
    monkeypatch.setattr(registry, "load", lambda settings: predictor.net)
    again.restore(path)
    assert (again.by_hand.net is base) is not answers
    first, second = (one.segment("new", pixels, CLICK, None).logits for one in (predictor, again))
    assert (first == second).all()


def test_outlines_are_taken_along_by_who_answers_clicks(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    clicks_go(monkeypatch, 0.7, 0.8)
    predictor, (pixels, labels) = serving(), blob(60)
    before, after = Picture("a", pixels), Picture("b", pixels)
    first = predictor.follow(before, after, labels, (BELLY,))
    to_the_end(RoundTrainer(predictor, FULL, LET_PASS).round(labelled(6), [], (BELLY,)))
    second = predictor.follow(before, after, labels, (BELLY,))
    assert second.confidence == first.confidence
    assert all((a.mask == b.mask).all() for a, b in zip(first.suggestions, second.suggestions, strict=True))


def test_a_person_is_simulated_on_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    net = see_brightness(tiny_net(encoder=BrightnessEncoder()))
    monkeypatch.setattr(registry, "load", lambda settings: net)
    predictor = ModelPredictor(ModelSettings("tiny", device="cpu"))
    (frame,) = labelled(1)
    views = Views(predictor, net, predictor.cut)
    (found,) = by_hand(net, views, frame, (BELLY, Structure(2, "bone")))
    assert 0 <= found <= 1
    nothing = replace(frame, labels=np.zeros_like(frame.labels))
    assert by_hand(net, views, nothing, (BELLY,)) == []
    with torch.no_grad():  # a decoder that says no to everything
        for parameter in net.sam.mask_decoder.parameters():
            parameter.zero_()
    assert by_hand(net, views, frame, (BELLY,)) == [0.0]
