"""Figures with their units, against shapes with exact answers."""

from __future__ import annotations

import numpy as np
import pytest
from accuracy_of_measures import CASES, Case, errors
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from shapes import band, draw, ellipse, rectangle

from napari_adasam.domain.measures import (
    Measurement,
    area,
    echo_intensity,
    feret,
    in_words,
    measure,
    perimeter,
    position,
    scale_within,
)
from napari_adasam.domain.records import Labels, Spacing
from napari_adasam.domain.structures import Structure

LABELS = np.array([[1, 1, 0], [0, 2, 1]], np.uint8)
SPACING = Spacing(0.5, 0.2, "DICOM region")
ANY = arrays(np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 30)), elements=st.integers(0, 2))


def values(figures: tuple[Measurement, ...]) -> dict[str, float]:
    return {one.name: one.value for one in figures}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.measure} of a {case.shape.name}")
def test_figures_of_exact_shapes_at_any_angle(case: Case) -> None:
    found = errors(case)
    assert abs(found.mean()) <= case.mean
    assert np.abs(found).max() <= case.worst


def test_area_is_in_square_millimetres_where_the_scale_is_known() -> None:
    found = area(LABELS, 1, SPACING)
    assert found.value == pytest.approx(0.3)
    assert (found.unit, found.scale, found.structure) == ("mm²", "DICOM region", 1)


def test_area_is_in_pixels_where_it_is_not() -> None:
    found = area(LABELS, 1, None)
    assert (found.value, found.unit, found.scale) == (3.0, "px²", "none")
    assert area(LABELS, 7, None).value == 0


def test_perimeter_of_upright_rectangles_loses_no_more_than_its_corners() -> None:
    for pixel in ((1.0, 1.0), (0.3, 0.1)):
        found = perimeter(np.ones((60, 90), np.uint8), 1, Spacing(*pixel, "by hand"))
        assert found is not None
        assert found.value == pytest.approx(2 * (60 * pixel[0] + 90 * pixel[1]), rel=0.012)
        assert (found.unit, found.scale) == ("mm", "by hand")


def test_perimeter_counts_every_part_and_holes() -> None:
    disc = draw(ellipse(30, 30))
    one = perimeter(disc, 1, None)
    two = perimeter(np.hstack([disc, disc]), 1, None)
    assert one is not None
    assert two is not None
    assert two.value == pytest.approx(2 * one.value)
    assert (one.unit, one.scale) == ("px", "none")
    holed = disc.copy()
    holed[30:34, 30:34] = 0
    around = perimeter(holed, 1, None)
    assert around is not None
    assert around.value > one.value + 10


def test_parts_that_touch_by_a_corner_have_one_border() -> None:
    diagonal = np.eye(40, dtype=np.uint8)
    found = perimeter(diagonal, 1, None)
    assert found is not None
    assert found.value == pytest.approx(2 * 40 * 2**0.5, rel=0.05)  # there and back, not 40 squares of 4


def test_a_single_pixel_has_the_perimeter_of_a_square() -> None:
    found = perimeter(np.ones((1, 1), np.uint8), 1, Spacing(2, 3, "by hand"))
    assert found is not None
    assert found.value == pytest.approx(10, rel=0.3)
    assert perimeter(LABELS, 9, None) is None


@settings(max_examples=60, deadline=None)
@given(ANY, st.integers(0, 3), st.floats(0.01, 5))
def test_perimeter_is_the_same_turned_mirrored_and_moved_and_grows_with_the_pixel(
    labels: Labels, turns: int, size: float
) -> None:
    one = perimeter(labels, 1, None)
    turned = perimeter(np.pad(np.rot90(labels, turns)[:, ::-1], ((3, 1), (0, 7))), 1, None)
    scaled = perimeter(labels, 1, Spacing(size, size, "by hand"))
    if one is None:
        assert turned is None
        assert scaled is None
    else:
        assert turned is not None
        assert scaled is not None
        # Where parts touch by corners, where a border starts to be followed does not matter either.
        assert turned.value == pytest.approx(one.value)
        assert scaled.value == pytest.approx(one.value * size)


