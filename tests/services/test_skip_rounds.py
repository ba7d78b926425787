"""Rounds of a model whose decoder gets finer features of the encoder, with every part of the recipe that sees these."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from tiny import BELLY, blob, tiny_net
from toy_rounds import LET_PASS, SHORT, Serving, labelled, serving, to_the_end, unlabelled

from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.settings import PromptSettings, Recipe
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.encoders import TinyVit
from napari_adasam.services.serving import Learned
from napari_adasam.services.trainer import RoundTrainer

__all__ = ["serving"]  # a fixture

SKIP = "sam.encoder.skip.project.weight"
FULL = replace(SHORT, mild_from=2.0, recipe=Recipe(feedback="train+infer", cutmix=True, image_labels=True))


def net() -> AdaSam:
    """TinyViT with random weights, on 128 pixels."""
    return tiny_net(encoder=TinyVit(), size=128)


def test_a_full_round_learns_to_use_them_and_what_serves_answers_with_them(serving: Serving) -> None:
    predictor = serving(net())
    report = to_the_end(RoundTrainer(predictor, FULL, LET_PASS).round(labelled(2), unlabelled(2, {1: True}), (BELLY,)))
    assert report.accepted
    assert all(np.isfinite(report.losses))
    learned = dict(predictor.net.named_parameters())[SKIP]
    assert bool(learned.any())
    pixels, _ = blob(60)
    (made,) = predictor.suggest("new", pixels, (BELLY,), PromptSettings(presence=0.0))
    predictor.serve(Learned(predictor.net, "adasam", answers=True))
    answered = predictor.segment("new", pixels, Prompt(points=(Point(30.0, 30.0),)), None)
    assert made.mask.shape == answered.mask.shape == pixels.shape
    with torch.no_grad():
        learned.zero_()
    without = predictor.segment("other", pixels, Prompt(points=(Point(30.0, 30.0),)), None)
    assert not np.array_equal(answered.logits, without.logits)


def test_a_mild_round_leaves_the_skip_as_it_is(serving: Serving) -> None:
    predictor = serving(net())
    learned = []
    for settings in (FULL, replace(SHORT, mild_from=-1.0)):
        assert to_the_end(RoundTrainer(predictor, settings, LET_PASS).round(labelled(2), (), (BELLY,))).accepted
        learned.append(dict(predictor.net.named_parameters())[SKIP].clone())
    assert learned[0].any()
    assert torch.equal(*learned)
