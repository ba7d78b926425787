"""The marks of a ruler: found where they are certain, and nothing else taken for them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_adasam.domain.sector import rectangle, whole_picture
from napari_adasam.domain.ticks import Ticks, find_ticks

SCAN = rectangle(30, 60, 209, 239)
PLACES = np.array([30, 71, 112, 153, 194])


def picture(places: np.ndarray, paint: int = 50, turned: bool = False) -> np.ndarray:
    drawn = np.full((240, 320), paint, np.uint8)
    drawn[30:210, 60:240] = np.random.default_rng(0).integers(20, 200, (180, 180))
    if turned:
        for place in places + 32:
            drawn[222:228, place] = 200
        return drawn
    drawn[30:200, 262] = 140
    for place in places:
        drawn[place, 256:262] = 200
    drawn[40:90, 280:286] = np.linspace(255, 60, 50).astype(np.uint8)[:, None]
    return drawn


@pytest.mark.parametrize("paint", [0, 50])
def test_marks_at_even_distances_are_a_ruler(paint: int) -> None:
    found = find_ticks(picture(PLACES, paint), SCAN)
    assert found is not None
    assert (found.count, found.interval) == (5, pytest.approx(41))
    assert found.first[0] == pytest.approx(30)
    assert 256 <= found.first[1] < 262
    np.testing.assert_allclose(found.places(), [(y, found.first[1]) for y in PLACES])


def test_a_ruler_below_the_scan() -> None:
    found = find_ticks(picture(PLACES, turned=True), SCAN)
    assert found is not None
    assert (found.count, found.interval) == (5, pytest.approx(41))
    assert [x for _, x in found.places()] == pytest.approx(list(PLACES + 32))


@pytest.mark.parametrize(
    "places",
    [np.array([], int), PLACES[:3], PLACES + np.array([0, 6, 0, 4, 0]), 40 + 5 * np.arange(8), PLACES[:4] // 3 + 30],
    ids=["none", "too few", "uneven", "too close", "too short a ruler"],
)
def test_what_is_not_certain_is_no_ruler(places: np.ndarray) -> None:
    assert find_ticks(picture(places), SCAN) is None


def test_marks_in_the_tissue_and_pictures_without_an_interface_give_none() -> None:
    drawn = picture(np.array([], int))
    drawn[PLACES, 100:106] = 255
    assert find_ticks(drawn, SCAN) is None
    assert find_ticks(picture(PLACES), whole_picture()) is None


def test_two_rulers_that_disagree_are_none() -> None:
    drawn = picture(PLACES)
    drawn[np.array([40, 69, 98, 127, 156, 185]), 30:36] = 200
    assert find_ticks(drawn, SCAN) is None


def test_the_interval_is_between_neighbours() -> None:
    assert Ticks((10.0, 4.0), (40.0, 44.0), 6).interval == pytest.approx(10)
