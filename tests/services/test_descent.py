"""How a round's weights move: which ones learn, nothing half done, and no more looked at than memory is wanted for."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny import BELLY, tiny_net, tiny_vit
from toy_rounds import BONE, LET_PASS, SHORT, Serving, labelled, serving, to_the_end, unlabelled

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.settings import PromptSettings, TrainSettings
from napari_adasam.model import adaptation
from napari_adasam.model.adapters.lora import LoraSettings
from napari_adasam.model.adapters.parts import CLASSIFIER
from napari_adasam.model.adasam import AdaSam
from napari_adasam.services import descent, material
from napari_adasam.services import trainer as trainer_module
from napari_adasam.services.trainer import RoundTrainer
from napari_adasam.services.unlabelled import Unlabelled
from napari_adasam.services.views import Views

__all__ = ["serving"]  # a fixture


def test_what_is_said_to_learn_is_what_learned(serving: Serving) -> None:
    predictor = serving()
    full = RoundTrainer(predictor, replace(SHORT, method="lora"), LET_PASS)
    to_the_end(full.round(labelled(3), [], (BELLY,)))
    net = predictor.net
    assert full.trained == adaptation.describe(net, net.adapted[-1]).trained
    spared = RoundTrainer(predictor, replace(SHORT, method="classifier"), LET_PASS)
    to_the_end(spared.round(labelled(3), [], (BELLY,)))
    mine = [p.numel() for name, p in net.named_parameters() if name.startswith(CLASSIFIER)]
    assert spared.trained == sum(mine) < full.trained


def test_what_a_broken_step_left_behind_is_not_learned(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory may be full in the middle of the way back, when some gradients are there and others are not."""
    real = trainer_module.labelled_loss

    def learned(halfway: bool) -> str:
        broken: list[bool] = []

        def once(student: Any, *given: Any) -> Any:
            if broken:
                return real(student, *given)
            broken.append(True)
            for parameter in student.parameters():
                if halfway and parameter.requires_grad:
                    parameter.grad = torch.ones_like(parameter)
            raise MemoryError

        predictor = serving(tiny_net())
        with monkeypatch.context() as patch:
            patch.setattr(trainer_module, "labelled_loss", once)
            trainer = RoundTrainer(predictor, replace(SHORT, method="lora"), LET_PASS)
            return to_the_end(trainer.round(labelled(3), [], (BELLY,))).model

    assert learned(halfway=True) == learned(halfway=False)


def test_a_setting_that_the_model_cannot_take_any_more_is_refused() -> None:
    net = tiny_net(encoder=tiny_vit(depth=2))
    train = TrainSettings(method="lora", rank=4)
    adaptation.check_kept(net, train)
    adaptation.prepare(net, LoraSettings(rank=8, alpha=8.0))
    with pytest.raises(InputError, match=r"has learned with rank 8, not 4\. Nothing was learned"):
        adaptation.check_kept(net, train)
    adaptation.check_kept(net, TrainSettings(method="lora"))
    adaptation.check_kept(net, TrainSettings(method="decoder"))


def test_of_many_views_only_so_many_are_fitted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, train = labelled(4), TrainSettings(views=3, seed=1)
    every = [(frame, view) for frame in frames for view in range(3)]
    assert material.few_enough(frames, train, 4) == every
    monkeypatch.setattr(material, "MOST_CELLS", 5 * 4 * 4)
    few = material.few_enough(frames, train, 4)
    assert len(few) == 5
    assert [one for one in every if one in few] == few
    assert material.few_enough(frames, replace(train, seed=2), 4) != few


def test_the_teacher_forgets_what_it_has_kept_of_earlier_weights(serving: Serving) -> None:
    """TinyViT keeps biases that it has looked up until its mode is set anew."""
    predictor = serving()
    net, frames = predictor.net, unlabelled(1)
    predictor.info()
    views = Views(predictor, predictor.net, 0)
    told: list[bool] = []
    teacher = tiny_net(encoder=tiny_vit(depth=2))
    teacher.train = lambda mode=True: told.append(mode) or teacher  # type: ignore[method-assign,assignment]
    Unlabelled(frames, (BELLY,), views, SHORT, PromptSettings()).loss(net, teacher, np.random.default_rng(0), 1.0)
    assert told == [False]


def test_frames_that_a_model_was_chosen_on_are_not_unseen(serving: Serving) -> None:
    predictor = serving()
    report = to_the_end(RoundTrainer(predictor, SHORT, LET_PASS).round(labelled(6), unlabelled(1), (BELLY, BONE)))
    assert report.held_out == 2
    assert predictor.net.card.trained_on == {f"f{i}" for i in range(6)} | {"u0"}


