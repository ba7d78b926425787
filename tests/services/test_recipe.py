"""Each part of the semi-supervised recipe can be switched off, and does what it says where it is on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import APONEUROSIS, BELLY, BrightnessEncoder, blob, embed, see_brightness, tiny_net
from toy_rounds import LET_PASS, SHORT, Serving, labelled, serving, to_the_end, unlabelled

from napari_adasam.domain.settings import FeedbackMode, LossWeights, PromptSettings, Recipe, TrainSettings
from napari_adasam.model import pseudo
from napari_adasam.model.augment import Patch, draw_patch, paste
from napari_adasam.model.pseudo import Doubt, cut_in, ema_decay, pseudo_labels, unlabelled_weight
from napari_adasam.services import trainer as trainer_module
from napari_adasam.services import unlabelled as unlabelled_module
from napari_adasam.services.trainer import RoundTrainer

__all__ = ["serving"]  # a fixture


def with_recipe(**parts: object) -> TrainSettings:
    return replace(SHORT, steps=4, recipe=replace(Recipe(), **parts))  # type: ignore[arg-type]


def weights_after(serving: Serving, settings: TrainSettings, ticks: dict[int, bool] | None = None) -> str:
    predictor = serving(see_brightness(tiny_net(encoder=BrightnessEncoder())))
    trainer = RoundTrainer(predictor, settings, LET_PASS, gated=False)
    return to_the_end(trainer.round(labelled(2), unlabelled(3, ticks), (BELLY,))).model


@pytest.mark.parametrize(
    "part", [{"unlabelled": False}, {"ramp": False}, {"ema_teacher": False}, {"cutmix": True}, {"feedback": "train"}]
)
def test_each_switch_changes_what_is_learned(serving: Serving, part: dict[str, object]) -> None:
    assert weights_after(serving, with_recipe(**part)) != weights_after(serving, with_recipe())


def test_image_labels_are_learned_from_or_not(serving: Serving) -> None:
    ticks = {1: False}
    on, off = with_recipe(), with_recipe(image_labels=False)
    assert weights_after(serving, on, ticks) != weights_after(serving, off, ticks)
    assert weights_after(serving, off, ticks) == weights_after(serving, off)


def test_the_dense_prompt_can_be_left_out_of_training(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    real = trainer_module.labelled_loss

    def spy(*given: object) -> torch.Tensor:
        seen.append(given[4].prompts.use_dense)  # type: ignore[attr-defined]
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer_module, "labelled_loss", spy)
    predictor = serving(see_brightness(tiny_net(encoder=BrightnessEncoder())))
    trainer = RoundTrainer(predictor, with_recipe(), LET_PASS, PromptSettings(use_dense=False), gated=False)
    to_the_end(trainer.round(labelled(2), unlabelled(1), (BELLY,)))
    assert seen
    assert not any(seen)


@pytest.mark.parametrize("mode", ["train", "train+infer"])
def test_a_round_with_feedback_serves_it_and_the_next_one_goes_on(serving: Serving, mode: FeedbackMode) -> None:
    predictor = serving(see_brightness(tiny_net(encoder=BrightnessEncoder())))
    trainer = RoundTrainer(predictor, with_recipe(feedback=mode), LET_PASS, gated=False)
    to_the_end(trainer.round(labelled(3), unlabelled(2), (BELLY,)))
    first = predictor.net.feedback
    assert first is not None
    assert predictor.net.card.feedback == mode
    assert float(first.gamma) != 0
    slow = RoundTrainer(predictor, replace(with_recipe(feedback=mode), lr=1e-5), LET_PASS, gated=False)
    to_the_end(slow.round(labelled(3), unlabelled(2), (BELLY,)))
    second = predictor.net.feedback
    assert second is not None
    assert second is not first
    assert 0 < (second.query.weight - first.query.weight).abs().max() < 1e-2
    to_the_end(RoundTrainer(predictor, with_recipe(), LET_PASS, gated=False).round(labelled(2), [], (BELLY,)))
    assert predictor.net.feedback is None
    assert predictor.net.card.feedback == "off"


def test_weight_of_unlabelled_frames() -> None:
    settings = TrainSettings(warm_up=0.5, weights=LossWeights(unlabelled=0.5))
    assert unlabelled_weight(settings, 0.49) == 0
    assert unlabelled_weight(settings, 0.5) == pytest.approx(0.5 * np.exp(-5))
    assert unlabelled_weight(settings, 1.0) == 0.5
    at_once = replace(settings, recipe=Recipe(ramp=False))
    assert [unlabelled_weight(at_once, share) for share in (0.49, 0.5, 1.0)] == [0, 0.5, 0.5]


def test_without_averaging_the_teacher_is_the_student() -> None:
    settings = TrainSettings()
    decays = [ema_decay(settings, step) for step in range(settings.steps)]
    assert decays == sorted(decays)
    assert 0 < decays[0] < decays[-1] < settings.ema
    long = replace(settings, steps=10_000)
    assert ema_decay(long, 9_999) == pytest.approx(settings.ema_end, abs=1e-6)
    assert ema_decay(replace(settings, recipe=Recipe(ema_teacher=False)), 20) == 0


def test_disputed_pixels_count_without_cross_prompting(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = see_brightness(tiny_net(encoder=BrightnessEncoder()))
    embedding = embed(teacher, blob(0)[0])
    chances = iter([torch.full((16, 16), 0.99), torch.full((16, 16), 0.01), torch.full((16, 16), 0.99)])
    monkeypatch.setattr(pseudo, "_chance", lambda *_: next(chances))
    assert not pseudo_labels(teacher, embedding, PromptSettings(), Doubt())[0].weight.any()
    assert pseudo_labels(teacher, embedding, PromptSettings(), Doubt(agreement=False))[0].weight.all()


def test_a_patch_lies_on_the_grid_and_inside() -> None:
    for seed in range(50):
        patch = draw_patch(np.random.default_rng(seed), 8)
        edges = np.array([patch.top, patch.left, patch.bottom, patch.right]) * 8
        assert np.array_equal(edges, edges.round())
        assert edges.min() >= 0
        assert edges.max() <= 8
        assert 0.1 < (patch.bottom - patch.top) * (patch.right - patch.left) < 0.6


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_patch_is_cut_at_every_scale(channels_last: bool) -> None:
    onto, source = torch.zeros(1, 2, 8, 8), torch.ones(1, 2, 8, 8)
    if channels_last:
        onto, source = onto.permute(0, 2, 3, 1), source.permute(0, 2, 3, 1)
    mixed = paste(onto, source, Patch(0.25, 0.5, 0.75, 1.0), channels_last)
    plane = mixed[0, ..., 0] if channels_last else mixed[0, 0]
    assert plane[2:6, 4:].all()
    assert plane.sum() == 16
    assert not onto.any()


def test_labels_are_cut_with_their_views() -> None:
    teacher = see_brightness(tiny_net(structures=(BELLY, APONEUROSIS), encoder=BrightnessEncoder()))
    first, second = (
        pseudo_labels(teacher, embed(teacher, blob(seed)[0]), PromptSettings(), Doubt()) for seed in (0, 1)
    )
    patch = Patch(0.0, 0.5, 1.0, 1.0)
    mixed = cut_in(teacher, first, second, patch, PromptSettings())
    assert [one.index for one in mixed] == [0, 1]
    for a, b, m in zip(first, second, mixed, strict=True):
        assert torch.equal(m.target[:, :8], a.target[:, :8])
        assert torch.equal(m.target[:, 8:], b.target[:, 8:])
        assert torch.equal(m.weight[:, 8:], b.weight[:, 8:])
        assert np.array_equal(m.cells[:, 2:], b.cells[:, 2:])
    (alone, _) = cut_in(teacher, first, second[1:], patch, PromptSettings())
    assert not alone.weight[:, 8:].any(), "what the teacher says of one frame only does not count in the other"
    assert cut_in(teacher, [], [], patch, PromptSettings()) == []


def test_the_student_sees_what_was_cut(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unlabelled_module, "CUTMIX_SHARE", 1.0)
    pasted: list[bool] = []
    real = unlabelled_module.paste
    monkeypatch.setattr(unlabelled_module, "paste", lambda *given: pasted.append(given[3]) or real(*given))
    predictor = serving()
    trainer = RoundTrainer(predictor, with_recipe(cutmix=True), LET_PASS, gated=False)
    to_the_end(trainer.round(labelled(2), unlabelled(3), (BELLY,)))
    assert pasted == [True] * 3  # channels last; the first of the four steps has nothing to cut from
