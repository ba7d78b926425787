"""What teacher and student see of a frame without a mask, and what a step of a round is counted by."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import BELLY, BrightnessEncoder, see_brightness, tiny_net
from torch import Tensor
from toy_rounds import LET_PASS, SHORT, Serving, labelled, serving, to_the_end, unlabelled

from napari_adasam.domain.settings import PromptSettings
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.pseudo import ema_decay, unlabelled_weight
from napari_adasam.services import trainer as trainer_module
from napari_adasam.services import unlabelled as unlabelled_module
from napari_adasam.services.trainer import RoundTrainer
from napari_adasam.services.unlabelled import DROPPED_CHANNELS, Unlabelled
from napari_adasam.services.views import Views

__all__ = ["serving"]  # a fixture


@pytest.fixture
def net() -> AdaSam:
    return see_brightness(tiny_net(encoder=BrightnessEncoder()))


def test_a_strong_view_shows_the_same_place_in_another_tone(serving: Serving, net: AdaSam) -> None:
    """The teacher's labels are of the plain view, and are laid over the strong one as they are."""
    predictor = serving(net)
    views = Views(predictor, predictor.net, 0)  # the activation is the square picture itself
    for frame in unlabelled(4):
        plain, strong = (one[0, 0].float() for one in (views.plain(frame), views.strong(frame)))
        assert not torch.allclose(plain, strong, atol=0.1)
        first, second = (one > (one.amin() + one.amax()) / 2 for one in (plain, strong))
        assert (first & second).sum() > 0.7 * (first | second).sum()


def test_the_teacher_sees_the_plain_view_and_the_student_the_strong_one_with_channels_dropped(
    serving: Serving, net: AdaSam, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = serving(net)
    frames, views = unlabelled(1), Views(predictor, predictor.net, 0)
    seen: list[Tensor] = []
    taught, learned = unlabelled_module.pseudo_labels, unlabelled_module.unlabelled_loss
    monkeypatch.setattr(unlabelled_module, "pseudo_labels", lambda t, e, *rest: seen.append(e) or taught(t, e, *rest))
    monkeypatch.setattr(
        unlabelled_module, "unlabelled_loss", lambda s, e, *rest: seen.append(e) or learned(s, e, *rest)
    )
    rest = Unlabelled(frames, (BELLY,), views, SHORT, PromptSettings())
    torch.manual_seed(0)
    rest.loss(copy.deepcopy(net), net, np.random.default_rng(0), 1.0)
    by_teacher, by_student = seen
    plain, strong = (net.sam.encoder(one.float()) for one in (views.plain(frames[0]), views.strong(frames[0])))
    torch.testing.assert_close(by_teacher, plain)
    kept = by_student.flatten(2).any(-1)[0]
    lit = strong.flatten(2).any(-1)[0]
    assert 0 < int((lit & ~kept).sum()) < int(lit.sum())
    torch.testing.assert_close(by_student[0, kept], strong[0, kept] / (1 - DROPPED_CHANNELS))


def test_average_and_ramp_are_counted_by_the_step(
    serving: Serving, net: AdaSam, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by views, of which a step sees several, nor by how often an unlabelled one is due."""
    decays: list[float] = []
    weights: list[float] = []
    real = Unlabelled.loss

    def loss(rest: Unlabelled, student: AdaSam, teacher: AdaSam, rng: np.random.Generator, weight: float) -> Tensor:
        weights.append(weight)
        return real(rest, student, teacher, rng, weight)

    monkeypatch.setattr(trainer_module, "average", lambda pairs, decay: decays.append(decay))
    monkeypatch.setattr(Unlabelled, "loss", loss)
    settings = replace(SHORT, steps=6, batch=2, warm_up=0.3, unlabelled_every=2)
    to_the_end(RoundTrainer(serving(net), settings, LET_PASS).round(labelled(1), unlabelled(2), (BELLY,)))
    assert decays == [ema_decay(settings, step) for step in range(6)]
    assert weights == [unlabelled_weight(settings, step / 6) for step in (2, 4)]
    assert 0 < weights[0] < weights[1]
