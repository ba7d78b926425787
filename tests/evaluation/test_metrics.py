"""Figures of one mask, against shapes worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics import compute_hausdorff_distance
from scipy import ndimage

from napari_adasam.domain.agreement import border
from napari_adasam.domain.overlap import dice, iou
from napari_adasam.evaluation.metrics import hd95, hd95_of_volume, interval


def box(top: int, left: int, height: int, width: int, side: int = 100) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[top : top + height, left : left + width] = True
    return mask


def test_the_border_of_a_square_is_its_outermost_pixels() -> None:
    found = border(box(10, 10, 5, 5))
    assert found.sum() == 16
    assert not found[12, 12]
    assert border(box(0, 0, 3, 3))[0, 0]  # the image's edge is outside
    assert border(np.ones((4, 4), bool)).sum() == 12


def test_equal_masks_are_at_distance_0() -> None:
    assert hd95(box(10, 10, 20, 30), box(10, 10, 20, 30)) == 0


def test_two_points() -> None:
    assert hd95(box(10, 10, 1, 1), box(13, 14, 1, 1)) == 5


def test_parallel_bars_are_as_far_as_they_are_apart() -> None:
    assert hd95(box(10, 0, 1, 100), box(17, 0, 1, 100)) == 7


def test_a_stray_pixel_below_five_per_cent_is_left_out_and_a_larger_share_is_not() -> None:
    bar = box(10, 0, 1, 100)
    stray = bar | box(60, 50, 1, 1)
    assert hd95(stray, bar) == 0
    more = bar | box(60, 50, 1, 10)
    assert hd95(more, bar) == 50


def test_it_is_the_larger_of_both_directions() -> None:
    short, long = box(10, 0, 1, 10), box(10, 0, 1, 100)
    # from the long bar's pixels: 0 for ten of them, then 1 to 90; the 95th percentile of 100 values lies between
    expected = np.percentile([0] * 10 + list(range(1, 91)), 95)
    assert hd95(short, long) == hd95(long, short) == pytest.approx(expected)


def test_empty_masks() -> None:
    empty, full = np.zeros((30, 40), bool), np.ones((30, 40), bool)
    assert hd95(empty, empty) == 0
    assert hd95(empty, full) == hd95(full, empty) == 50
    assert dice(empty, empty) == iou(empty, empty) == 1
    assert dice(empty, full) == iou(full, empty) == 0


def test_dice_and_iou_by_hand() -> None:
    first, second = box(0, 0, 10, 10), box(0, 5, 10, 10)
    assert dice(first, second) == 0.5
    assert iou(first, second) == pytest.approx(1 / 3)


def blobs(shape: tuple[int, ...], seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [ndimage.gaussian_filter(rng.normal(size=shape), 2) > 0.02 for _ in range(2)]


@pytest.mark.filterwarnings("ignore:monai:FutureWarning", "ignore:.*has been deprecated:FutureWarning")
@pytest.mark.parametrize("seed", range(3))
def test_distances_are_those_of_monai(seed: int) -> None:
    first, second = blobs((31, 47), seed)
    pair = [torch.from_numpy(mask)[None, None].float() for mask in (first, second)]
    theirs = compute_hausdorff_distance(*pair, percentile=95, include_background=True)
    assert hd95(first, second) == pytest.approx(float(theirs))
    voxel = (2.0, 1.0, 0.5)
    first, second = blobs((9, 20, 25), seed)
    pair = [torch.from_numpy(mask)[None, None].float() for mask in (first, second)]
    theirs = compute_hausdorff_distance(*pair, percentile=95, include_background=True, spacing=voxel)
    assert hd95_of_volume(first, second, voxel) == pytest.approx(float(theirs))


def test_the_interval_is_of_the_mean_and_narrows_with_groups() -> None:
    rng = np.random.default_rng(1)
    few, many = rng.normal(0.8, 0.1, 8), rng.normal(0.8, 0.1, 200)
    low, high = interval(many)  # type: ignore[misc]
    assert low < many.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * many.std() / np.sqrt(200), rel=0.1)
    assert np.ptp(interval(few)) > 2 * (high - low)  # type: ignore[arg-type]
    assert interval(many) == (low, high)
    assert interval(np.full(5, 0.7)) == pytest.approx((0.7, 0.7))


def test_whole_groups_are_drawn_and_count_by_their_size() -> None:
    rng = np.random.default_rng(3)
    groups = [f"g{group}" for group in range(8) for _ in range(group + 1)]
    values = [0.1 * int(name[1:]) + rng.normal(0, 0.01) for name in groups]
    by_group = {name: [v for v, g in zip(values, groups, strict=True) if g == name] for name in dict.fromkeys(groups)}
    picks = np.random.default_rng(0).integers(8, size=(2000, 8))
    means = [np.mean(np.concatenate([by_group[f"g{one}"] for one in draw])) for draw in picks]
    low, high = interval(values, groups)  # type: ignore[misc]
    assert (low, high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])))
    unweighted = interval(np.array([np.mean(own) for own in by_group.values()]))
    assert (low + high) / 2 == pytest.approx(np.mean(values), abs=0.05)
    assert sum(unweighted) / 2 < np.mean(values) - 0.1  # type: ignore[arg-type]


def test_one_group_has_no_interval() -> None:
    assert interval([0.7, 0.8], ["a", "a"]) is None
    assert interval(np.array([0.7])) is None
    assert interval(np.array([])) is None
