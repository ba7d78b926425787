"""The baselines learn, see what they should, and answer from pixels alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import BELLY, BrightnessEncoder, blob, see_brightness, tiny_net, tiny_vit

from napari_adasam.domain.overlap import dice
from napari_adasam.domain.settings import ModelSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.evaluation.baselines import head, learned_prompts, unet
from napari_adasam.evaluation.baselines.learned_prompts import Learned, PromptPredictor, decoded, prompt_loss
from napari_adasam.evaluation.baselines.lessons import Answering, Course, Lessons, drawn, follow, square
from napari_adasam.model import adaptation, registry
from napari_adasam.model.adapters.lora import LoraSettings
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.encoders import TinyVit
from napari_adasam.model.sam import decode_tokens
from napari_adasam.services.ports import LabelledFrame, UnlabelledFrame
from napari_adasam.services.predictor import ModelPredictor

BONE = Structure(2, "bone")
SMALL = unet.UnetSettings(size=64, width=8, steps=60, batch=2, lr=1e-2, ema=0.5)


def quiet(step: int, steps: int) -> None:
    """Nobody watches."""


def lessons(count: int = 4, others: int = 2) -> Lessons:
    labelled = [LabelledFrame(f"f{i}", *blob(i), group=f"g{i}") for i in range(count)]
    return Lessons(labelled, [UnlabelledFrame(f"u{i}", blob(50 + i)[0]) for i in range(others)], (BELLY, BONE), 0)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[[AdaSam], ModelPredictor]:
    def predictor(net: AdaSam) -> ModelPredictor:
        monkeypatch.setattr(registry, "load", lambda settings: net)
        return ModelPredictor(ModelSettings("tiny", device="cpu"))

    return predictor


def unseen_dice(answer: Answering) -> float:
    found = []
    for seed in range(60, 65):
        pixels, labels = blob(seed)
        masks = answer(f"n{seed}", pixels)
        assert set(masks) == {1, 2}
        assert masks[2].shape == pixels.shape
        found.append(dice(masks[1], labels == 1))
        assert masks[2].mean() < 0.5, "nothing was ever labelled as bone"
    return float(np.mean(found))


def test_the_u_net_learns_the_discs() -> None:
    steps: list[tuple[int, int]] = []
    assert unseen_dice(unet.fit(lessons(), SMALL, lambda *given: steps.append(given))[0]) > 0.8
    assert steps == [(i, 60) for i in range(1, 61)]


def test_the_mean_teacher_learns_from_unlabelled_frames_too(monkeypatch: pytest.MonkeyPatch) -> None:
    weights: list[float] = []
    monkeypatch.setattr(unet, "ramp", lambda share: weights.append(share) or 1.0)
    pixels = [blob(seed)[0][:40] for seed in (70, 71, 72)]
    answers = []
    for consistency in (1e-9, 1000.0):
        answer, _ = unet.fit(lessons(), replace(SMALL, steps=12, consistency=consistency), quiet)
        answers.append([answer("n", one)[1] for one in pixels])
    assert answers[0][0].shape == (40, 64)
    assert weights == [step / 12 for step in range(12)] * 2
    assert not np.array_equal(*answers)


def test_supervised_learning_looks_at_no_unlabelled_frame() -> None:
    pixels = blob(70)[0]
    settings = replace(SMALL, steps=3)
    first, second = (unet.fit(lessons(others=n), settings, quiet)[0]("n", pixels)[1] for n in (0, 3))
    assert np.array_equal(first, second)


def test_the_head_learns_the_discs_and_leaves_the_encoder(serve: Callable[[AdaSam], ModelPredictor]) -> None:
    net = tiny_net(encoder=BrightnessEncoder())
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    settings = head.HeadSettings(width=16, steps=40, batch=2, lr=1e-2, views=2)
    assert unseen_dice(head.fit(lessons(), serve(net), settings, quiet)[0]) > 0.7
    assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())


def test_learned_prompts_adapt_a_copy(serve: Callable[[AdaSam], ModelPredictor]) -> None:
    net = tiny_net(encoder=tiny_vit(depth=2))
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    settings = learned_prompts.LearnedSettings(steps=2, batch=1, views=1, rank=2)
    answer, _ = learned_prompts.fit(lessons(), serve(net), settings, quiet)
    assert {k: m.shape for k, m in answer("n", blob(9)[0]).items()} == {1: (64, 64), 2: (64, 64)}
    assert set(net.state_dict()) == set(before)
    assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())


def test_learned_prompts_follow_the_loss() -> None:
    """Their own loss alone brings box, map and presence to what they should be."""
    torch.manual_seed(0)
    net = see_brightness(tiny_net(encoder=BrightnessEncoder()))
    prompter = PromptPredictor(2, 1)
    masks = torch.zeros(2, 64, 64)
    masks[0, 16:48, :32] = 1
    embedding, position = torch.randn(1, 256, 4, 4), net.sam.prompt_encoder.get_dense_pe()

    def loss(step: int) -> torch.Tensor:
        return prompt_loss(prompter(embedding, position), masks)

    follow(Course(100, 1e-3), prompter.parameters(), loss, quiet)
    with torch.no_grad():
        found = prompter(embedding, position)
    assert found.boxes[0].tolist() == pytest.approx([16 / 64, 0, 47 / 64, 31 / 64], abs=0.1)
    assert found.presence[0] > 0 > found.presence[1]
    assert ((found.dense[0] > 0) == torch.tensor([[0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]).bool()).all()
    assert (found.boxes[:, :2] <= found.boxes[:, 2:]).all()


def test_an_absent_structure_has_no_mask(
    serve: Callable[[AdaSam], ModelPredictor], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = tiny_net(encoder=tiny_vit(depth=2))

    def asked(*_: object) -> tuple[Learned, torch.Tensor]:
        prompts = Learned(torch.zeros(2, 4), torch.zeros(2, 1, 256), torch.zeros(2, 4, 4), torch.tensor([1.0, -1.0]))
        return prompts, torch.ones(2, 16, 16)

    settings = learned_prompts.LearnedSettings(steps=1, batch=1, views=1, rank=2)
    answer, _ = learned_prompts.fit(lessons(), serve(net), settings, quiet)
    monkeypatch.setattr(learned_prompts, "_asked", asked)
    masks = answer("n", blob(9)[0])
    assert masks[1].all()
    assert not masks[2].any()


def test_a_learned_box_is_told_as_a_drawn_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The box's tokens are those of SAM's own prompt encoder for the same corners."""
    net = tiny_net()
    told: list[torch.Tensor] = []

    def spy(sam: object, embeddings: torch.Tensor, sparse: torch.Tensor, dense: torch.Tensor) -> object:
        told.append(sparse)
        return decode_tokens(net.sam, embeddings, sparse, dense)

    monkeypatch.setattr(learned_prompts, "decode_tokens", spy)
    box = torch.tensor([[8.0, 16.0, 40.0, 56.0]])  # (y0, x0, y1, x1) in input pixels
    prompts = Learned(box / 64, torch.zeros(1, 2, 256), torch.zeros(1, 4, 4), torch.ones(1))
    with torch.no_grad():
        logits = decoded(net.sam, torch.randn(1, 256, 4, 4), prompts)
        as_xy = torch.tensor([[16.0, 8.0, 56.0, 40.0]]) - 0.5  # SAM adds half a pixel itself
        sparse, _ = net.sam.prompt_encoder(None, as_xy, None)
    assert logits.shape == (1, 16, 16)
    assert torch.allclose(told[0][:, :2], sparse, atol=1e-5)
    assert told[0].shape == (1, 4, 256)