def taught() -> AdaSam:
    """A model with a fresh LoRA."""
    net = tiny_net(encoder=tiny_vit(depth=2))
    adaptation.prepare(net, LoraSettings(rank=2))
    return net


@torch.no_grad()
def test_the_teacher_goes_a_part_of_the_way_to_the_student() -> None:
    student = taught()
    teacher = copy.deepcopy(student)
    adapted, frozen = adaptation.adapted_names(student), "sam.encoder.units.1.mlp.lin1.weight"
    assert frozen not in adapted
    for parameter in student.parameters():
        parameter.add_(1.0)
    before = {name: p.clone() for name, p in teacher.named_parameters()}
    descent.average(descent.pairs_of(teacher, student), 0.75)
    for name, p in teacher.named_parameters():
        torch.testing.assert_close(p - before[name], torch.full_like(p, 0.25 if name in adapted else 0.0))
    descent.average(descent.pairs_of(teacher, student), 0.0)
    after = dict(student.named_parameters())
    assert all(torch.equal(p, after[name]) for name, p in teacher.named_parameters() if name in adapted)


def test_the_anchor_is_the_gradient_of_half_the_squared_way_from_the_start() -> None:
    start = [torch.tensor([1.0, -2.0]), torch.tensor([3.0])]
    learning = [(one + torch.tensor(0.5)).requires_grad_(True) for one in start]
    slope = torch.tensor([10.0, 20.0])
    learning[0].grad = slope.clone()
    descent.pull(learning, start, 0.1)
    way = (learning[0].detach() - start[0]).requires_grad_(True)
    (0.1 / 2 * way.square().sum()).backward()
    assert way.grad is not None
    torch.testing.assert_close(learning[0].grad, slope + way.grad)
    assert learning[1].grad is None


def test_each_weight_that_learns_has_one_rate() -> None:
    net = taught()
    net.use_feedback("train")
    found = descent.groups(net, 0.1)
    rates = {id(p): group["lr"] for group in found for p in group["params"]}  # type: ignore[attr-defined]
    learning = {name: p for name, p in net.named_parameters() if p.requires_grad}
    assert len(rates) == sum(len(group["params"]) for group in found) == len(learning)  # type: ignore[arg-type]
    by_part = {"head.": 0.4, "feedback.": 0.4, "sam.encoder.": 0.1, "sam.mask_decoder.": 0.05, "sam.prompt": 0.05}
    for name, p in learning.items():
        assert [rate for part, rate in by_part.items() if name.startswith(part)] == [pytest.approx(rates[id(p)])]
    assert all(group["lr"] == group["height"] for group in found)


def test_what_has_no_gradient_of_its_own_stays_where_it_began(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No weight decays: only the loss moves, and the anchor holds to the start, not to zero."""

    def flat(student: AdaSam, *given: object) -> torch.Tensor:
        return torch.stack([p.sum() * 0 for p in student.parameters() if p.requires_grad]).sum()

    monkeypatch.setattr(trainer_module, "labelled_loss", flat)
    net = tiny_net(encoder=tiny_vit(depth=2))
    net.head.maps.bias.data.fill_(-3.9)  # type: ignore[union-attr]  # it knows the structure: no head start
    predictor = serving(net)
    before = {name: p.half().float() for name, p in predictor.net.named_parameters()}  # as in files
    trainer = RoundTrainer(predictor, replace(SHORT, method="decoder", steps=3), LET_PASS, gated=False)
    assert to_the_end(trainer.round(labelled(1), [], (BELLY,))).accepted
    after = dict(predictor.net.named_parameters())
    learned = adaptation.adapted_names(predictor.net)
    assert learned
    assert all(torch.equal(after[name], before[name]) for name in learned)


def test_what_serves_is_the_average_and_not_the_student(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[AdaSam, AdaSam]] = []
    real = RoundTrainer._steps

    def steps(self: RoundTrainer, student: AdaSam, teacher: AdaSam, *rest: Any) -> Any:
        made.append((student, teacher))
        return real(self, student, teacher, *rest)

    monkeypatch.setattr(RoundTrainer, "_steps", steps)
    predictor = serving()
    to_the_end(RoundTrainer(predictor, replace(SHORT, method="lora"), LET_PASS).round(labelled(2), [], (BELLY,)))
    ((student, teacher),) = made
    assert predictor.net is teacher
    name = next(name for name in adaptation.adapted_names(student) if name.startswith("head."))
    slow, fast = dict(teacher.named_parameters())[name], dict(student.named_parameters())[name]
    assert not torch.allclose(slow, fast, rtol=1e-3)
