"""Thickness of regions, and between two parts; the exact shapes are in test_measures.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import band, draw, ellipse, rectangle, spacing, wedge

from napari_adasam.domain.measures import Measurement, has_stacked_parts, thickness, thickness_between_parts
from napari_adasam.domain.records import Labels, Spacing


def values(figures: tuple[Measurement, ...]) -> dict[str, float]:
    return {one.name.removeprefix("thickness ").removeprefix("between parts "): one.value for one in figures}


def without_length(figures: dict[str, float]) -> dict[str, float]:
    """The length may be a pixel more or less, depending on how the ends lie on the grid."""
    return {name: value for name, value in figures.items() if name != "length"}


def strips(slope: float, *edges: tuple[float, float], size: tuple[int, int] = (400, 600)) -> Labels:
    """Straight strips over the picture's whole width, each from one height to another, in px at its middle."""
    y, x = np.indices(size) + 0.5
    height = y - slope * (x - size[1] / 2)
    return np.asarray(np.any([(height >= top) & (height <= bottom) for top, bottom in edges], axis=0), np.uint8)


def test_figures_say_what_they_are() -> None:
    found = thickness(draw(rectangle(200, 60)), 1, Spacing(1, 1, "by hand"))
    assert [one.name for one in found] == [
        "thickness mean",
        "thickness middle",
        "thickness minimum",
        "thickness length",
    ]
    assert {(one.unit, one.scale, one.structure) for one in found} == {("mm", "by hand", 1)}
    assert {one.unit for one in thickness(draw(rectangle(200, 60)), 1, None)} == {"px"}


def test_it_is_perpendicular_where_the_picture_cuts_a_tilted_muscle() -> None:
    labels = strips(0.3, (150, 250))
    assert labels[:, 0].any()
    assert labels[:, -1].any()
    found = values(thickness(labels, 1, None))
    across = 100 / np.hypot(1, 0.3)  # where the columns have 100
    assert found["mean"] == pytest.approx(across, rel=0.002)
    assert found["middle"] == pytest.approx(across, rel=0.003)
    assert found["minimum"] == pytest.approx(across, rel=0.006)


def test_a_thin_place_is_the_minimum_and_not_the_middle() -> None:
    y, x = np.indices((200, 600)) + 0.5
    half = 40 - 15 * np.exp(-(((x - 150) / 40) ** 2))
    found = values(thickness((abs(y - 100) <= half).astype(np.uint8), 1, None))
    assert found["minimum"] == pytest.approx(50, abs=2)
    assert found["middle"] == pytest.approx(80, abs=1)
    assert found["minimum"] < found["mean"] < found["middle"]


def test_rounded_ends_are_left_out() -> None:
    """Of an ellipse, what lies within 45° of the ends; its mean chord over the rest is known."""
    a, b = 150.0, 50.0
    end = a**2 / np.hypot(a, b)  # where the border has turned by 45°
    along = np.linspace(-end, end, 10001)
    exact = float(np.trapezoid(2 * b * np.sqrt(1 - (along / a) ** 2), along)) / (2 * end)
    for degrees in (0, 12, -25):
        found = values(thickness(draw(ellipse(a, b), degrees), 1, None))
        assert found["mean"] == pytest.approx(exact, rel=0.01)
        assert found["middle"] == pytest.approx(2 * b, rel=0.01)
        assert found["length"] == pytest.approx(2 * end, rel=0.03)


def test_only_the_largest_part_and_no_hole_counts() -> None:
    labels = np.zeros((300, 500), np.uint8)
    labels[50:150, 50:450] = 1
    labels[250:260, 200:230] = 1
    labels[90:100, 200:220] = 0
    assert values(thickness(labels, 1, None))["mean"] == pytest.approx(100)


def test_no_hole_counts_though_its_border_is_the_longer_one() -> None:
    labels = np.zeros((120, 300), np.uint8)
    labels[20:80, 20:280] = 1
    labels[30:70, 40:260:2] = labels[50, 40:260] = 0  # a comb
    assert values(thickness(labels, 1, None))["mean"] == pytest.approx(60, rel=0.001)


def test_borders_that_face_each_other_along_less_than_a_fifth_have_no_thickness() -> None:
    """Funnels whose sides are too steep to belong to either border: 300 px wide above, and less below."""
    y, x = np.indices((320, 400)) + 0.5
    for below, faces in ((40, False), (80, True)):
        half = 150 - (150 - below / 2) * (y - 40) / 240
        labels = ((y > 40) & (y < 280) & (abs(x - 200) <= half)).astype(np.uint8)
        found = values(thickness(labels, 1, None))
        assert bool(found) is faces
        if faces:
            assert found["mean"] == pytest.approx(240, rel=0.01)


