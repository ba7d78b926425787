"""Strokes with a mouse on the canvas of a real window, while answers of the model arrive: no painted pixel is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_adasam.domain.prompts import Point
from napari_adasam.domain.records import FrameStatus
from napari_adasam.ui.commands import DRAWING
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.mask_layer import LOOK_AGAIN_MS

from real_mouse import NONE, RIGHT, RealMouse  # isort: skip
from window_fakes import BrightnessPredictor, wait_idle  # isort: skip

PATH = [(52, 12), (52, 20), (52, 28), (52, 36)]
"""(y, x) over dark ground: nothing is suggested there."""
WAIT_MS = 10 * LOOK_AGAIN_MS


@pytest.fixture
def shown(make_dock: Callable[..., AdasamDock], images: Path, qtbot: Any) -> AdasamDock:
    """A visible window with the first image suggested and the brush in hand."""
    dock = make_dock(show=True)
    dock.viewer.window.set_geometry(0, 0, 1000, 700)
    dock.open([images])
    wait_idle(dock, qtbot)
    qtbot.wait(200)  # the view is fitted to the window by now
    dock.commander.run("brush")
    dock.canvas.masks.layer.brush_size = 3
    return dock


def current(dock: AdasamDock) -> str:
    frame_id = dock.annotator.session.current
    assert frame_id is not None
    return frame_id


def test_a_first_suggestion_in_the_middle_of_a_stroke_takes_nothing_of_it(
    make_dock: Callable[..., AdasamDock], images: Path, predictor: BrightnessPredictor, qtbot: Any
) -> None:
    predictor.hold = threading.Event()
    dock = make_dock(show=True)
    dock.open([images])
    session = dock.annotator.session
    qtbot.wait_until(lambda: session.current is not None, timeout=30_000)
    frame_id, mouse = current(dock), RealMouse(dock)
    qtbot.wait(200)
    dock.commander.run("brush")
    layer = dock.canvas.masks.layer
    layer.brush_size = 3
    mouse.press(PATH[0])
    mouse.move(PATH[1])
    assert (layer.data == 1).sum() > 10
    painted = layer.data.copy()
    predictor.hold.set()
    qtbot.wait_until(lambda: predictor.suggested == [frame_id])
    qtbot.wait(WAIT_MS)  # the suggestion is there, the button is still down
    np.testing.assert_array_equal(layer.data, painted)
    mouse.move(PATH[2])
    mouse.release(PATH[3])
    drawn = layer.data.copy()
    assert (drawn[52, 12:37] == 1).all()
    wait_idle(dock, qtbot)
    labels = session.labels(frame_id)
    np.testing.assert_array_equal(labels == 1, drawn == 1)  # the clinician's, and nothing else
    assert (labels[5:8, 10:70] == 2).all()  # what was not touched was asked for again
    assert predictor.suggested[:2] == [frame_id, frame_id]
    np.testing.assert_array_equal(layer.data, labels)


def test_a_clicks_answer_that_arrives_in_the_middle_of_a_stroke_takes_nothing_of_it(
    shown: AdasamDock, predictor: BrightnessPredictor, qtbot: Any
) -> None:
    session, frame_id, mouse = shown.annotator.session, current(shown), RealMouse(shown)
    layer = shown.canvas.masks.layer
    predictor.hold = threading.Event()
    shown.annotator.click(Point(15.0, 70.0), 2)
    mouse.press(PATH[0])
    mouse.move(PATH[2])
    predictor.hold.set()
    qtbot.wait(WAIT_MS)  # the answer is there, the button is still down
    assert (layer.data[52, 12:29] == 1).all()
    mouse.release(PATH[3])
    wait_idle(shown, qtbot)
    labels = session.labels(frame_id)
    assert (labels[52, 12:37] == 1).all()
    assert labels[15, 70] == 2  # the click was answered after all
    np.testing.assert_array_equal(layer.data, labels)
    assert session.status(frame_id) is FrameStatus.CORRECTED


def test_labels_that_change_under_a_stroke_are_joined_with_it(shown: AdasamDock, qtbot: Any) -> None:
    """A script may change the session while a person draws."""
    session, frame_id, mouse = shown.annotator.session, current(shown), RealMouse(shown)
    layer = shown.canvas.masks.layer
    mask = np.zeros(layer.data.shape, bool)
    mask[40:46, 60:70] = True
    mouse.press(PATH[0])
    mouse.move(PATH[2])
    session.set_mask(frame_id, 2, mask)
    qtbot.wait(WAIT_MS)
    assert (layer.data[52, 12:29] == 1).all()
    assert not (layer.data[40:46, 60:70] == 2).any()
    mouse.release(PATH[3])
    for labels in (session.labels(frame_id), layer.data):
        assert (labels[52, 12:37] == 1).all()
        assert (labels[40:46, 60:70] == 2).all()


def test_labels_that_change_under_a_stroke_over_nothing_are_shown_after_it(shown: AdasamDock, qtbot: Any) -> None:
    session, frame_id, mouse = shown.annotator.session, current(shown), RealMouse(shown)
    layer = shown.canvas.masks.layer
    mask = np.zeros(layer.data.shape, bool)
    mask[40:46, 60:70] = True
    shown.commander.run("eraser")
    mouse.press(PATH[0])
    session.set_mask(frame_id, 2, mask)
    assert not (layer.data[40:46, 60:70] == 2).any()
    mouse.release(PATH[1])
    qtbot.wait_until(lambda: bool((layer.data[40:46, 60:70] == 2).all()))


def test_commands_wait_for_the_end_of_a_stroke(shown: AdasamDock, qtbot: Any) -> None:
    session, frame_id, mouse = shown.annotator.session, current(shown), RealMouse(shown)
    mouse.press(PATH[0])
    mouse.move(PATH[1])
    shown.commander.run("accept")
    assert shown.status_line.notice.text() == DRAWING
    assert session.current == frame_id
    assert session.annotations == {}
    mouse.release(PATH[2])
    shown.commander.run("accept")
    assert (session.annotations[frame_id].labels[52, 12:29] == 1).all()
    wait_idle(shown, qtbot)


def test_a_ring_drawn_with_the_right_button_is_a_stroke_too(
    shown: AdasamDock, predictor: BrightnessPredictor, qtbot: Any
) -> None:
    session, frame_id, mouse = shown.annotator.session, current(shown), RealMouse(shown)
    layer = shown.canvas.masks.layer
    mouse.press((48, 10), RIGHT)
    mouse.release((48, 10), RIGHT)
    for pixel in ((48, 25), (56, 25), (56, 10)):
        mouse.move(pixel, NONE)
    assert shown.canvas.masks.stroke_open
    shown.annotator.suggest()
    qtbot.wait(WAIT_MS)
    assert layer.data[48, 20] == 1
    mouse.move((48, 10), NONE)
    assert not shown.canvas.masks.stroke_open
    wait_idle(shown, qtbot)
    assert session.labels(frame_id)[52, 17] == 1
    np.testing.assert_array_equal(layer.data, session.labels(frame_id))
