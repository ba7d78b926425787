"""Scale and scan sector by hand, in a window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_adasam.domain.records import Spacing
from napari_adasam.domain.ticks import Ticks
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.marking import Mark
from napari_adasam.ui.panels.scale import NO_MARKS
from napari_adasam.ui.placement import Placement
from napari_adasam.ui.tools import Tool

from window_fakes import wait_idle  # isort: skip

HALF = Spacing(0.5, 0.5, "by hand")


def scaled(dock: AdasamDock) -> list[Spacing | None]:
    return [frame.spacing for frame in dock.annotator.session.frames]


def mark_scale(dock: AdasamDock, length: float = 20.0) -> None:
    dock.scale_panel.set.click()
    dock.marking.add((10.0, 10.0))
    assert not dock.marking.complete
    dock.marking.add((10.0, 50.0))
    dock.scale_panel.length.setValue(length)


def test_two_clicks_and_a_length_are_a_scale(opened: AdasamDock) -> None:
    panel = opened.scale_panel
    assert panel.scale.text() == "pixels only"
    assert not opened.viewer.canvas.overlays.scale_bar.visible
    mark_scale(opened)
    assert opened.marking.layer in opened.viewer.layers
    panel.here.click()
    assert scaled(opened) == [HALF, None, None, None]
    assert opened.marking.mark is None
    assert opened.marking.layer not in opened.viewer.layers or not opened.marking.layer.visible
    assert opened.viewer.canvas.overlays.scale_bar.visible
    assert all(tuple(layer.scale) == (0.5, 0.5) for layer in opened.canvas.layers())
    assert str(opened.canvas.image.units[0]) in {"mm", "millimeter"}
    assert panel.scale.text() == opened.annotate_panel.frame_card.scale.text() != "pixels only"


def test_the_whole_folder_at_once_and_back(opened: AdasamDock) -> None:
    mark_scale(opened)
    assert opened.scale_panel.folder.text() == "All 4"
    opened.scale_panel.folder.click()
    assert scaled(opened) == [HALF] * 4
    opened.commander.run("undo")
    assert scaled(opened) == [None] * 4
    assert Placement.of(opened.canvas.frame).unit == "pixel"
    assert tuple(opened.canvas.image.scale) == (1.0, 1.0)


def test_a_scale_of_the_file_asks_first(dock: AdasamDock, scaled_image: Path, qtbot: Any) -> None:
    dock.open([scaled_image])
    wait_idle(dock, qtbot)
    asked: list[str] = []
    dock.scale_panel.confirm = lambda question: bool(asked.append(question))
    mark_scale(dock)
    dock.scale_panel.here.click()
    assert "scale of its own" in asked[0]
    assert scaled(dock)[0].source != "by hand"
    dock.scale_panel.confirm = lambda question: True
    dock.scale_panel.here.click()
    assert scaled(dock) == [HALF]
    dock.scale_panel.own.click()
    assert scaled(dock)[0].source != "by hand"


def test_a_drawing_tool_or_another_image_ends_the_mark(opened: AdasamDock) -> None:
    opened.scale_panel.set.click()
    opened.tools.choose(Tool.BRUSH)
    assert opened.marking.mark is None
    opened.scale_panel.set.click()
    assert opened.tools.tool is Tool.MOVE
    opened.annotator.next()
    assert opened.marking.mark is None


@pytest.mark.parametrize(("mark", "kind"), [(Mark.RECTANGLE, "rectangle"), (Mark.POLYGON, "polygon")])
def test_the_sector_is_shown_and_corrected(opened: AdasamDock, mark: Mark, kind: str) -> None:
    panel, frame = opened.scale_panel, opened.canvas.frame
    panel.show_sector.click()
    assert "the whole picture, found" in panel.sector.text()
    {Mark.RECTANGLE: panel.rectangle, Mark.POLYGON: panel.polygon}[mark].click()
    corners = [(5.0, 5.0), (50.0, 70.0), (50.0, 5.0)]
    for corner in corners[: 2 if mark is Mark.RECTANGLE else 3]:
        opened.marking.add(corner)
    panel.done.click()
    assert opened.annotator.sector(frame.id).kind == kind
    assert "by hand" in panel.sector.text()
    panel.whole.click()
    assert opened.annotator.sector(frame.id).kind == "whole"
    panel.found.click()
    assert opened.annotator.sector(frame.id).source == "found"


def test_a_new_scale_keeps_the_picture_in_view_while_the_sector_is_shown(opened: AdasamDock) -> None:
    opened.scale_panel.show_sector.click()
    mark_scale(opened)
    opened.scale_panel.here.click()
    assert tuple(opened.marking.layer.scale) == (0.5, 0.5)
    assert tuple(opened.viewer.scene.camera.center)[-2:] == pytest.approx((14.75, 19.75), abs=0.3)


def test_the_layer_may_be_deleted(opened: AdasamDock) -> None:
    opened.scale_panel.show_sector.click()
    opened.viewer.layers.remove(opened.marking.layer)
    opened.scale_panel.set.click()
    opened.marking.add((10.0, 10.0))
    assert opened.marking.layer in opened.viewer.layers


@pytest.fixture
def with_ruler(tmp_path: Path) -> Path:
    drawn = np.full((240, 320), 50, np.uint8)
    drawn[30:210, 60:240] = np.random.default_rng(0).integers(20, 200, (180, 180))
    for place in range(30, 200, 41):
        drawn[place, 256:262] = 200
    Image.fromarray(drawn).save(tmp_path / "scan.png")
    return tmp_path / "scan.png"


def test_marks_of_a_ruler_are_proposed_and_the_clinician_says_what_they_mean(
    dock: AdasamDock, with_ruler: Path, qtbot: Any
) -> None:
    dock.open([with_ruler])
    wait_idle(dock, qtbot)
    panel = dock.scale_panel
    panel.ruler.click()
    assert panel.hint.text().startswith("Found 5 marks, one every 41.0 px.")
    assert scaled(dock) == [None]
    panel.length.setValue(5.0)
    panel.here.click()
    (scale,) = scaled(dock)
    assert (scale.y_mm, scale.x_mm, scale.source) == (pytest.approx(5 / 41), pytest.approx(5 / 41), "by hand")
    dock.commander.run("undo")
    assert scaled(dock) == [None]


def test_where_no_ruler_is_certain_it_is_said(opened: AdasamDock) -> None:
    said: list[str] = []
    opened.commander.problem.connect(said.append)
    opened.scale_panel.ruler.click()
    assert said == [NO_MARKS]
    assert opened.marking.mark is None


def test_a_click_puts_a_line_by_hand_in_place_of_a_proposal(opened: AdasamDock) -> None:
    opened.marking.propose(Ticks((10.0, 10.0), (50.0, 10.0), 5))
    assert opened.marking.complete
    opened.marking.add((5.0, 5.0))
    assert opened.marking.ticks is None
    assert opened.marking.points == [(5.0, 5.0)]
