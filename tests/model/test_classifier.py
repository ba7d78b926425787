"""The auxiliary classifier in both forms."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.settings import ClassifierForm
from napari_adasam.model.classifier import Classifier, Unlearned, build, widen

FORMS: tuple[ClassifierForm, ...] = ("classmap", "gradcam")


def embeddings(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A little noise in ten channels of (N, 256, 8, 8); in half of them a 4 × 4 patch stands out in channel 5.

    And which half, (N,).
    """
    found = noise(count, seed)
    present = torch.arange(count) % 2 == 0
    found[present, 5, 2:6, 3:7] += 3
    return found, present.float()


def noise(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.pad(0.1 * torch.randn(count, 10, 8, 8, generator=generator), (0, 0, 0, 0, 0, 246))


@cache
def train(form: ClassifierForm) -> Classifier:
    """A head that was taught to tell the two halves apart."""
    torch.manual_seed(0)
    head = build(form, 1)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.02)
    embedding, present = embeddings(16)
    for _ in range(150):
        loss = F.binary_cross_entropy_with_logits(head(embedding).presence[:, 0], present)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return head.requires_grad_(False).eval()


@pytest.mark.parametrize("form", FORMS)
def test_untrained_it_says_absent_everywhere(form: ClassifierForm) -> None:
    scores = build(form, 3).eval()(embeddings(2)[0])
    assert scores.presence.shape == (2, 3)
    assert scores.maps.shape == (2, 3, 8, 8)
    assert (torch.sigmoid(scores.presence) < 0.05).all()
    assert (scores.maps < -1).all()


@pytest.mark.parametrize("form", FORMS)
def test_presence_rises_with_training_and_the_map_shows_where(form: ClassifierForm) -> None:
    head = train(form)
    embedding, present = embeddings(8, seed=1)
    scores = head(embedding)
    chance = torch.sigmoid(scores.presence[:, 0])
    assert (chance[present == 1] > 0.9).all()
    assert (chance[present == 0] < 0.1).all()
    where = torch.zeros(8, 8, dtype=torch.bool)
    where[2:6, 3:7] = True
    for cells in scores.maps[present == 1, 0].detach():
        assert (cells[where] > 0).all()
        assert (cells[~where] < 0).float().mean() > 0.9
        assert where.flatten()[cells.argmax()]


def test_a_grad_cam_of_a_structure_that_fills_most_of_the_frame_is_positive_there() -> None:
    head = train("gradcam")
    embedding = torch.zeros(1, 256, 8, 8)
    embedding[:, 5, :6] = 3
    maps = head(embedding).maps[0, 0]
    assert (maps[:6] > 0).all()
    assert (maps[6:] < 0).all()


def test_the_presence_of_a_class_map_pools_its_highest_cells() -> None:
    head = build("classmap", 1)
    torch.nn.init.ones_(head.maps.weight)
    torch.nn.init.zeros_(head.maps.bias)
    embedding = torch.zeros(1, 256, 32, 32)
    embedding[0, 0, :3, :4] = 2.0  # 12 cells
    assert head(embedding).presence.item() == pytest.approx(2)
    embedding[0, 0, 0, 0] = 14.0
    assert head(embedding).presence.item() == pytest.approx(3)


@pytest.mark.parametrize("side", [16, 32, 64])
def test_the_presence_of_a_small_structure_is_the_same_at_every_input_size(side: int) -> None:
    head = build("classmap", 1)
    torch.nn.init.ones_(head.maps.weight)
    torch.nn.init.constant_(head.maps.bias, -1.0)
    embedding = torch.zeros(1, 256, side, side)
    embedding[0, 0, : side // 8, : side // 8] = 3.0
    assert head(embedding).presence.item() == pytest.approx(2)


def test_grad_cam_works_where_gradients_are_off_and_leaves_the_presence_alone() -> None:
    head = train("gradcam")
    embedding = embeddings(2)[0]
    with torch.no_grad():
        scores = head(embedding)
    assert not scores.maps.requires_grad
    assert scores.maps.std() > 0
    torch.testing.assert_close(scores.presence, head.mlp(embedding.mean((2, 3))))


def test_grad_cam_takes_several_structures_apart() -> None:
    torch.manual_seed(0)
    head = build("gradcam", 2)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.02)
    embedding = noise(16)
    truth = torch.tensor([[i % 2, i // 2 % 2] for i in range(16)]).float()
    embedding[truth[:, 0] == 1, 5, :2, :2] += 3
    embedding[truth[:, 1] == 1, 9, 6:, 6:] += 3
    for _ in range(150):
        loss = F.binary_cross_entropy_with_logits(head(embedding).presence, truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    maps = head.eval()(embedding[3:4]).maps[0]
    assert truth[3].tolist() == [1, 1]
    assert maps[0, :2, :2].min() > maps[0, 6:, 6:].max()
    assert maps[1, 6:, 6:].min() > maps[1, :2, :2].max()


@pytest.mark.parametrize("form", FORMS)
def test_a_wider_head_keeps_what_was_learned_and_new_ones_start_absent(form: ClassifierForm) -> None:
    head = train(form)
    embedding = embeddings(4)[0]
    wide = widen(head, ("belly",), ("bone", "belly")).eval()
    before, after = head(embedding), wide(embedding)
    torch.testing.assert_close(after.presence[:, 1], before.presence[:, 0])
    torch.testing.assert_close(after.maps[:, 1], before.maps[:, 0])
    assert (torch.sigmoid(after.presence[:, 0]) < 0.05).all()
    assert (after.maps[:, 0] < -1).all()


@pytest.mark.parametrize("form", FORMS)
def test_a_head_of_no_structure_answers_nothing_and_can_grow(form: ClassifierForm) -> None:
    head = build(form, 0)
    assert isinstance(head, Unlearned)
    assert not list(head.parameters())
    scores = head(embeddings(2)[0])
    assert scores.presence.shape == (2, 0)
    assert scores.maps.shape == (2, 0, 8, 8)
    grown = widen(head, (), ("belly",))
    assert type(grown) is type(build(form, 1))
    assert grown(embeddings(2)[0]).presence.shape == (2, 1)
    assert isinstance(widen(grown, ("belly",), ()), Unlearned)
