"""Gradient feedback: from the first mask's gradient to a refined embedding."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import APONEUROSIS, BELLY, BrightnessEncoder, blob, embed, see_brightness, tiny_net

from napari_adasam.domain.settings import FeedbackMode, LossWeights, PromptSettings
from napari_adasam.model import adaptation, adasam, checkpoints, feedback, supervision
from napari_adasam.model.adasam import AdaSam, Sight, refined, suggest
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.feedback import Feedback, equip, self_loss, unit_rms
from napari_adasam.model.supervision import Lesson, labelled_loss

CANVAS = Canvas(64, 64, 64)


def net_with(mode: FeedbackMode, heads: int = 1, gamma: float = 0.0) -> AdaSam:
    """A net that prompts where the picture is bright, with feedback of a given strength."""
    net = see_brightness(tiny_net(structures=(BELLY, APONEUROSIS), encoder=BrightnessEncoder()))
    torch.manual_seed(1)
    net.use_feedback(mode, heads)
    if net.feedback is not None:
        with torch.no_grad():
            net.feedback.gamma.fill_(gamma)
    return net


@pytest.fixture
def embedding() -> torch.Tensor:
    return embed(net_with("off"), blob(0)[0])


@pytest.mark.parametrize("heads", [1, 4])
def test_at_the_start_it_changes_nothing(embedding: torch.Tensor, heads: int) -> None:
    """Identical maps and masks, with and without feedback."""
    plain = suggest(net_with("off"), embedding, CANVAS, (BELLY, APONEUROSIS), PromptSettings())
    told = suggest(net_with("train+infer", heads), embedding, CANVAS, (BELLY, APONEUROSIS), PromptSettings())
    assert plain[0].prompts
    for one, other in zip(plain, told, strict=True):
        assert np.array_equal(one.cam, other.cam)
        assert np.array_equal(one.mask, other.mask)
        assert (one.presence, one.score) == (other.presence, other.score)


def test_what_it_has_learned_changes_map_and_mask_at_use(embedding: torch.Tensor) -> None:
    plain = suggest(net_with("off"), embedding, CANVAS, (BELLY,), PromptSettings())[0]
    told = suggest(net_with("train+infer", gamma=5.0), embedding, CANVAS, (BELLY,), PromptSettings())[0]
    assert np.abs(plain.cam - told.cam).max() > 1e-3
    in_training_only = suggest(net_with("train", gamma=5.0), embedding, CANVAS, (BELLY,), PromptSettings())[0]
    assert np.array_equal(plain.cam, in_training_only.cam)


def test_the_answer_does_not_depend_on_which_structures_are_asked_for(embedding: torch.Tensor) -> None:
    net = net_with("train+infer", gamma=5.0)
    both = suggest(net, embedding, CANVAS, (BELLY, APONEUROSIS), PromptSettings())
    assert np.array_equal(both[0].cam, suggest(net, embedding, CANVAS, (BELLY,), PromptSettings())[0].cam)


def test_no_label_can_reach_it_at_use() -> None:
    assert list(inspect.signature(refined).parameters) == ["net", "embedding", "sight"]
    assert list(inspect.signature(self_loss).parameters) == ["logits"]
    assert set(Sight.__slots__) == {"canvas", "settings", "region", "seen", "tokens"}


def test_the_gradient_needs_the_decoder_only(embedding: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder is not run, and no weight gets a gradient, though all could learn."""
    net = net_with("train+infer", gamma=1.0).requires_grad_(True)

    def never(*_: object) -> None:
        raise AssertionError("the encoder was run")

    monkeypatch.setattr(net.sam.encoder, "forward", never)
    monkeypatch.setattr(net.sam.encoder, "back", never)
    better, _ = refined(net, embedding, Sight(CANVAS, PromptSettings()))
    assert not torch.equal(better, embedding)
    assert not better.requires_grad
    assert all(p.grad is None for p in net.parameters())


