"""The sector that is found against the exact truth of drawn images."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from napari_adasam.domain.sector_finding import find_sector
from napari_adasam.files.phantom import PhantomSettings, draw
from napari_adasam.files.readers import open_file


@pytest.mark.parametrize(("probe", "interface"), [("linear", True), ("curved", False), ("curved", True)])
def test_the_sector_of_drawn_images(probe: Literal["linear", "curved"], interface: bool) -> None:
    overlaps = []
    for seed in range(4):
        image = draw(seed, PhantomSettings(height=320, width=420, probe=probe, interface=interface))
        mask = find_sector(image.pixels).mask((320, 420))
        overlaps.append((mask & image.inside).sum() / (mask | image.inside).sum())
    assert min(overlaps) > 0.85
    assert np.mean(overlaps) > 0.93


def test_letters_beside_a_scan_stay_outside_though_compression_blurs_them() -> None:
    scan = np.zeros((480, 640), np.bool_)
    scan[110:330, 10:630] = True
    rng = np.random.default_rng(0)
    grey = np.where(scan, gaussian_filter(rng.uniform(0, 255, scan.shape), 1.2), 0).astype(np.uint8)
    picture = Image.fromarray(grey)
    pen = ImageDraw.Draw(picture)
    for line in range(6):
        pen.text((12, 10 + 15 * line), "GENERAL HOSPITAL", 255)
        pen.text((520, 10 + 15 * line), "12 Hz  MI 0.8", 255)
    pen.text((250, 350), "LEFT  THIGH", 255)
    file = BytesIO()
    picture.save(file, "JPEG", quality=60)
    mask = find_sector(np.asarray(Image.open(file))).mask(scan.shape)
    assert (mask & ~scan).sum() < 0.02 * scan.sum()  # a rim of blur
    assert (mask & scan).sum() > 0.98 * scan.sum()


def test_letters_beside_a_real_scan_stay_outside(shared_data: Path) -> None:
    grey = open_file(shared_data / "dicom" / "US1_UNCI.dcm").grey(0)
    rows, columns = np.nonzero(find_sector(grey).mask(grey.shape))
    assert (rows.min() > 100, rows.max() < 340) == (True, True)
    assert columns.max() - columns.min() > 600
