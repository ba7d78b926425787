"""Layers that were hidden, and napari's own 3D: the session goes on under them, and so does the window."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_adasam.domain.prompts import Point
from napari_adasam.domain.records import FrameStatus
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.tools import Tool

from window_fakes import picture, wait_idle  # isort: skip


@pytest.fixture
def sizes(make_dock: Callable[..., AdasamDock], tmp_path: Path, qtbot: Any) -> AdasamDock:
    """A dock with a small image on the screen, and a larger one that nothing is known of yet."""
    folder = tmp_path / "exams"
    folder.mkdir()
    Image.fromarray(picture()).save(folder / "a.png")
    Image.fromarray(picture(150, 240)).save(folder / "b.png")
    dock = make_dock(show=True)
    dock.open([folder])
    wait_idle(dock, qtbot)
    return dock


def shown_is_kept(dock: AdasamDock) -> None:
    session, layer = dock.annotator.session, dock.canvas.masks.layer
    assert layer is not None
    np.testing.assert_array_equal(layer.data, session.labels(session.current or ""))


def test_an_answer_on_an_image_of_another_size_arrives_under_hidden_outlines(sizes: AdasamDock, qtbot: Any) -> None:
    session = sizes.annotator.session
    sizes.commander.run("masks")
    for number, point in ((1, Point(120.0, 200.0)), (0, Point(50.0, 70.0)), (1, Point(130.0, 210.0))):
        sizes.annotator.go_to(session.frames[number].id)
        wait_idle(sizes, qtbot)
        sizes.annotator.click(point, 1)
        wait_idle(sizes, qtbot)
        assert session.labels(session.frames[number].id)[int(point.y), int(point.x)] == 1
        shown_is_kept(sizes)
    sizes.commander.run("masks")
    shown_is_kept(sizes)


def test_prompts_change_while_they_are_hidden_and_deleted(sizes: AdasamDock, qtbot: Any) -> None:
    session, prompts = sizes.annotator.session, sizes.canvas.prompts
    for x in (40.0, 50.0, 60.0):
        sizes.annotator.click(Point(x, 30.0), 1)
        wait_idle(sizes, qtbot)
    assert prompts.points is not None
    prompts.points.visible = False
    sizes.annotator.go_to(session.frames[1].id)
    wait_idle(sizes, qtbot)
    there = len(prompts.points.data)
    assert 0 < there < 4
    sizes.viewer.layers.clear()
    qtbot.wait_until(lambda: all(layer in sizes.viewer.layers for layer in sizes.canvas.layers()))
    prompts.points.visible = True
    assert len(prompts.points.data) == there
    shown_is_kept(sizes)


def test_going_on_ends_naparis_own_3d(sizes: AdasamDock, qtbot: Any) -> None:
    session, first = sizes.annotator.session, sizes.annotator.session.current or ""
    ways: dict[str, Callable[[], object]] = {name: partial(sizes.commander.run, name) for name in ("brush", "accept")}
    for way, go_on in {"sector": partial(sizes.marking.show_sector, True), **ways}.items():
        sizes.viewer.dims.ndisplay = 3
        assert sizes.hint.text().startswith("<b>napari shows it in 3D,</b>")
        sizes.annotator.click(Point(50.0, 20.0), 1)  # what was asked for before arrives in 3D, and is drawn there
        wait_idle(sizes, qtbot)
        assert sizes.viewer.dims.ndisplay == 3
        go_on()
        wait_idle(sizes, qtbot)
        assert sizes.viewer.dims.ndisplay == 2, way
        assert "3D" not in sizes.hint.text()
        shown_is_kept(sizes)
    assert sizes.marking.layer is not None
    assert len(sizes.marking.layer.data) == 1
    assert sizes.tools.tool is Tool.BRUSH
    assert session.status(first) is FrameStatus.ACCEPTED
    assert session.current != first


def test_3d_and_back_by_naparis_button_leaves_boxes_that_can_be_drawn(sizes: AdasamDock, qtbot: Any) -> None:
    sizes.viewer.dims.ndisplay = 3
    sizes.annotator.box((10.0, 20.0, 40.0, 60.0), 1)
    wait_idle(sizes, qtbot)
    sizes.viewer.dims.ndisplay = 2
    assert "3D" not in sizes.hint.text()
    sizes.annotator.box((12.0, 22.0, 42.0, 62.0), 1)
    wait_idle(sizes, qtbot)
    boxes = sizes.canvas.prompts.boxes
    assert boxes is not None
    assert any(np.allclose(box[0][-2:], (11.5, 21.5)) for box in boxes.data)


def test_where_the_outlines_are_hidden_the_line_says_so(sizes: AdasamDock) -> None:
    before = sizes.hint.text()
    sizes.commander.run("masks")
    assert "outlines are hidden" in sizes.hint.text()
    layer = sizes.canvas.masks.layer
    assert layer is not None
    layer.visible = True
    assert sizes.hint.text() == before


@pytest.mark.parametrize("tool", ["brush", "eraser"])
def test_who_draws_sees_the_outlines(sizes: AdasamDock, tool: str) -> None:
    sizes.commander.run("masks")
    sizes.commander.run(tool)
    layer = sizes.canvas.masks.layer
    assert layer is not None
    assert layer.visible
    assert str(layer.mode) == {"brush": "paint", "eraser": "erase"}[tool]


@pytest.mark.parametrize("before", ["brush", "move"])
def test_a_tool_that_is_taken_while_outlines_are_hidden_stays(sizes: AdasamDock, before: str) -> None:
    sizes.commander.run(before)
    sizes.commander.run("masks")
    sizes.commander.run("point")
    sizes.commander.run("masks")
    layer = sizes.canvas.masks.layer
    assert layer is not None
    assert sizes.tools.tool is Tool.POINT
    assert sizes.annotate_panel.buttons["point"].isChecked()
    assert str(layer.mode) == "pan_zoom"


def test_hidden_and_shown_again_the_brush_is_still_in_hand(sizes: AdasamDock) -> None:
    for name in ("brush", "masks", "masks"):
        sizes.commander.run(name)
    layer = sizes.canvas.masks.layer
    assert layer is not None
    assert (sizes.tools.tool, str(layer.mode)) == (Tool.BRUSH, "paint")
