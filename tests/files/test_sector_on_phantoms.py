"""The sector that is found against the exact truth of drawn images."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from napari_adasam.domain.sector_finding import find_sector
from napari_adasam.files.phantom import PhantomSettings, draw


@pytest.mark.parametrize(("probe", "interface"), [("linear", True), ("curved", False), ("curved", True)])
def test_the_sector_of_drawn_images(probe: Literal["linear", "curved"], interface: bool) -> None:
    overlaps = []
    for seed in range(4):
        image = draw(seed, PhantomSettings(height=320, width=420, probe=probe, interface=interface))
        mask = find_sector(image.pixels).mask((320, 420))
        overlaps.append((mask & image.inside).sum() / (mask | image.inside).sum())
    assert min(overlaps) > 0.85
    assert np.mean(overlaps) > 0.93
