"""Terms of the loss against figures worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from napari_adasam.model.cam import dense_prompt, dense_side
from napari_adasam.model.losses import cross_entropy, dice_loss, iou_of, map_loss, segmentation_loss

SURE = 30.0
TARGET = torch.tensor([[[1.0, 1.0, 0.0, 0.0]]])


def logits(*values: float) -> torch.Tensor:
    return torch.tensor([[[float(value) for value in values]]])


def test_dice_of_a_perfect_and_of_a_wholly_wrong_answer() -> None:
    assert dice_loss(logits(SURE, SURE, -SURE, -SURE), TARGET).item() == pytest.approx(0)
    # overlap 0, two found, two true, and the smoothing one: 1 - 1 / 5
    assert dice_loss(logits(-SURE, -SURE, SURE, SURE), TARGET).item() == pytest.approx(0.8)


def test_dice_of_half_an_answer() -> None:
    assert dice_loss(logits(SURE, -SURE, -SURE, -SURE), TARGET).item() == pytest.approx(1 - 3 / 4)


def test_cross_entropy_is_the_mean_over_pixels() -> None:
    assert cross_entropy(logits(0, 0, 0, 0), TARGET).item() == pytest.approx(math.log(2))
    assert cross_entropy(logits(SURE, -2, -SURE, -SURE), TARGET).item() == pytest.approx(math.log(1 + math.exp(2)) / 4)


def test_pixels_of_weight_0_do_not_count() -> None:
    weight = torch.tensor([[[1.0, 1.0, 1.0, 0.0]]])
    for loss in (dice_loss, cross_entropy, segmentation_loss):
        right = loss(logits(1, 2, -1, -SURE), TARGET, weight)
        assert torch.equal(loss(logits(1, 2, -1, SURE), TARGET, weight), right)
        assert loss(logits(1, 2, -1, SURE), TARGET).item() > right.item() + 0.1
    assert cross_entropy(logits(0, 0, 0, 0), TARGET, weight).item() == pytest.approx(math.log(2))


def test_nothing_counted_costs_nothing() -> None:
    nothing = torch.zeros(1, 1, 4)
    found = logits(5, -5, 5, -5).requires_grad_(True)
    loss = segmentation_loss(found, TARGET, nothing).sum()
    loss.backward()
    assert loss.item() == pytest.approx(0)
    assert not found.grad.any()


def test_the_two_terms_add_up() -> None:
    found = logits(1, -1, 2, -2)
    assert segmentation_loss(found, TARGET).item() == pytest.approx(
        (dice_loss(found, TARGET) + cross_entropy(found, TARGET)).item()
    )


def test_maps_of_absent_structures_have_no_dice_term() -> None:
    maps = torch.zeros(1, 2, 1, 4)
    share = torch.stack([TARGET, torch.zeros(1, 1, 4)], dim=1)
    present, absent = map_loss(maps, share)[0].tolist()
    assert absent == pytest.approx(math.log(2))
    assert present == pytest.approx(math.log(2) + 1 - 3 / 5)


def test_maps_are_judged_as_the_dense_prompt_that_they_become() -> None:
    maps = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    masks = (torch.rand(1, 2, 12, 12, generator=torch.Generator().manual_seed(1)) > 0.7).float()
    prompts = torch.stack([dense_prompt(one, 3) for one in maps[0]])
    assert prompts.shape[-1] == dense_side(3) == masks.shape[-1]
    torch.testing.assert_close(map_loss(maps, masks)[0], segmentation_loss(prompts, masks[0]))


def test_iou_of_thresholded_logits() -> None:
    found = torch.tensor([[[1.0, 1.0, 1.0, -1.0]], [[-1.0, -1.0, -1.0, -1.0]], [[0.0, 1.0, -1.0, -1.0]]])
    target = torch.tensor([[[1.0, 1.0, 0.0, 0.4]], [[0.0, 0.0, 0.0, 0.0]], [[1.0, 1.0, 0.0, 0.0]]])
    assert iou_of(found, target).tolist() == pytest.approx([2 / 3, 1, 1 / 2])