def test_views_are_those_of_a_round() -> None:
    pixels, labels = blob(0)
    view = square(pixels, labels, 64)
    seen = [drawn(view, np.random.default_rng(seed)) for seed in range(12)]
    assert 0 < sum(one is view for one in seen) < 12
    assert all(one.labels is not None and one.labels.shape == (64, 64) for one in seen)


def test_answers_take_pixels_and_no_label() -> None:
    assert list(inspect.signature(unet.fit(lessons(1), replace(SMALL, steps=1), quiet)[0]).parameters) == [
        "frame_id",
        "pixels",
    ]


def test_a_model_with_finer_features_can_be_the_start_of_a_baseline(serve: Callable[[AdaSam], ModelPredictor]) -> None:
    """They read the embedding alone; SAM's decoder gets the finer features as it learned to."""
    net = tiny_net(encoder=TinyVit(), size=128)
    adaptation.prepare(net, LoraSettings(rank=2, skip=True))
    net.eval()
    pixels = blob(9)[0]
    small = head.HeadSettings(width=16, steps=1, batch=1, views=1)
    assert head.fit(lessons(), serve(net), small, quiet)[0]("n", pixels)[1].shape == pixels.shape
    prompts = learned_prompts.LearnedSettings(steps=1, batch=1, views=1, rank=2)
    assert learned_prompts.fit(lessons(), serve(net), prompts, quiet)[0]("n", pixels)[1].shape == pixels.shape
