"""What the neighbours of a slice in depth say of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tiny import APONEUROSIS, BELLY, BrightnessEncoder, embed, see_brightness, tiny_net

from napari_adasam.domain.settings import PromptSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.model import adasam, depth
from napari_adasam.model.adasam import AdaSam, AutoMask, Sight
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.classifier import ClassScores

CANVAS = Canvas(48, 64, 64)
BONE = Structure(9, "bone")
ASKED = (BELLY, APONEUROSIS, BONE)
DARK = np.zeros((48, 64), np.uint8)


@pytest.fixture
def net() -> AdaSam:
    return see_brightness(tiny_net(structures=(BELLY, APONEUROSIS), encoder=BrightnessEncoder()))


def bright(*corners: tuple[int, int]) -> np.ndarray:
    """Dark, with a bright cell at each of the corners (y, x)."""
    pixels = DARK.copy()
    for y, x in corners:
        pixels[y : y + 16, x : x + 16] = 255
    return pixels


def slices(net: AdaSam, pictures: Sequence[np.ndarray], region: np.ndarray | None = None) -> list[depth.Slice]:
    return [depth.Slice(embed(net, one), Sight(CANVAS, PromptSettings(), region)) for one in pictures]


def alone(net: AdaSam, picture: np.ndarray) -> list[AutoMask]:
    return adasam.suggest(net, embed(net, picture), CANVAS, ASKED, PromptSettings())


def same(found: Sequence[AutoMask], expected: Sequence[AutoMask]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one.mask, other.mask)
        assert one.presence == pytest.approx(other.presence, abs=1e-5)
        assert one.score == pytest.approx(other.score, abs=1e-5)
        assert np.allclose(one.cam, other.cam, atol=1e-5)
        assert len(one.prompts) == len(other.prompts)


def test_a_neighbour_counts_less_the_farther_off_it_is() -> None:
    assert depth.weight(0) == 1
    assert depth.weight(0.5) == pytest.approx(math.exp(-0.5))
    assert depth.weight(0.3) > depth.weight(0.6) > depth.LEAST > depth.weight(2)


def test_neighbours_that_do_not_count_change_nothing(net: AdaSam) -> None:
    own = bright((0, 0), (32, 48))
    same(depth.suggest(net, slices(net, [DARK, DARK, own, DARK, DARK]), ASKED, 0.0), alone(net, own))


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_stack_of_copies_is_the_slice_alone(net: AdaSam, share: float) -> None:
    own = bright((0, 0), (32, 48))
    found = depth.suggest(net, slices(net, [own] * 5), ASKED, share)
    assert found[0].mask.any()
    same(found, alone(net, own))


def test_a_slice_that_was_missed_is_found_and_one_that_stands_alone_is_not(net: AdaSam) -> None:
    with torch.no_grad():
        net.head.shift.zero_()
    there = bright((16, 16), (16, 32), (32, 16), (32, 32))
    missed = depth.suggest(net, slices(net, [there, there, DARK, there, there]), (BELLY,), 1.0)[0]
    assert not alone(net, DARK)[0].prompts
    assert missed.prompts
    assert missed.presence > 0.5
    lone = depth.suggest(net, slices(net, [DARK, DARK, there, DARK, DARK]), (BELLY,), 1.0)[0]
    assert alone(net, there)[0].prompts
    assert not lone.prompts
    assert not lone.mask.any()


def test_the_mask_is_where_the_mean_of_three_slices_logits_is_positive(net: AdaSam) -> None:
    more = ((0, 16), (16, 0), (32, 0), (32, 16), (0, 48))
    pictures = [bright((0, 0), (16, 16), (16, 32), (32, 32), other) for other in more]
    share, sight = 0.7, Sight(CANVAS, PromptSettings())
    with torch.no_grad():
        raw = [net.head(embed(net, one)) for one in pictures]

        def mean(parts: Sequence[torch.Tensor]) -> torch.Tensor:
            return (share * parts[0] + parts[1] + share * parts[2]) / (1 + 2 * share)

        levels = []
        for at in (1, 2, 3):
            near = raw[at - 1 : at + 2]
            scores = ClassScores(mean([one.presence for one in near]), mean([one.maps for one in near]))
            asked = adasam.ask(net, embed(net, pictures[at]), scores, sight, BELLY)
            levels.append(asked.level.clamp(-10, 10))
    (found,) = depth.suggest(net, slices(net, pictures), (BELLY,), share)
    assert found.mask.any()
    assert not np.array_equal(found.mask, (levels[1] > 0).numpy())  # the neighbours have a say
    assert np.array_equal(found.mask, (mean(levels) > 0).numpy())


def test_nothing_lies_outside_of_what_may_be_seen(net: AdaSam) -> None:
    region = np.zeros((48, 64), np.bool_)
    region[:, :32] = True
    own = bright((0, 0), (0, 16), (0, 32), (16, 32))
    answers = depth.suggest(net, slices(net, [own] * 5, region), ASKED, 0.8)
    assert any(found.cam[region].any() for found in answers)
    for found in answers:
        assert not found.mask[~region].any()
        assert not found.cam[~region].any()


def test_nothing_lies_outside_of_what_may_be_seen_of_this_slice_alone(net: AdaSam) -> None:
    """The neighbours may be seen whole, and have a mask there."""
    region = np.zeros((48, 64), np.bool_)
    region[:, :32] = True
    with torch.no_grad():  # masks as sure as a model's that has learned
        last = net.sam.mask_decoder.output_hypernetworks_mlps[0].layers[-1]
        last.weight.mul_(1000), last.bias.mul_(1000)
    own = slices(net, [bright((0, 0), (0, 16), (0, 32), (16, 32))] * 5)
    own[2] = depth.Slice(own[2].embedding, Sight(CANVAS, PromptSettings(), region))
    found = depth.suggest(net, own, ASKED, 1.0)
    assert found[0].mask.any()
    for one in found:
        assert not one.mask[~region].any()


def test_it_wants_five_slices(net: AdaSam) -> None:
    with pytest.raises(ValueError, match="expected 5 slices, got 3"):
        depth.suggest(net, slices(net, [DARK] * 3), ASKED, 1.0)
