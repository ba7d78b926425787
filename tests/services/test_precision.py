"""Encoder and decoder in bfloat16, as on a graphics card: here on the processor, which has the same rules for it."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from blocks_under_test import KINDS, encoder_of
from tiny import tiny_net, tiny_vit
from toy_rounds import LET_PASS, SHORT, Serving, labelled, serving, to_the_end, unlabelled

from napari_adasam.domain.overlap import dice
from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.settings import Method, ModelSettings, PromptSettings, TrainSettings
from napari_adasam.domain.simulated import tight_box
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.files.phantom import PhantomSettings, draw
from napari_adasam.model import adaptation, precision
from napari_adasam.model.adapters.parts import added
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.sam import batch_prompts, decode
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.trainer import RoundTrainer

__all__ = ["serving"]  # a fixture


@pytest.fixture
def bfloat16(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """The processor passes for a card that has bfloat16; who asked is noted."""
    asked: list[torch.device] = []

    def mixed(device: torch.device) -> torch.autocast:
        asked.append(device)
        return torch.autocast("cpu", dtype=torch.bfloat16)

    monkeypatch.setattr(precision, "mixed", mixed)
    return asked


@pytest.mark.parametrize("has_it", [True, False])
def test_cards_that_have_bfloat16_take_it_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch, has_it: bool) -> None:
    monkeypatch.setattr(precision, "_has_bfloat16", lambda: has_it)
    monkeypatch.setattr(torch, "autocast", lambda kind, dtype: (kind, dtype))
    for kind in ("cpu", "mps"):
        assert isinstance(precision.mixed(torch.device(kind)), nullcontext)
    found: object = precision.mixed(torch.device("cuda"))
    if has_it:
        assert found == ("cuda", torch.bfloat16)
    else:
        assert isinstance(found, nullcontext)


def test_the_bundled_model_answers_nearly_the_same(
    bfloat16: list[torch.device], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = draw(9003, PhantomSettings(240, 320))
    box = Prompt(box=tight_box(image.labels == 1))
    answers = []
    for exact in (False, True):
        if exact:
            monkeypatch.undo()
        predictor = ModelPredictor(ModelSettings(device="cpu"))
        suggested = predictor.suggest("one", image.pixels, MUSCLE_PRESET[:2], PromptSettings())
        answers.append([*(one.mask for one in suggested), predictor.segment("one", image.pixels, box, None).mask])
    assert bfloat16
    for half, whole in zip(*answers, strict=True):
        assert whole.any()
        assert dice(half, whole) > 0.97
    assert any((half != whole).any() for half, whole in zip(*answers, strict=True))  # it did compute otherwise


def test_a_round_learns(bfloat16: list[torch.device], serving: Serving) -> None:
    net = tiny_net(encoder=tiny_vit(depth=2))
    before = {name: tensor.clone() for name, tensor in net.named_parameters()}
    predictor = serving(net)
    report = to_the_end(RoundTrainer(predictor, SHORT, LET_PASS).round(labelled(3), unlabelled(2), net.card.structures))
    assert bfloat16
    assert report.accepted
    assert all(np.isfinite(report.losses))
    after = dict(predictor.net.named_parameters())
    changed = {name for name, tensor in before.items() if name in after and not torch.equal(tensor, after[name])}
    assert {name.split(".")[1] for name in changed} >= {"mask_decoder", "prompt_encoder", "maps"}
    assert any(bool(one.any()) for name, one in added(predictor.net).items() if name.endswith(".b"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["adasam", "medsa", "masam"])
def test_every_adaptation_gets_gradients_and_gives_whole_numbers_back(
    bfloat16: list[torch.device], method: Method, kind: str
) -> None:
    net = tiny_net(encoder=encoder_of(kind))
    adaptation.prepare(net, adaptation.asked(TrainSettings(method=method), net.sam.encoder))
    side = net.sam.size
    embedding = net.sam.encoder(torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1)))
    prompt = Prompt(points=(Point(8, 9),), box=(4, 4, 30, 30))
    batch = batch_prompts([prompt], Canvas(side, side, side), embedding.shape[-1], net.device)
    logits, iou = decode(net.sam, embedding, batch)
    assert {embedding.dtype, logits.dtype, iou.dtype} == {torch.float32}
    (logits.square().mean() + iou.sum()).backward()
    given = {name: p.grad for name, p in added(net).items() if p.requires_grad and p.grad is not None}
    assert any(bool(one.abs().sum() > 0) for one in given.values())
    assert all(bool(torch.isfinite(one).all()) for one in given.values())
