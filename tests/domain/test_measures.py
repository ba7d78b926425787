"""Figures with their units."""

from __future__ import annotations

import numpy as np
import pytest

from napari_adasam.domain.measures import area, echo_intensity
from napari_adasam.domain.records import Spacing

LABELS = np.array([[1, 1, 0], [0, 2, 1]], np.uint8)


def test_area_is_in_square_millimetres_where_the_scale_is_known() -> None:
    found = area(LABELS, 1, Spacing(0.5, 0.2, "DICOM region"))
    assert found.value == pytest.approx(0.3)
    assert (found.unit, found.scale, found.structure) == ("mm²", "DICOM region", 1)


def test_area_is_in_pixels_where_it_is_not() -> None:
    found = area(LABELS, 1, None)
    assert (found.value, found.unit, found.scale) == (3.0, "px²", "none")
    assert area(LABELS, 7, None).value == 0


def test_echo_intensity_includes_black_pixels_and_all_parts() -> None:
    grey = np.array([[0, 10, 99], [99, 50, 20]], np.uint8)
    found = {one.name: one.value for one in echo_intensity(LABELS, 1, grey)}
    assert found["echo intensity mean"] == 10
    assert found["echo intensity median"] == 10
    assert found["echo intensity sd"] == pytest.approx(np.sqrt(200 / 3))
    assert {one.unit for one in echo_intensity(LABELS, 1, grey)} == {"grey level"}


def test_echo_intensity_of_nothing_is_nothing() -> None:
    assert echo_intensity(LABELS, 9, np.zeros(LABELS.shape)) == ()


def test_echo_intensity_wants_grey_values_of_the_same_shape() -> None:
    with pytest.raises(ValueError, match="expected grey values of shape"):
        echo_intensity(LABELS, 1, np.zeros((2, 3, 3)))
