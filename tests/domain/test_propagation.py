"""Which key frame each frame follows, how sure masks are, and what is seen to move."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_adasam.domain.motion import STILL, likeness, moved, shift_of, steadiness
from napari_adasam.domain.propagation import CUT_BELOW, STOP_BELOW, Signs, outline_of, runs


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), min_size=1))))
def test_every_frame_follows_the_nearest_key_frame_once_and_outwards(given: tuple[int, set[int]]) -> None:
    count, keys = given
    followed = {at: run.key for run in runs(keys, count) for at in run.frames}
    assert sorted(followed) == [at for at in range(count) if at not in keys]
    assert sum(len(run.frames) for run in runs(keys, count)) == len(followed)
    for at, key in followed.items():
        assert abs(at - key) == min(abs(at - other) for other in keys)
    for run in runs(keys, count):
        steps = np.diff([run.key, *run.frames])
        assert (steps == steps[0]).all()


def test_a_new_key_frame_concerns_the_frames_nearer_to_it_alone() -> None:
    before = {at: run.key for run in runs({0}, 12) for at in run.frames}
    after = {at: run.key for run in runs({0, 8}, 12) for at in run.frames}
    assert {at for at, key in after.items() if before[at] != key} == {5, 6, 7, 9, 10, 11}


@pytest.mark.parametrize("sign", ["held", "agreed", "back", "steady"])
def test_one_bad_sign_is_enough(sign: str) -> None:
    assert Signs(0.95, 0.95, 0.95, 0.95).confidence == pytest.approx(0.95)
    assert Signs(**{sign: 0.3}).confidence < STOP_BELOW


def tissue(seed: int = 0, shape: tuple[int, int] = (120, 160)) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 3)
    return np.asarray(128 + 500 * noise).clip(0, 255).astype(np.uint8)


@given(st.integers(-6, 6), st.integers(-8, 8))
def test_the_shift_of_what_lies_around_a_structure_is_found(down: int, right: int) -> None:
    whole = tissue(shape=(160, 200))
    before = whole[20:140, 20:180]
    after = whole[20 - down : 140 - down, 20 - right : 180 - right]
    found = shift_of(before, after, (40.0, 50.0, 80.0, 110.0))
    assert found == pytest.approx((down, right), abs=0.5)


def test_a_shift_too_far_to_be_true_is_none() -> None:
    before, after = tissue(1), np.roll(tissue(1), 40, 1)
    assert shift_of(before, after, (40.0, 50.0, 80.0, 110.0)) == STILL


def test_a_mask_that_is_cut_by_the_edge_goes_on_there() -> None:
    mask = np.zeros((20, 30), np.bool_)
    mask[5:10] = True
    assert np.array_equal(moved(mask, (2.2, -7.0)), np.roll(mask, 2, 0))
    inside = np.zeros_like(mask)
    inside[5:10, 10:14] = True
    assert np.array_equal(moved(inside, (0.0, 3.0)), np.roll(inside, 3, 1))


def test_a_mask_stays_within_the_scan() -> None:
    seen = np.zeros((20, 30), np.bool_)
    seen[:, 4:20] = True
    mask = np.zeros_like(seen)
    mask[5:10, 4:20] = True
    assert np.array_equal(moved(mask, (0.0, 5.0), seen), mask)


def test_gain_does_not_make_frames_unlike_and_a_cut_does() -> None:
    before = tissue()
    darker = (before * 0.6 + 10).astype(np.uint8)
    assert likeness(before, darker) > 0.98
    assert likeness(before, np.roll(darker, (2, 5), (0, 1))) > 0.9
    assert likeness(before, tissue(9)) < CUT_BELOW
    assert likeness(before, np.zeros_like(before)) == 1.0


def test_a_jump_of_area_or_place_is_unsteady() -> None:
    mask = np.zeros((60, 80), np.bool_)
    mask[20:30, 20:40] = True
    assert steadiness(mask, mask) == 1.0
    assert steadiness(mask, ndimage.binary_dilation(mask, iterations=1)) > 0.6
    assert steadiness(mask, np.roll(mask, 20, 1)) == 0.0
    assert steadiness(mask, ndimage.binary_dilation(mask, iterations=8)) < 0.4
    assert steadiness(mask, np.zeros_like(mask)) == 0.0


def test_outlines_of_other_labels_have_other_names() -> None:
    labels = np.zeros((4, 5), np.uint8)
    other = labels.copy()
    other[0, 0] = 1
    assert outline_of(labels) == outline_of(labels.copy()) != outline_of(other)
