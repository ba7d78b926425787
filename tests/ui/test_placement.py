"""World to image pixel and back, at any scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Image

from napari_adasam.domain.records import Frame, Spacing
from napari_adasam.ui.placement import Placement, box_between, box_corners, inside, pixel_at

spacings = st.floats(0.01, 5.0)
pixels = st.tuples(st.floats(0, 59), st.floats(0, 79))


def frame(spacing: Spacing | None) -> Frame:
    return Frame("a", "a.png", 0, 60, 80, "a", spacing)


@settings(deadline=None)  # the first layer takes a second to make
@given(pixel=pixels, y_mm=spacings, x_mm=spacings)
def test_a_world_position_comes_back_as_its_pixel(pixel: tuple[float, float], y_mm: float, x_mm: float) -> None:
    place = Placement.of(frame(Spacing(y_mm, x_mm, "by hand")))
    layer = Image(np.zeros((60, 80), np.uint8), **place.layer_arguments())
    world = (pixel[0] * y_mm, pixel[1] * x_mm)
    assert pixel_at(layer, world) == pytest.approx(pixel, abs=1e-6)


def test_axes_of_other_layers_before_the_last_two_are_ignored() -> None:
    layer = Image(np.zeros((60, 80), np.uint8), scale=(0.5, 0.25))
    assert pixel_at(layer, (7.0, 10.0, 10.0)) == pytest.approx((20.0, 40.0))


def test_an_image_that_was_moved_in_napari_is_still_hit() -> None:
    layer = Image(np.zeros((60, 80), np.uint8), scale=(0.5, 0.5), translate=(3.0, -2.0))
    assert pixel_at(layer, (3.0 + 5.0, -2.0 + 10.0)) == pytest.approx((10.0, 20.0))


def test_unknown_spacing_is_pixels() -> None:
    assert Placement.of(frame(None)) == Placement((1.0, 1.0), "pixel")
    assert Placement.of(frame(Spacing(0.2, 0.1, "phantom"))) == Placement((0.2, 0.1), "mm")


@pytest.mark.parametrize(
    ("pixel", "is_inside"),
    [((0.0, 0.0), True), ((-0.5, 0.0), True), ((-0.6, 0.0), False), ((59.4, 79.4), True), ((59.5, 0.0), False)],
)
def test_inside_counts_whole_pixels(pixel: tuple[float, float], is_inside: bool) -> None:
    assert inside(pixel, (60, 80)) is is_inside


@given(
    one=st.tuples(st.floats(-50, 150), st.floats(-50, 150)), other=st.tuples(st.floats(-50, 150), st.floats(-50, 150))
)
def test_a_box_lies_in_the_image_whichever_way_it_is_drawn(
    one: tuple[float, float], other: tuple[float, float]
) -> None:
    box = box_between(one, other, (60, 80))
    assert box == box_between(other, one, (60, 80))
    if box is not None:
        assert 0 <= box[0] < box[2] <= 59
        assert 0 <= box[1] < box[3] <= 79


def test_a_slip_of_the_mouse_is_no_box() -> None:
    assert box_between((10, 10), (11, 30), (60, 80)) is None


def test_a_drawn_box_surrounds_its_corner_pixels() -> None:
    assert box_corners((2, 3, 4, 6)) == [[1.5, 2.5], [1.5, 6.5], [4.5, 6.5], [4.5, 2.5]]
