"""From an image to the square input and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from segment_anything.modeling import Sam
from segment_anything.utils.transforms import ResizeLongestSide

from napari_adasam.model.canvas import PIXEL_MEAN, Canvas, grey_canvas, label_canvas, normalise, to_image_size

SIDES = st.integers(16, 3000)
SIZES = st.sampled_from([64, 256, 512, 1024])


@given(SIDES, SIDES, SIZES)
def test_the_inner_size_is_segment_anythings(height: int, width: int, size: int) -> None:
    rows, columns = ResizeLongestSide.get_preprocess_shape(height, width, size)
    assert Canvas(height, width, size).inner == (max(1, rows), max(1, columns))


@given(SIDES, SIDES, SIZES, st.floats(0, 1), st.floats(0, 1))
def test_points_go_where_segment_anything_puts_them(height: int, width: int, size: int, v: float, u: float) -> None:
    y, x = v * (height - 1), u * (width - 1)
    if max(height, width) > size * min(height, width):
        return  # segment-anything rounds such a strip to no rows at all
    expected = ResizeLongestSide(size).apply_coords(np.array([[x, y]]), (height, width))[0]
    assert Canvas(height, width, size).to_input(y, x) == pytest.approx((expected[1], expected[0]))


@given(SIDES, SIDES, SIZES, st.floats(0, 1), st.floats(0, 1))
def test_there_and_back_is_the_same_pixel(height: int, width: int, size: int, v: float, u: float) -> None:
    canvas = Canvas(height, width, size)
    y, x = v * (height - 1), u * (width - 1)
    assert canvas.to_image(*canvas.to_input(y, x)) == pytest.approx((y, x), abs=1e-6)


def test_what_lies_in_the_padding_comes_back_at_the_images_edge() -> None:
    canvas = Canvas(100, 200, 512)
    assert canvas.to_image(511, 511) == (99, 199)
    assert canvas.to_image(-3, -3) == (0, 0)


@pytest.mark.parametrize("shape", [(100, 200), (200, 100), (37, 64), (64, 64)])
def test_the_image_fills_the_top_left_and_the_rest_is_padding(shape: tuple[int, int]) -> None:
    grey, valid, canvas = grey_canvas(np.full(shape, 90, np.uint8), 64)
    rows, columns = canvas.inner
    assert max(rows, columns) == 64
    assert grey.shape == (1, 64, 64)
    torch.testing.assert_close(grey[0, :rows, :columns], torch.full((rows, columns), 90.0))
    assert valid[0, :rows, :columns].all()
    assert valid.sum() == rows * columns
    assert grey.sum().item() == pytest.approx(90 * rows * columns)


def test_resizing_is_segment_anythings_to_a_grey_level() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 150), dtype=np.uint8)
    expected = ResizeLongestSide(64).apply_image(np.repeat(pixels[..., None], 3, axis=2))[..., 0]
    grey, _, canvas = grey_canvas(pixels, 64)
    rows, columns = canvas.inner
    assert np.abs(grey[0, :rows, :columns].numpy() - expected).max() <= 1.01


def test_a_colour_image_keeps_its_planes() -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[..., 1] = 200
    grey, _, _ = grey_canvas(pixels, 64)
    assert grey.shape == (3, 64, 64)
    assert [int(plane[0, 0]) for plane in grey] == [0, 200, 0]


@pytest.mark.parametrize("pixels", [np.zeros((4, 4), np.uint16), np.zeros((4, 4, 3, 1), np.uint8)])
def test_other_pixels_are_refused_with_what_was_expected(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected .* uint8, got"):
        grey_canvas(pixels, 64)


def test_labels_lie_where_the_pixels_lie_and_keep_their_values() -> None:
    labels = np.zeros((100, 200), np.uint8)
    labels[20:60, 40:120] = 7
    grey, _, _ = grey_canvas(np.where(labels, 255, 0).astype(np.uint8), 64)
    on_square = label_canvas(labels, 64)
    assert on_square.unique().tolist() == [0, 7]
    overlap = ((on_square == 7) == (grey[0] > 127)).float().mean()
    assert overlap > 0.99


def test_normalised_mean_grey_is_zero_and_so_is_the_padding() -> None:
    grey = torch.tensor(PIXEL_MEAN).view(1, 3, 1, 1).expand(1, 3, 8, 8).clone()
    valid = torch.ones(1, 1, 8, 8)
    valid[..., 4:] = 0
    torch.testing.assert_close(normalise(grey, valid), torch.zeros(1, 3, 8, 8))
    brighter = normalise(grey + 58.395, valid)
    assert brighter[0, 0, 0, 0].item() == pytest.approx(1, abs=1e-5)
    assert not brighter[..., 4:].any()


def test_maps_come_back_to_the_image_as_segment_anything_brings_them() -> None:
    maps = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0))
    canvas = Canvas(37, 61, 64)

    class Encoder:
        img_size = 64

    class Holder:
        image_encoder = Encoder()

    expected = Sam.postprocess_masks(Holder(), maps[None], canvas.inner, (37, 61))[0]
    torch.testing.assert_close(to_image_size(maps, canvas), expected)