def test_where_the_region_runs_out_of_the_picture_there_is_no_thickness() -> None:
    labels = np.zeros((200, 300), np.uint8)
    labels[50:, 20:280] = 1
    assert thickness(labels, 1, None) == ()
    assert thickness(labels, 2, None) == ()
    labels[199] = 0
    assert values(thickness(labels, 1, None))["mean"] == pytest.approx(149)


def test_what_touches_the_edge_of_the_picture_for_a_while_is_measured_over_the_rest() -> None:
    y, x = np.indices((200, 600)) + 0.5
    bottom = np.where(x < 200, 250, 180)
    labels = ((y > 60) & (y < bottom)).astype(np.uint8)
    found = values(thickness(labels, 1, None))
    assert found["middle"] == pytest.approx(120, rel=0.01)
    assert found["length"] == pytest.approx(400, rel=0.03)


def test_pixels_that_are_not_square_are_measured_in_mm_before_any_angle() -> None:
    for pixel in ((0.1, 0.05), (0.05, 0.15)):
        found = values(thickness(draw(rectangle(24, 8), 30, pixel=pixel), 1, spacing(pixel)))
        assert found["mean"] == pytest.approx(8, rel=0.005)
        assert found["length"] == pytest.approx(24, rel=0.03)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([rectangle(160, 50), wedge(100, 260, 12), band(240, 290, 30)]),
    st.floats(-15, 15),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    st.floats(0.02, 3),
)
def test_it_is_the_same_mirrored_and_moved_and_grows_with_the_pixel(
    shape: object, degrees: float, move: tuple[int, int], size: float
) -> None:
    labels = draw(shape, degrees)  # type: ignore[arg-type]
    one = values(thickness(labels, 1, None))
    moved = values(thickness(np.pad(labels, ((move[0], 1), (move[1], 4))), 1, None))
    scaled = values(thickness(labels, 1, Spacing(size, size, "by hand")))
    for mirrored in (labels[::-1], labels[:, ::-1], labels[::-1, ::-1]):
        other = values(thickness(np.ascontiguousarray(mirrored), 1, None))
        assert without_length(other) == pytest.approx(without_length(one), abs=0.3)
    assert without_length(moved) == pytest.approx(without_length(one), abs=0.3)
    in_mm = {name: value * size for name, value in without_length(one).items()}
    assert without_length(scaled) == pytest.approx(in_mm, abs=0.3 * size)
    assert abs(moved["length"] - one["length"]) <= 2
    assert abs(scaled["length"] / size - one["length"]) <= 2


def test_between_two_aponeuroses_it_is_from_the_facing_borders() -> None:
    labels = strips(0.15, (90, 100), (240, 252))
    found = thickness_between_parts(labels, 1, Spacing(0.1, 0.1, "by hand"))
    assert {one.name for one in found} == {
        f"thickness between parts {what}" for what in ("mean", "middle", "minimum", "length")
    }
    across = 14.0 / np.hypot(1, 0.15)
    assert values(found)["mean"] == pytest.approx(across, rel=0.003)
    assert values(found)["minimum"] == pytest.approx(across, rel=0.01)
    assert {one.unit for one in found} == {"mm"}
    assert has_stacked_parts(labels, 1)


def test_of_three_aponeuroses_the_first_two_count_and_crumbs_do_not() -> None:
    labels = strips(0, (60, 68), (150, 158), (300, 308))
    labels[100:104, 300:310] = 1
    assert values(thickness_between_parts(labels, 1, None))["mean"] == pytest.approx(82, abs=0.01)


def test_an_aponeurosis_in_two_pieces_is_one_side() -> None:
    labels = strips(0, (60, 68), (150, 158))
    labels[:100, 280:300] = 0
    found = values(thickness_between_parts(labels, 1, None))
    assert found["mean"] == pytest.approx(82, abs=0.01)
    assert found["length"] == pytest.approx(290, abs=15)


def test_without_two_parts_over_each_other_there_is_nothing_between() -> None:
    one, beside = strips(0, (60, 68)), np.zeros((100, 300), np.uint8)
    beside[20:30, 10:120] = 1
    beside[50:60, 180:290] = 1
    for labels in (one, beside, np.zeros_like(one)):
        assert thickness_between_parts(labels, 1, None) == ()
        assert not has_stacked_parts(labels, 1)


def test_parts_that_touch_by_a_corner_are_one() -> None:
    labels = np.zeros((100, 300), np.uint8)
    labels[20:30, 10:280] = labels[50:60, 10:290] = 1
    labels[30:40, 279] = 1
    assert has_stacked_parts(labels, 1)
    labels[40:50, 280] = 1  # down to the lower one, by a corner
    assert not has_stacked_parts(labels, 1)
    assert thickness_between_parts(labels, 1, None) == ()


def test_a_mask_of_noise_is_measured_without_much_memory() -> None:
    noise = (np.random.default_rng(0).random((400, 400)) < 0.2).astype(np.uint8)
    has_stacked_parts(noise, 1)
    assert all(np.isfinite(one.value) for one in thickness_between_parts(noise, 1, None))
