from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_adasam.files.pixels import bit_depth, to_grey

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


def test_twelve_bits_reach_white_and_black_stays_black() -> None:
    assert to_grey(np.array([[0, 4095]], np.uint16)).tolist() == [[0, 255]]


def test_frames_of_one_clip_keep_their_relative_brightness() -> None:
    """Two frames on either side of a power of two: by its own depth each, the brighter one would be the darker."""
    darker, brighter = np.full((2, 2), 2047, np.uint16), np.full((2, 2), 2048, np.uint16)
    assert to_grey(darker)[0, 0] > to_grey(brighter)[0, 0]
    assert (to_grey(darker, bits=12)[0, 0], to_grey(brighter, bits=12)[0, 0]) == (127, 128)
    colour = np.stack([brighter] * 3, axis=-1)
    assert np.array_equal(to_grey(colour, bits=12), to_grey(brighter, bits=12))


@given(arrays(np.uint16, SIZE), st.integers(1, 16))
def test_stored_bits_are_the_scale_whatever_the_frame_uses(pixels: np.ndarray, bits: int) -> None:
    full = 2**bits - 1
    assert np.abs(to_grey(pixels, bits) - np.minimum(pixels, full) * (255 / full)).max() <= 0.5001


def test_stored_bits_change_nothing_in_bytes() -> None:
    pixels = np.array([[0, 200, 255]], np.uint8)
    assert np.array_equal(to_grey(pixels, bits=12), pixels)


@pytest.mark.parametrize("bits", [0, 17])
def test_impossible_bits_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 16 bits"):
        to_grey(np.zeros((2, 2), np.uint16), bits)


def test_16_bit_colour() -> None:
    assert to_grey(np.full((2, 2, 3), 65535, np.uint16)).tolist() == [[255, 255], [255, 255]]


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.float32), np.zeros((4, 4, 4), np.uint8), np.zeros(4, np.uint8)])
def test_other_arrays_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        to_grey(wrong)
