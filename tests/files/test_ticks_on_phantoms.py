"""The ruler of drawn screens, a mark a centimetre, against their exact scale."""

from __future__ import annotations

import pytest

from napari_adasam.domain.sector_finding import find_sector
from napari_adasam.domain.ticks import find_ticks
from napari_adasam.files.phantom import PhantomSettings, draw


def test_a_proposal_is_right_or_there_is_none() -> None:
    found = 0
    for seed in range(8):
        for interface in (True, False):
            image = draw(seed, PhantomSettings(height=400, width=520, interface=interface))
            ticks = find_ticks(image.pixels, find_sector(image.pixels))
            assert interface or ticks is None
            if ticks is not None:
                found += 1
                assert ticks.interval * image.spacing.x_mm == pytest.approx(10, abs=0.15)
    assert found >= 3
