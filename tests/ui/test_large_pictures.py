"""What takes long in a large picture is done on the lane, and shown when it is there."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_adasam.services import marking_out
from napari_adasam.ui.dock import AdasamDock

from window_fakes import wait_idle  # isort: skip


@pytest.fixture
def large(dock: AdasamDock, tmp_path: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> AdasamDock:
    """Two pictures with a scan and a ruler beside it, that count as large."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(2):
        drawn = np.full((240, 320), 50, np.uint8)
        drawn[30:210, 60:240] = np.random.default_rng(number).integers(20, 200, (180, 180))
        for place in range(30, 200, 41):
            drawn[place, 256:262] = 200
        Image.fromarray(drawn).save(folder / f"scan{number}.png")
    dock.open([folder])
    wait_idle(dock, qtbot)
    monkeypatch.setattr(marking_out, "QUICK_PIXELS", 0)
    return dock


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """On which threads sectors and marks were looked for."""
    noted = list[str]()
    find = marking_out.find_ticks

    def found(self: Any, frame_id: str) -> Any:
        noted.append(threading.current_thread().name)
        return look(self, frame_id)

    def ticks(*given: Any) -> Any:
        noted.append(threading.current_thread().name)
        return find(*given)

    look = marking_out.Regions.found
    monkeypatch.setattr(marking_out.Regions, "found", found)
    monkeypatch.setattr(marking_out, "find_ticks", ticks)
    return noted


def test_the_sector_is_shown_when_the_lane_has_found_it(large: AdasamDock, threads: list[str], qtbot: Any) -> None:
    panel = large.scale_panel
    panel.show_sector.click()
    assert panel.sector.text() == "Scan: as found"
    assert large.status_line.text.text() == "Looking for the scan sector"
    wait_idle(large, qtbot)
    assert "rectangle" in panel.sector.text()
    assert large.marking.layer is not None
    assert large.marking.layer.nshapes == 1
    assert threads[0] == "adasam-lane"
    threads.clear()
    panel.show_sector.click()
    panel.show_sector.click()
    assert "rectangle" in panel.sector.text(), "what is known is shown at once"


def test_the_marks_are_proposed_when_the_lane_has_found_them(large: AdasamDock, threads: list[str], qtbot: Any) -> None:
    panel = large.scale_panel
    panel.ruler.click()
    panel.ruler.click()  # a second time, for nothing happens at once
    wait_idle(large, qtbot)
    assert panel.hint.text().startswith("Found 5 marks")
    assert threads == ["adasam-lane"] * 2, "the sector and the marks, once"


def test_marks_of_a_picture_that_was_left_are_not_proposed(large: AdasamDock, qtbot: Any) -> None:
    large.scale_panel.ruler.click()
    large.commander.run("next")
    wait_idle(large, qtbot)
    assert large.marking.mark is None
