"""How a round's weights move: which ones learn, nothing half done, and no more looked at than memory is wanted for."""

from __future__ import annotations

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
from napari_adasam.model.adapters.parts import CLASSIFIER, added
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
    spared = RoundTrainer(predictor, replace(SHORT, method="lora", sam_learns=False), LET_PASS)
    to_the_end(spared.round(labelled(3), [], (BELLY,)))
    new = added(net)
    mine = [p.numel() for name, p in net.named_parameters() if name in new or name.startswith(CLASSIFIER)]
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
    assert trainer_module._few_enough(frames, train, 4) == every
    monkeypatch.setattr(trainer_module, "MOST_CELLS", 5 * 4 * 4)
    few = trainer_module._few_enough(frames, train, 4)
    assert len(few) == 5
    assert [one for one in every if one in few] == few
    assert trainer_module._few_enough(frames, replace(train, seed=2), 4) != few


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
