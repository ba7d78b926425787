"""Where a simulated person clicks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_adasam.domain.simulated import innermost, next_click


@pytest.mark.parametrize("seed", range(8))
def test_the_innermost_pixel_is_that_of_the_whole_picture(seed: int) -> None:
    """Looked for in the mask's box only, it is the one that the distances of the whole picture give."""
    rng = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(rng.normal(size=(40, 60)), 3) > 0.02
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    assert innermost(mask) == np.unravel_index(int(depth.argmax()), mask.shape)


def test_a_click_goes_to_the_largest_error_and_says_of_which_kind() -> None:
    truth = np.zeros((40, 60), bool)
    truth[10:31, 10:31] = True
    found = np.zeros_like(truth)
    click = next_click(found, truth)
    assert click is not None
    assert (click.y, click.x, click.positive) == (20, 20, True)
    found[10:31, 10:31] = True
    found[1:8, 40:59] = True
    click = next_click(found, truth)
    assert click is not None
    assert (click.y, click.positive) == (4, False)
    assert next_click(truth, truth) is None


def test_of_several_errors_the_one_of_most_pixels_is_clicked() -> None:
    truth = np.zeros((40, 60), bool)
    truth[10:31, 10:31] = True
    found = truth.copy()
    found[12:15, 12:15] = False  # missed
    found[2:7, 40:51] = True  # too much, and more of it
    click = next_click(found, truth)
    assert click is not None
    assert (click.y, click.positive) == (4, False)
    found[15:25, 12:22] = False
    click = next_click(found, truth)
    assert click is not None
    assert click.positive
    assert 15 <= click.y < 25
