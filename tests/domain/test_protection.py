"""Overlaps: what a person has labelled stays, whatever comes; what yields does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_adasam.domain.protection import (
    changed_share,
    changed_structures,
    lay_suggestions,
    put_mask,
    put_stroke,
    stayed,
)

SHAPE = (5, 7)
label_images = arrays(np.uint8, SHAPE, elements=st.integers(0, 3))
masks = arrays(np.bool_, SHAPE)


@given(label_images, masks, st.integers(1, 3))
def test_a_new_mask_takes_free_pixels_only(labels: np.ndarray, mask: np.ndarray, structure: int) -> None:
    result = put_mask(labels, structure, mask)
    others = (labels != 0) & (labels != structure)
    assert np.array_equal(result[others], labels[others])
    assert np.array_equal(result == structure, mask & ~others)


@given(label_images, label_images)
def test_a_stroke_paints_free_pixels_and_erases_any(before: np.ndarray, after: np.ndarray) -> None:
    result = put_stroke(before, after)
    erased = after == 0
    assert not result[erased].any()
    assert np.array_equal(result[(before == 0)], after[before == 0])
    assert np.array_equal(result[(before != 0) & ~erased], before[(before != 0) & ~erased])


@given(label_images, masks, st.integers(1, 3), st.integers(1, 3))
def test_a_new_mask_takes_the_pixels_of_what_yields(
    labels: np.ndarray, mask: np.ndarray, structure: int, beneath: int
) -> None:
    result = put_mask(labels, structure, mask, [beneath])
    kept = (labels != 0) & (labels != structure) & (labels != beneath)
    assert np.array_equal(result[kept], labels[kept])
    assert np.array_equal(result == structure, mask & ~kept)
    if beneath != structure:
        assert np.array_equal(result == beneath, (labels == beneath) & ~mask)


@given(label_images, label_images, st.integers(1, 3))
def test_a_stroke_paints_over_what_yields_and_what_it_did_not_get_has_stayed(
    before: np.ndarray, after: np.ndarray, beneath: int
) -> None:
    result = put_stroke(before, after, [beneath])
    assert np.array_equal(result[before == beneath], after[before == beneath])
    others = (before != 0) & (before != beneath) & (after != 0)
    assert np.array_equal(result[others], before[others])
    assert stayed(after, result) == set(before[others & (before != after)].tolist())


def test_what_only_gave_way_to_a_stroke_was_not_changed_by_it() -> None:
    before = np.array([[1, 1, 2, 2, 0]], np.uint8)
    assert changed_structures(before, np.array([[1, 1, 1, 2, 0]], np.uint8)) == {1}
    assert changed_structures(before, np.array([[1, 1, 0, 2, 0]], np.uint8)) == {2}


@given(label_images, masks, masks)
def test_suggestions_leave_other_structures_alone(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
    result = lay_suggestions(labels, {1: first, 2: second}, on_top=[2])
    assert np.array_equal(result == 3, labels == 3)
    assert np.array_equal(result == 2, second & (labels != 3))
    assert np.array_equal(result == 1, first & ~second & (labels != 3))


def test_the_smaller_suggestion_lies_on_top_of_the_larger() -> None:
    large, small = np.ones(SHAPE, np.bool_), np.zeros(SHAPE, np.bool_)
    small[2, 2:5] = True
    result = lay_suggestions(np.zeros(SHAPE, np.uint8), {1: large, 2: small}, on_top=[])
    assert (result == 2).sum() == 3
    assert (result == 1).sum() == large.sum() - 3


def test_inputs_are_not_changed() -> None:
    labels = np.full(SHAPE, 2, np.uint8)
    labels.flags.writeable = False
    put_mask(labels, 1, np.ones(SHAPE, np.bool_))[0, 0] = 9
    assert (labels == 2).all()


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="expected a mask of shape"):
        put_mask(np.zeros(SHAPE, np.uint8), 1, np.zeros((5, 8), np.bool_))
    with pytest.raises(ValueError, match="expected labels of shape"):
        put_stroke(np.zeros(SHAPE, np.uint8), np.zeros((5, 8), np.uint8))


def test_changed_structures_are_those_that_gained_or_lost() -> None:
    before, after = np.array([[1, 2, 3, 0]], np.uint8), np.array([[1, 0, 3, 4]], np.uint8)
    assert changed_structures(before, after) == {2, 4}


def test_changed_share_is_the_symmetric_difference_over_the_union() -> None:
    one, other = np.array([1, 1, 1, 0], bool), np.array([0, 1, 1, 1], bool)
    assert changed_share(one, other) == 0.5
    assert changed_share(one, one) == 0
    assert changed_share(np.zeros(4, bool), np.zeros(4, bool)) == 0