def test_nothing_to_prompt_for_is_no_feedback() -> None:
    net = net_with("train+infer", gamma=1.0)
    dark = embed(net, np.zeros((64, 64), np.uint8))
    with torch.no_grad():
        net.head.shift.fill_(-50.0)
    better, _ = refined(net, dark, Sight(CANVAS, PromptSettings()))
    assert better is dark


def test_the_gradient_is_scaled_in_each_image() -> None:
    gradient = torch.randn(2, 256, 4, 4) * torch.tensor([1e-9, 1e3]).view(2, 1, 1, 1)
    gradient.requires_grad_(True)
    scaled = unit_rms(gradient)
    assert scaled.square().mean((1, 2, 3)).sqrt().tolist() == pytest.approx([1, 1], rel=1e-4)
    assert not scaled.requires_grad
    assert not unit_rms(torch.zeros(1, 256, 4, 4)).any()


@pytest.mark.parametrize("cells", [4, 40])
def test_attention_is_on_pooled_maps(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, ...]] = []
    real = torch.nn.functional.scaled_dot_product_attention

    def spy(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        asked.extend(tuple(x.shape) for x in (query, key, value))
        return real(query, key, value)

    monkeypatch.setattr(feedback.F, "scaled_dot_product_attention", spy)
    module = Feedback(heads=2)
    with torch.no_grad():
        module.gamma.fill_(1.0)
    maps = torch.randn(1, 256, cells, cells)
    assert module(maps, torch.randn_like(maps)).shape == maps.shape
    assert asked == [(1, 2, min(cells, 32) ** 2, 64)] * 3


def test_it_follows_the_formula() -> None:
    module = Feedback()
    with torch.no_grad():
        module.gamma.fill_(0.7)
    maps, gradient = torch.randn(1, 256, 3, 3), torch.randn(1, 256, 3, 3)
    f, g = maps[0].flatten(1).T, (gradient / gradient.square().mean().sqrt())[0].flatten(1).T
    scores = (g @ module.query.weight.T) @ (f @ module.key.weight.T).T / 8
    told = scores.softmax(-1) @ (f @ module.value.weight.T) @ module.out.weight.T + module.out.bias
    expected = maps + 0.7 * told.T.reshape(1, 256, 3, 3)
    assert torch.allclose(module(maps, gradient), expected, atol=1e-5)


def test_a_mask_is_its_own_target() -> None:
    sure, unsure = torch.full((1, 8, 8), -9.0), torch.full((1, 8, 8), -0.5)
    sure[:, 2:6, 2:6], unsure[:, 2:6, 2:6] = 9.0, 0.5
    assert self_loss(sure) < 0.05 < self_loss(unsure)
    unsure.requires_grad_(True)
    self_loss(unsure).sum().backward()
    assert unsure.grad is not None
    assert unsure.grad[0, 3, 3] < 0 < unsure.grad[0, 0, 0]  # what is likely becomes likelier


def test_heads_and_modes() -> None:
    assert equip(Feedback(), "off", 1) is None
    kept = Feedback(2)
    assert equip(kept, "train", 2) is kept
    assert equip(kept, "train", 1) is not kept
    with pytest.raises(ValueError, match="1 to 4"):
        Feedback(5)


@pytest.mark.parametrize("frozen", [False, True])
def test_training_teaches_the_feedback_and_the_encoder(embedding: torch.Tensor, frozen: bool) -> None:
    net = net_with("train+infer", gamma=0.5)
    assert net.feedback is not None
    labels = torch.from_numpy(blob(0)[1].astype(np.int64))
    asked = embedding.clone().requires_grad_(not frozen)
    loss = labelled_loss(net, asked, labels, np.random.default_rng(0), Lesson(LossWeights()))
    loss.backward()
    for name, parameter in net.feedback.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert (asked.grad is None) is frozen


def test_without_weight_the_loss_is_as_without_feedback(embedding: torch.Tensor) -> None:
    labels = torch.from_numpy(blob(0)[1].astype(np.int64))

    def loss(mode: FeedbackMode, share: float) -> float:
        lesson = Lesson(replace(LossWeights(), feedback=share))
        with torch.enable_grad():
            return labelled_loss(net_with(mode, gamma=3.0), embedding, labels, np.random.default_rng(0), lesson).item()

    assert loss("train", 0.0) == pytest.approx(loss("off", 1.0))
    assert loss("train", 1.0) != pytest.approx(loss("off", 1.0), rel=1e-3)
    first, half, whole = loss("train", 0.0), loss("train", 1.0), loss("train", 3.0)
    assert whole - first == pytest.approx(1.5 * (half - first), rel=1e-3)  # shares of 1/2 and 3/4


@pytest.mark.parametrize(("mode", "both"), [("train", False), ("train+infer", True)])
def test_what_is_meant_for_use_also_learns_from_masks_against_themselves(
    embedding: torch.Tensor, monkeypatch: pytest.MonkeyPatch, mode: FeedbackMode, both: bool
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(supervision, "self_loss", lambda logits: calls.append(1) or self_loss(logits))
    net = net_with(mode, gamma=0.5)
    labels = torch.from_numpy(blob(0)[1].astype(np.int64))
    for seed in range(8):
        labelled_loss(net, embedding, labels, np.random.default_rng(seed), Lesson(LossWeights()))
    assert (0 < len(calls) < 8) is both
    assert bool(calls) is both


def test_second_prompts_and_second_masks_come_from_the_refined_embedding(
    embedding: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In training as at use; the first ones, and their corrections, from the embedding itself."""
    seen: list[torch.Tensor] = []
    scored: list[torch.Tensor] = []
    answered = supervision.answered
    monkeypatch.setattr(supervision, "answered", lambda n, e, asked: seen.append(e) or answered(n, e, asked))
    net = net_with("train", gamma=3.0)
    net.head.register_forward_hook(lambda module, given, scores: scored.append(given[0]))
    assert net.feedback is not None
    made: list[torch.Tensor] = []
    net.feedback.register_forward_hook(lambda module, given, better: made.append(better))
    labels = torch.from_numpy(blob(0)[1].astype(np.int64))
    labelled_loss(net, embedding, labels, np.random.default_rng(0), Lesson(LossWeights()))
    (better,) = made
    assert not torch.equal(better, embedding)
    assert len(seen) == 3
    assert all(torch.equal(one, embedding) for one in (seen[0], seen[1], scored[0]))
    assert seen[2] is better
    assert scored[1] is better


def test_a_file_brings_it_back_and_older_files_have_none(tmp_path: Path) -> None:
    net = net_with("train+infer", heads=3, gamma=0.5)
    weights = dict(net.state_dict())
    module = feedback.of_weights(weights)
    assert module is not None
    assert module.heads == 3
    assert {n for n in weights if n.startswith("feedback.")} == {f"feedback.{n}" for n in module.state_dict()}
    assert feedback.of_weights({n: w for n, w in weights.items() if not n.startswith("feedback.")}) is None
    fields = {"format": 1, "name": "x", "architecture": "a", "input_size": 64, "structures": [], "lineage": []}
    assert checkpoints.card_from_json(fields | {"trained_on": []}).feedback == "off"


def test_it_is_part_of_what_an_adapter_holds() -> None:
    net = net_with("train")
    adaptation.prepare(net, adaptation.DecoderSettings())
    held = {n for n in adaptation.adapted_names(net) if n.startswith("feedback.")}
    assert len(held) == 6
    assert all(p.requires_grad for n, p in net.named_parameters() if n in held)
    net.use_feedback("off")
    assert not any(n.startswith("feedback.") for n in adaptation.adapted_names(net))
    assert adasam.ModelCard("x", "a", 64).feedback == "off"