@settings(max_examples=60, deadline=None)
@given(ANY, st.integers(0, 3), st.floats(0.01, 5))
def test_feret_diameters_are_the_same_turned_and_grow_with_the_pixel(labels: Labels, turns: int, size: float) -> None:
    one = values(feret(labels, 1, None))
    turned = values(feret(np.rot90(labels, turns), 1, None))
    scaled = values(feret(labels, 1, Spacing(size, size, "by hand")))
    assert one.keys() == turned.keys() == scaled.keys()
    for name in ("Feret maximum", "Feret minimum") if one else ():
        assert turned[name] == pytest.approx(one[name])
        assert scaled[name] == pytest.approx(size * one[name])
    if one:
        assert one["Feret maximum"] >= one["Feret minimum"] >= 1
        assert 0 <= one["Feret angle"] < 180


def test_feret_of_a_box_is_its_diagonal_and_its_side() -> None:
    labels = np.zeros((40, 60), np.uint8)
    labels[5:35, 10:50] = 1
    found = values(feret(labels, 1, Spacing(0.1, 0.1, "by hand")))
    assert found["Feret maximum"] == pytest.approx(5)
    assert found["Feret minimum"] == pytest.approx(3)
    long = draw(rectangle(100, 2), degrees=-30)  # up to the right
    assert values(feret(long, 1, None))["Feret angle"] == pytest.approx(30, abs=1.5)
    assert feret(labels, 3, None) == ()


def test_position_is_in_millimetres_from_the_upper_left_corner() -> None:
    labels = np.zeros((40, 60), np.uint8)
    labels[10:20, 30:50] = 1
    assert values(position(labels, 1, SPACING)) == pytest.approx(
        {
            "centroid depth": 7.5,
            "centroid from left": 8,
            "top depth": 5,
            "box from left": 6,
            "box height": 5,
            "box width": 4,
        }
    )
    assert {one.unit for one in position(labels, 1, None)} == {"px"}
    assert position(labels, 2, None) == ()


def test_echo_intensity_includes_black_pixels_and_all_parts() -> None:
    grey = np.array([[0, 10, 99], [99, 50, 20]], np.uint8)
    found = values(echo_intensity(LABELS, 1, grey))
    assert found["echo intensity mean"] == 10
    assert found["echo intensity median"] == 10
    assert found["echo intensity sd"] == pytest.approx(np.sqrt(200 / 3))
    assert {one.unit for one in echo_intensity(LABELS, 1, grey)} == {"grey level"}


def test_echo_intensity_away_from_the_border() -> None:
    labels = np.zeros((20, 30), np.uint8)
    labels[5:15, 5:25] = 1
    grey = np.full(labels.shape, 200, np.uint8)
    grey[6:14, 6:24] = 100  # the outermost pixel of the muscle is bright
    assert values(echo_intensity(labels, 1, grey))["echo intensity mean"] > 120
    assert values(echo_intensity(labels, 1, grey, None, 1))["echo intensity mean"] == 100
    fine = Spacing(0.5, 0.5, "by hand")
    assert values(echo_intensity(labels, 1, grey, fine, 0.5))["echo intensity mean"] == 100
    assert values(echo_intensity(labels, 1, grey, fine, 0.4))["echo intensity mean"] > 120
    assert echo_intensity(labels, 1, grey, None, 50) == ()
    cut = labels[5:15]  # the picture's edge is no border
    assert values(echo_intensity(cut, 1, grey[5:15], None, 1))["echo intensity mean"] > 100
    with pytest.raises(ValueError, match="expected an erosion of 0 or more"):
        echo_intensity(labels, 1, grey, None, -1)


@pytest.mark.parametrize(
    ("pixel", "erosion", "rings"), [(0.1, 0.3, 3), (0.05, 0.15, 3), (0.07, 0.21, 3), (0.1, 0.7, 7)]
)
def test_an_erosion_of_whole_pixels_leaves_out_so_many(pixel: float, erosion: float, rings: int) -> None:
    """3 × 0.1 is a little more than 0.3 for a computer, and the third pixel from outside is no farther than that."""
    labels = np.zeros((24, 24), np.uint8)
    labels[2:22, 2:22] = 1
    grey = np.full((24, 24), 200, np.uint8)
    grey[2 + rings : 22 - rings, 2 + rings : 22 - rings] = 100
    found = values(echo_intensity(labels, 1, grey, Spacing(pixel, pixel, "by hand"), erosion))
    assert (found["echo intensity mean"], found["echo intensity sd"]) == (100, 0)


