from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_adasam.files.pixels import bit_depth, display_range, to_grey

SIZE = st.tuples(st.integers(1, 9), st.integers(1, 9))


@given(arrays(np.uint8, SIZE))
def test_grey_bytes_stay_as_they_are(pixels: np.ndarray) -> None:
    assert np.array_equal(to_grey(pixels), pixels)


@given(arrays(np.uint8, SIZE))
def test_grey_pictures_saved_in_colour_become_the_same_grey(pixels: np.ndarray) -> None:
    assert np.array_equal(to_grey(np.stack([pixels] * 3, axis=-1)), pixels)


def test_colour_becomes_luma() -> None:
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    assert to_grey(pixels).tolist() == [[76, 150, 29]]


@given(arrays(np.uint16, SIZE))
def test_16_bit_is_scaled_by_its_bit_depth(pixels: np.ndarray) -> None:
    full = 2 ** bit_depth(pixels) - 1
    assert bit_depth(pixels) == 8 or full // 2 < pixels.max() <= full
    grey = to_grey(pixels)
    assert grey.dtype == np.uint8
    assert np.abs(grey - pixels * (255 / full)).max() <= 0.5001
    assert display_range(pixels) == (0, full)


def test_twelve_bits_reach_white_and_black_stays_black() -> None:
    assert to_grey(np.array([[0, 4095]], np.uint16)).tolist() == [[0, 255]]


def test_16_bit_colour() -> None:
    assert to_grey(np.full((2, 2, 3), 65535, np.uint16)).tolist() == [[255, 255], [255, 255]]


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.float32), np.zeros((4, 4, 4), np.uint8), np.zeros(4, np.uint8)])
def test_other_arrays_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        to_grey(wrong)
