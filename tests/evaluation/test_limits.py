"""What IoU a mask could have at all."""

from __future__ import annotations

import numpy as np
import pytest

from napari_adasam.evaluation.limits import a_pixel_off, through_grid


def strip(thick: int, side: int = 512) -> np.ndarray:
    """A horizontal strip from side to side, ``thick`` px high."""
    mask = np.zeros((side, side), bool)
    mask[201 : 201 + thick] = True
    return mask


def test_a_thick_strip_goes_through_the_grid_and_a_line_is_lost() -> None:
    assert through_grid(strip(120), 512) > 0.98
    assert through_grid(strip(1), 512) < 0.3
    assert through_grid(strip(6), 512) > through_grid(strip(6), 128)


def test_a_picture_that_is_not_square_has_its_mask_at_the_same_place() -> None:
    mask = np.zeros((300, 700), bool)
    mask[120:200, 400:600] = True
    assert through_grid(mask, 512) > 0.95


@pytest.mark.parametrize("thick", [4, 10, 40])
def test_a_pixel_matters_more_the_thinner_a_strip_is(thick: int) -> None:
    expected = ((thick - 2) / thick + thick / (thick + 2)) / 2
    assert a_pixel_off(strip(thick)) == pytest.approx(expected)
