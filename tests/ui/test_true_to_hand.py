"""The tool on the button is what the mouse does, and only in our layers; buttons say what is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.tools import Tool

from real_mouse import RealMouse  # isort: skip
from window_fakes import wait_idle  # isort: skip


@pytest.fixture
def shown(make_dock: Callable[..., AdasamDock], images: Path, qtbot: Any) -> AdasamDock:
    dock = make_dock(show=True)
    dock.open([images])
    wait_idle(dock, qtbot)
    return dock


def prompts(dock: AdasamDock) -> Any:
    session = dock.annotator.session
    assert session.current is not None
    return session.prompts(session.current, 1)


def camera(dock: AdasamDock) -> tuple[float, ...]:
    return tuple(dock.viewer.scene.camera.center)


@pytest.mark.parametrize("tool", ["point", "box"])
def test_what_is_drawn_in_a_layer_of_her_own_is_not_for_the_session(shown: AdasamDock, tool: str) -> None:
    shown.commander.run(tool)
    own = shown.viewer.add_points(ndim=2, name="own")
    own.mode = "add"
    mouse = RealMouse(shown)
    mouse.click((50, 12))
    mouse.drag([(50, 12), (54, 20), (57, 30)])
    assert len(own.data) >= 1
    assert prompts(shown) == ((), None)
    assert shown.viewer.layers.selection.active is own, "it stays in her hand"
    shown.commander.run(tool)
    mouse.click((50, 12)) if tool == "point" else mouse.drag([(50, 12), (54, 20), (57, 30)])
    assert prompts(shown) != ((), None)


def test_after_a_look_at_another_layer_of_ours_the_brush_paints_and_the_box_is_drawn(
    shown: AdasamDock, qtbot: Any
) -> None:
    session, mouse = shown.annotator.session, RealMouse(shown)
    shown.commander.run("brush")
    shown.viewer.layers.selection.active = shown.canvas.image
    before = session.labels(session.current).copy()
    mouse.drag([(50, 10), (50, 15), (50, 20)])
    assert (session.labels(session.current) != before).sum() > 10
    shown.commander.run("box")
    shown.viewer.layers.selection.active = shown.canvas.maps.layers[1]
    there = camera(shown)
    mouse.drag([(10, 10), (20, 20), (30, 40), (45, 60)])
    wait_idle(shown, qtbot)
    assert camera(shown) == there
    np.testing.assert_allclose(prompts(shown)[1], (10, 10, 45, 60), atol=0.6)


def test_with_the_hand_another_layer_stays_active(shown: AdasamDock) -> None:
    shown.commander.run("move")
    shown.viewer.layers.selection.active = shown.canvas.image
    RealMouse(shown).drag([(10, 10), (20, 20)])
    assert shown.viewer.layers.selection.active is shown.canvas.image


def test_space_held_moves_the_image_whatever_the_tool(shown: AdasamDock) -> None:
    session, mouse = shown.annotator.session, RealMouse(shown)
    for tool in ("point", "box", "brush"):
        shown.viewer.reset_view()
        shown.commander.run(tool)
        before, there = session.step(session.current), camera(shown)
        QTest.keyPress(mouse.canvas, Qt.Key.Key_Space)
        assert shown.annotate_panel.buttons["move"].isChecked(), tool
        mouse.drag([(10, 10), (20, 20), (40, 50)])
        mouse.click((50, 12))
        QTest.keyRelease(mouse.canvas, Qt.Key.Key_Space)
        assert session.step(session.current) is before, tool
        assert camera(shown) != there, tool
        assert shown.annotate_panel.buttons[tool].isChecked()
        assert shown.canvas.masks.layer.mouse_pan is (tool == "point")


def test_a_tool_that_is_taken_while_space_is_held_stays(shown: AdasamDock) -> None:
    canvas = RealMouse(shown).canvas
    shown.commander.run("box")
    QTest.keyPress(canvas, Qt.Key.Key_Space)
    shown.commander.run("eraser")
    QTest.keyRelease(canvas, Qt.Key.Key_Space)
    assert shown.tools.tool is Tool.ERASER


def test_the_outlines_key_follows_naparis_eye(opened: AdasamDock) -> None:
    layer, button = opened.canvas.masks.layer, opened.annotate_panel.buttons["masks"]
    layer.visible = False
    assert not button.isChecked()
    opened.commander.run("masks")
    assert layer.visible
    assert button.isChecked()


def test_closing_lets_go_of_mouse_and_outlines(opened: AdasamDock) -> None:
    layer, told = opened.canvas.masks.layer, []
    opened.shut_down()
    opened.tools.tool_changed.connect(told.append)
    opened.tools.outlines_toggled.connect(lambda: told.append("outlines"))
    layer.mode = "paint"
    layer.visible = False
    assert told == []
    assert opened.tools._on_move not in opened.viewer.mouse_move_callbacks