def test_an_erosion_is_as_wide_in_mm_in_both_directions_where_pixels_are_not_square() -> None:
    labels = np.zeros((30, 30), np.uint8)
    labels[3:27, 3:27] = 1
    grey = np.full((30, 30), 200, np.uint8)
    grey[3 + 2 : 27 - 2, 3 + 4 : 27 - 4] = 100  # 0.8 mm are two rows, or four columns
    wide = Spacing(0.4, 0.2, "by hand")
    for figures in (
        echo_intensity(labels, 1, grey, wide, 0.8),
        measure(labels, Structure(1, "belly"), wide, grey, 0.8)[-3:],
    ):
        found = values(figures)
        assert (found["echo intensity mean"], found["echo intensity sd"]) == (100, 0)
    assert values(measure(labels, Structure(1, "belly"), wide, grey))["echo intensity mean"] > 140


def test_echo_intensity_leaves_out_what_is_not_the_scan() -> None:
    grey = np.array([[0, 10, 99], [99, 50, 20]], np.uint8)
    outside = np.array([[False, False, False], [False, False, True]])
    assert values(echo_intensity(LABELS, 1, np.ma.array(grey, mask=outside)))["echo intensity mean"] == 5
    assert echo_intensity(LABELS, 1, np.ma.array(grey, mask=True)) == ()


def test_echo_intensity_of_nothing_is_nothing() -> None:
    assert echo_intensity(LABELS, 9, np.zeros(LABELS.shape)) == ()


def test_echo_intensity_wants_grey_values_of_the_same_shape() -> None:
    with pytest.raises(ValueError, match="expected grey values of shape"):
        echo_intensity(LABELS, 1, np.zeros((2, 3, 3)))


def test_everything_of_a_muscle_and_of_aponeuroses() -> None:
    labels = draw(band(300, 360, 30))
    names = list(values(measure(labels, Structure(1, "belly"), None, labels)))
    assert names[:3] == ["area", "perimeter", "thickness mean"]
    assert names[-1] == "echo intensity median"
    assert "echo intensity mean" not in values(measure(labels, Structure(1, "belly"), None))
    assert values(measure(labels, Structure(2, "other"), None)) == {"area": 0}


@settings(max_examples=150, deadline=None)
@given(ANY, st.booleans(), st.booleans())
def test_any_label_image_is_measured_in_finite_figures(labels: Labels, several: bool, scaled: bool) -> None:
    figures = measure(labels, Structure(1, "any", several), SPACING if scaled else None, labels)
    assert figures[0].name == "area"
    assert len({one.name for one in figures}) == len(figures)
    assert all(np.isfinite(one.value) for one in figures)
    assert all(one.scale == ("DICOM region" if scaled else "none") for one in figures if one.unit != "grey level")
    assert {one.unit for one in figures} <= {"mm²", "mm", "°", "px²", "px", "grey level"}
    assert not {one.unit for one in figures} & ({"px", "px²"} if scaled else {"mm", "mm²"})


def test_no_scale_where_a_structure_reaches_out_of_the_part_it_holds_for() -> None:
    assert scale_within(LABELS, 2, SPACING, (0, 0, 2, 2)) is SPACING
    assert scale_within(LABELS, 1, SPACING, (0, 0, 2, 2)) is None
    assert scale_within(LABELS, 1, SPACING, None) is SPACING
    assert scale_within(LABELS, 1, None, (0, 0, 2, 3)) is None
    assert scale_within(LABELS, 2, SPACING, (0, 0, 1, 3)) is None, "the end of a part is outside of it"
    assert scale_within(LABELS, 2, SPACING, (0, 0, 2, 1)) is None


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (342.1, "mm²", "3.421 cm²"),
        (99.5, "mm²", "99.50 mm²"),
        (100.0, "mm²", "1.000 cm²"),
        (12345.0, "px²", "12345 px²"),
        (21.08, "mm", "21.08 mm"),
        (0.0, "mm²", "0.000 mm²"),
        (45.0, "°", "45.00°"),
    ],
)
def test_figures_in_words(value: float, unit: str, words: str) -> None:
    assert in_words(Measurement("any", 1, value, unit, "none")) == words
