"""From a frame's mask to the next frame's, by a tiny model with random weights: what holds whatever it answers."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import APONEUROSIS, BELLY, blob, embed, tiny_net

from napari_adasam.domain.propagation import Signs
from napari_adasam.domain.simulated import tight_box
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.propagating import MOST_PARTS, Follower, Scene, dense_of, parts_of

SHAPE = (64, 64)


def follower(region: np.ndarray | None = None) -> tuple[Follower, np.ndarray]:
    """From a disc to the same disc six pixels to the right; and the disc's mask."""
    net = tiny_net()
    pixels, labels = blob(3)
    after = np.roll(pixels, 6, 1)
    scenes = [Scene(one, embed(net, one)) for one in (pixels, after)]
    return Follower(net, Canvas(*SHAPE, net.sam.size), scenes[0], scenes[1], region), labels == 1


def test_the_prompt_is_the_mask_moved_with_what_is_seen_to_move() -> None:
    one, mask = follower()
    found = one.follow(mask, BELLY)
    [prompt] = found.prompts
    assert prompt.box == pytest.approx(tight_box(np.roll(mask, 6, 1)), abs=1)
    assert found.mask.shape == SHAPE
    assert 0 <= found.signs.confidence <= 1
    assert found.signs != Signs()


def test_what_is_not_there_stays_away() -> None:
    one, mask = follower()
    found = one.follow(np.zeros_like(mask), BELLY)
    assert not found.mask.any()
    assert found.prompts == ()
    assert found.signs.confidence == 1.0


def test_nothing_reaches_out_of_the_scan() -> None:
    region = np.zeros(SHAPE, np.bool_)
    region[10:50, 10:50] = True
    one, mask = follower(region)
    found = one.follow(mask, BELLY)
    assert not (found.mask & ~region).any()


def test_the_dense_prompt_is_positive_in_the_mask_and_steeper_than_zero_at_its_border() -> None:
    mask = np.zeros((48, 64), np.bool_)
    mask[8:40, 16:48] = True
    dense = dense_of(mask, Canvas(48, 64, 64), 16)
    assert dense.shape == (16, 16)
    assert np.array_equal(dense[:12] > 0, mask[2::4, 2::4])
    assert (dense[12:] < 0).all(), "the padding is outside"
    assert np.abs(dense).min() > 0


def test_a_mask_thinner_than_a_cell_still_has_a_dense_prompt() -> None:
    mask = np.zeros((64, 64), np.bool_)
    mask[20, 5:60] = True
    assert (dense_of(mask, Canvas(64, 64, 64), 16) > 0).any()


@pytest.mark.parametrize("corner", [0, 1001, 3998])
def test_a_mask_too_small_to_be_seen_on_the_square_has_a_dense_prompt_where_it_lies(corner: int) -> None:
    """The square takes every 62nd pixel of this picture, and none of the mask's."""
    mask = np.zeros((4000, 4000), np.bool_)
    mask[corner : corner + 2, corner : corner + 2] = True
    dense = dense_of(mask, Canvas(4000, 4000, 64), 16)
    cell = int((corner + 0.5) * 16 / 4000)
    assert np.argwhere(dense > 0).tolist() == [[cell, cell]]


def test_a_structure_of_several_parts_is_followed_part_by_part() -> None:
    mask = np.zeros((80, 80), np.bool_)
    for number in range(6):
        mask[number * 13 : number * 13 + 3, : 70 - number] = True
    mask[79, 79] = True
    assert len(parts_of(mask, BELLY)) == 1
    parts = parts_of(mask, APONEUROSIS)
    assert [int(part.sum()) for part in parts] == [210, 207, 204, 201]
    assert len(parts) == MOST_PARTS
    assert parts_of(np.zeros_like(mask), APONEUROSIS) == []


def test_specks_alone_are_followed_as_one() -> None:
    mask = np.zeros((64, 64), bool)
    mask[10:12, 10:12] = mask[40:42, 40:42] = True
    (found,) = parts_of(mask, APONEUROSIS)
    assert (found == mask).all()


def test_what_has_moved_out_of_the_scan_is_lost() -> None:
    """A line at the lower edge of the scan, where all goes three pixels down."""
    net = tiny_net()
    grey = np.random.default_rng(4).integers(0, 255, (16, 16), dtype=np.uint8)
    pixels = np.kron(grey, np.ones((4, 4), np.uint8))
    scenes = [Scene(one, embed(net, one)) for one in (pixels, np.roll(pixels, 3, 0))]
    region = np.zeros(SHAPE, np.bool_)
    region[:50] = True
    mask = np.zeros(SHAPE, np.bool_)
    mask[48:50, 4:60] = True
    found = Follower(net, Canvas(*SHAPE, net.sam.size), scenes[0], scenes[1], region).follow(mask, BELLY)
    assert not found.mask.any()
    assert found.prompts == ()
    assert found.signs.confidence == 0.0
