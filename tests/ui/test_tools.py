"""Mouse and keys: what a press on the canvas and a key mean."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks
from napari.utils.key_bindings import KeymapHandler
from qtpy.QtCore import Qt

from napari_adasam.domain.prompts import Point
from napari_adasam.ui.commands import BY_NAME, COMMANDS, key_words
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.tools import Tool

from window_fakes import brush, wait_idle  # isort: skip


@pytest.fixture
def drag(MouseEvent: Any) -> Callable[..., None]:  # noqa: N803 - napari's fixture
    """Press at the first world position, move over the others, release at the last."""

    def event(kind: str, at: tuple[float, float], dragging: bool, modifiers: tuple[str, ...], button: int) -> Any:
        made = MouseEvent(type=kind, is_dragging=dragging, position=at, view_direction=None, dims_displayed=[0, 1])
        made.pos, made.modifiers, made.button = (at[1] * 10, at[0] * 10), modifiers, button
        return ReadOnlyWrapper(made)

    def dragged(viewer: Any, *path: tuple[float, float], modifiers: tuple[str, ...] = (), button: int = 1) -> None:
        mouse_press_callbacks(viewer, event("mouse_press", path[0], False, modifiers, button))
        for at in path[1:]:
            mouse_move_callbacks(viewer, event("mouse_move", at, True, modifiers, button))
        mouse_release_callbacks(viewer, event("mouse_release", path[-1], False, modifiers, button))

    return dragged


def clicks(dock: AdasamDock, structure: int = 1) -> tuple[Point, ...]:
    frame_id = dock.annotator.session.current
    assert frame_id is not None
    return dock.annotator.session.prompts(frame_id, structure)[0]


def test_a_click_in_millimetres_lands_on_its_pixel(
    dock: AdasamDock, scaled_image: Path, drag: Callable[..., None], qtbot: Any
) -> None:
    dock.open([scaled_image])
    wait_idle(dock, qtbot)
    dock.commander.run("point")
    drag(dock.viewer, (12.5, 5.0))
    assert clicks(dock) == (Point(50.0, 20.0, positive=True),)
    wait_idle(dock, qtbot)
    labels = dock.annotator.session.labels(dock.annotator.session.current)
    assert labels[50, 20] == 1
    np.testing.assert_array_equal(dock.canvas.masks.layer.data, labels)
    assert (50.0, 20.0) in {tuple(row) for row in dock.canvas.prompts.points.data}


def test_positive_negative_and_shift(opened: AdasamDock, drag: Callable[..., None]) -> None:
    opened.commander.run("point")
    drag(opened.viewer, (50.0, 20.0))
    drag(opened.viewer, (51.0, 20.0), modifiers=("Shift",))
    opened.commander.run("not_point")
    drag(opened.viewer, (52.0, 20.0))
    assert [point.positive for point in clicks(opened)] == [True, False, False]


@pytest.mark.parametrize(
    ("path", "button"), [([(50.0, 20.0), (50.0, 24.0)], 1), ([(50.0, 90.0)], 1), ([(50.0, 20.0)], 2)]
)
def test_a_drag_a_press_outside_and_the_right_button_are_no_clicks(
    opened: AdasamDock, drag: Callable[..., None], path: list[tuple[float, float]], button: int
) -> None:
    opened.commander.run("point")
    drag(opened.viewer, *path, button=button)
    assert clicks(opened) == ()


def test_the_hand_makes_no_clicks(opened: AdasamDock, drag: Callable[..., None]) -> None:
    opened.commander.run("move")
    drag(opened.viewer, (50.0, 20.0))
    assert clicks(opened) == ()


def test_a_box_is_drawn_and_answered(opened: AdasamDock, drag: Callable[..., None], qtbot: Any) -> None:
    opened.commander.run("box")
    opened.commander.run("next_structure")
    assert not opened.canvas.masks.layer.mouse_pan
    drag(opened.viewer, (58.0, 70.0), (55.0, 66.0), (50.0, 60.0))
    wait_idle(opened, qtbot)
    session = opened.annotator.session
    assert session.prompts(session.current, 2)[1] == (50.0, 60.0, 58.0, 70.0)
    assert session.labels(session.current)[54, 65] == 2


@pytest.fixture
def looking(opened: AdasamDock, make_dock: Callable[..., AdasamDock], tmp_path: Path, qtbot: Any) -> AdasamDock:
    """A second window on the session, which may only look."""
    assert opened.annotator.save_as(tmp_path / "session")
    dock = make_dock()
    dock.open([tmp_path / "session"])
    wait_idle(dock, qtbot)
    return dock


def test_a_box_that_is_refused_does_not_stay_on_the_picture(looking: AdasamDock, drag: Callable[..., None]) -> None:
    before = len(looking.canvas.prompts.boxes.data)
    looking.tools.choose(Tool.BOX)
    drag(looking.viewer, (50.0, 60.0), (55.0, 66.0), (58.0, 70.0))
    assert "another window" in looking.status_line.notice.text()
    assert len(looking.canvas.prompts.boxes.data) == before


def test_the_key_of_a_tool_that_is_greyed_says_why(looking: AdasamDock) -> None:
    for name in ("point", "not_point", "box", "brush", "eraser"):
        looking.status_line.show_notice("")
        looking.commander.run(name)
        assert looking.tools.tool is Tool.MOVE
        assert looking.status_line.notice.text() == looking.annotate_panel.buttons[name].toolTip()


def test_tools_and_naparis_own_buttons_agree(opened: AdasamDock) -> None:
    layer = opened.canvas.masks.layer
    opened.commander.run("brush")
    assert layer.mode == "paint"
    layer.mode = "erase"
    assert opened.tools.tool is Tool.ERASER
    assert opened.annotate_panel.buttons["eraser"].isChecked()
    layer.mode = "pan_zoom"
    assert opened.tools.tool is Tool.MOVE
    opened.commander.run("point")
    assert layer.mode == "pan_zoom"
    assert opened.tools.tool is Tool.POINT


def test_a_label_outside_the_structures_cannot_be_chosen(opened: AdasamDock) -> None:
    layer = opened.canvas.masks.layer
    layer.selected_label = 9
    assert layer.selected_label == 1
    layer.swap_selected_and_background_labels()
    assert layer.selected_label == 1
    layer.selected_label = 2
    assert opened.tools.structure == 2


@pytest.mark.parametrize("active", ["masks", "map", "none"])
def test_every_key_runs_its_command_whichever_of_our_layers_is_active(opened: AdasamDock, active: str) -> None:
    ran: list[str] = []
    opened.commander.run = ran.append  # type: ignore[method-assign]
    opened.keys._commander = opened.commander
    opened.keys.close()
    for target in (opened.viewer, *opened.canvas.layers()):
        opened.keys.bind(target)
    layer = {"masks": opened.canvas.masks.layer, "map": opened.canvas.maps.layers[1], "none": None}[active]
    handler = KeymapHandler()
    handler.keymap_providers = [opened.viewer] if layer is None else [layer, opened.viewer]
    for command in COMMANDS:
        for key in command.keys:
            handler.press_key(key)
            assert ran.pop() == command.name, key


@pytest.mark.parametrize(
    ("system", "words"),
    [
        ("linux", ["A", "Ctrl+Z", "Ctrl+Shift+Z", "Del", "Backspace"]),
        ("win32", ["A", "Ctrl+Z", "Ctrl+Shift+Z", "Del", "Backspace"]),
        ("darwin", ["A", "⌘Z", "⌘⇧Z", "fn⌫", "⌫"]),
    ],
)
def test_keys_are_written_as_they_stand_on_the_keyboard(
    system: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert [key_words(key) for key in ("A", "Control-Z", "Control-Shift-Z", "Delete", "Backspace")] == words
    assert "Backspace" in BY_NAME["clear_structure"].keys, "what a Mac's delete key sends"


def test_undo_by_key_is_the_sessions_alone(opened: AdasamDock) -> None:
    layer = opened.canvas.masks.layer
    session = opened.annotator.session
    before = session.labels(session.current).copy()
    brush(layer, (50, 10))
    brush(layer, (55, 60))
    handler = KeymapHandler()
    handler.keymap_providers = [layer, opened.viewer]
    handler.press_key("Control-Z")
    assert session.labels(session.current)[50, 10] == 1
    assert session.labels(session.current)[55, 60] == 0
    handler.press_key("Control-Z")
    np.testing.assert_array_equal(layer.data, before)
    handler.press_key("Control-Shift-Z")
    assert layer.data[50, 10] == 1


def test_keys_pressed_in_the_dock_reach_the_tools(
    make_dock: Callable[..., AdasamDock], images: Path, qtbot: Any
) -> None:
    dock = make_dock(show=True)
    dock.open([images])
    wait_idle(dock, qtbot)
    qtbot.keyClick(dock, Qt.Key.Key_D)
    assert dock.tools.tool is Tool.BRUSH
    qtbot.keyClick(dock, Qt.Key.Key_T)
    assert dock.tools.structure == 2


def test_closing_gives_the_keys_back(opened: AdasamDock) -> None:
    layer, viewer = opened.canvas.masks.layer, opened.viewer
    opened.shut_down()
    assert not layer.keymap
    assert not viewer.keymap
    assert opened.tools._on_press not in viewer.mouse_drag_callbacks


def test_the_size_on_the_slider_is_the_size_of_the_brush(opened: AdasamDock) -> None:
    layer, panel = opened.canvas.masks.layer, opened.annotate_panel
    for size in (40, 400, 101, 1):  # napari's keys [ and ] know no end
        layer.brush_size = size
        assert panel.brush_words.text() == f"Brush size {layer.brush_size:.0f}"
        assert panel.brush_size.value() == layer.brush_size
