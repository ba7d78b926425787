"""The scan sector as a shape, and found in simple pictures whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.sector import Fan, Sector, drawn_sector, fill_polygon, rectangle, whole_picture
from napari_adasam.domain.sector_finding import brightest, find_sector


def speckle(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(20, 200, shape, dtype=np.uint8)


def test_a_rectangle_has_both_its_corners() -> None:
    mask = rectangle(2, 3, 5, 9).mask((10, 12))
    expected = np.zeros((10, 12), np.bool_)
    expected[2:6, 3:10] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_polygon_that_reaches_out_of_the_picture_is_cut() -> None:
    mask = fill_polygon([(-5.0, -5.0), (-5.0, 4.5), (3.5, 4.5), (3.5, -5.0)], (10, 10))
    assert mask.sum() == 4 * 5
    assert mask[:4, :5].all()


def test_a_fan_has_the_area_of_a_ring_sector() -> None:
    fan = Fan((-50.0, 200.0), 100.0, 300.0, -0.5, 0.6)
    area = Sector("fan", fan.outline(), "found", fan).mask((300, 400)).sum()
    assert area == pytest.approx((300**2 - 100**2) * 1.1 / 2, rel=0.01)


def test_the_whole_picture_leaves_nothing_out() -> None:
    assert whole_picture().mask((5, 6)).all()
    with pytest.raises(ValueError, match="three vertices"):
        Sector("polygon", ((0.0, 0.0), (1.0, 1.0)))


def test_drawn_sectors_are_cut_to_the_picture_and_refused_if_tiny() -> None:
    drawn = drawn_sector([(90.0, 70.0), (-20.0, 10.0)], (60, 80))
    assert (drawn.kind, drawn.source) == ("rectangle", "by hand")
    assert drawn.mask((60, 80)).sum() == 60 * 60
    assert drawn_sector([(0.0, 0.0), (50.0, 10.0), (50.0, 70.0)], (60, 80)).kind == "polygon"
    for vertices in ([], [(1.0, 1.0)], [(1.0, 1.0), (5.0, 70.0)]):
        with pytest.raises(InputError, match="at least 8 pixels"):
            drawn_sector(vertices, (60, 80))


def test_a_rectangle_of_tissue_in_a_flat_interface() -> None:
    picture = np.full((240, 320), 50, np.uint8)
    picture[30:200, 60:250] = speckle((170, 190))
    picture[10:60, 290:300] = np.linspace(255, 0, 50).astype(np.uint8)[:, None]
    picture[5:12, 10:60] = speckle((7, 50))
    mask = find_sector(picture).mask((240, 320))
    truth = np.zeros_like(mask)
    truth[30:200, 60:250] = True
    assert (mask & truth).sum() / (mask | truth).sum() > 0.97


def test_a_fan_of_tissue_on_black() -> None:
    fan = Fan((-60.0, 160.0), 80.0, 280.0, -0.55, 0.55)
    truth = Sector("fan", fan.outline(), "found", fan).mask((240, 320))
    sector = find_sector(np.where(truth, speckle((240, 320)), 0).astype(np.uint8))
    mask = sector.mask((240, 320))
    assert sector.kind == "fan"
    assert (mask & truth).sum() / (mask | truth).sum() > 0.95


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((200, 200), np.uint8),
        np.full((200, 300), 77, np.uint8),
        speckle((200, 200)),
        speckle((20, 20)),
        np.tile(np.arange(200, dtype=np.uint8)[:, None], (1, 200)),
    ],
    ids=["black", "flat", "only tissue", "tiny", "wedge"],
)
def test_where_nothing_is_found_it_is_the_whole_picture(picture: np.ndarray) -> None:
    assert find_sector(picture) == whole_picture()


def test_edges_of_a_large_picture_are_found_to_the_pixel() -> None:
    """Tissue is told from interface in cells of many pixels there, but not its edges."""
    picture = np.zeros((1511, 2003), np.uint8)
    picture[203:1302, 402:1605] = np.clip(gaussian_filter(speckle((1099, 1203)), 1.5), 20, 200)
    mask = find_sector(picture).mask(picture.shape)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert abs(rows[[0, -1]] - (203, 1301)).max() <= 2
    assert abs(columns[[0, -1]] - (402, 1604)).max() <= 2


def test_a_clip_is_looked_at_in_its_brightest_pixels() -> None:
    one, other = speckle((60, 80), 1), speckle((60, 80), 2)
    np.testing.assert_array_equal(brightest([one, other]), np.maximum(one, other))


def test_dark_tissue_in_a_painted_interface_is_of_the_scan() -> None:
    """Whatever is not painted belongs to it, even where there is no echo."""
    picture = np.full((240, 320), 52, np.uint8)
    picture[30:200, 60:250] = 2
    picture[30:110, 60:250] = speckle((80, 190))
    mask = find_sector(picture).mask((240, 320))
    truth = np.zeros_like(mask)
    truth[30:200, 60:250] = True
    assert (mask & truth).sum() / (mask | truth).sum() > 0.97


def test_a_shape_that_would_cut_off_faint_speckle_is_not_trusted() -> None:
    rng = np.random.default_rng(0)
    picture = np.zeros((240, 320), np.uint8)
    picture[30:110, 60:250] = speckle((80, 190))
    picture[110:200, 60:250] = rng.integers(0, 2, (90, 190))
    sector = find_sector(picture)
    assert sector.kind == "polygon"
    mask = sector.mask((240, 320))
    assert mask[30:200, 60:250].mean() > 0.96
    assert mask.mean() < 0.5


def test_a_flat_picture_with_one_grain_has_no_hull() -> None:
    picture = np.zeros((200, 200), np.uint8)
    picture[90:110, 90:110] = speckle((20, 20))
    assert find_sector(picture) == whole_picture()
