"""What is on the screen already is not drawn again: each change of a napari layer costs the window milliseconds."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QPushButton

from napari_adasam.domain.prompts import Point
from napari_adasam.services import correcting
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.placement import Placement
from napari_adasam.ui.prompt_layers import DrawnPrompt, PromptLayers
from napari_adasam.ui.section import allow

from window_fakes import BrightnessPredictor, wait_idle  # isort: skip

WHOLE = Placement((0.25, 0.25), "mm")
SHAPE = (60, 80)


def clicked(*places: tuple[float, float]) -> DrawnPrompt:
    return DrawnPrompt(tuple(Point(y, x) for y, x in places), None, "#ff0000", by_clinician=True)


def heard(layer: Any) -> list[str]:
    told: list[str] = []
    layer.events.connect(lambda event: told.append(event.type))
    return told


@pytest.fixture
def prompts() -> PromptLayers:
    made = PromptLayers()
    made.make_boxes(WHOLE)
    made.make_points(WHOLE)
    made.show([clicked((10, 10))], SHAPE, WHOLE, None)
    return made


def test_the_same_prompts_are_not_drawn_again(prompts: PromptLayers) -> None:
    points, boxes = heard(prompts.points), heard(prompts.boxes)
    prompts.show([clicked((10, 10))], SHAPE, WHOLE, None)
    assert (points, boxes) == ([], [])


def test_another_point_is_drawn_with_all_that_belongs_to_it_in_one_go(prompts: PromptLayers) -> None:
    assert prompts.points is not None
    told, boxes = heard(prompts.points), heard(prompts.boxes)
    prompts.show([clicked((10, 10), (20, 30))], SHAPE, WHOLE, None)
    np.testing.assert_array_equal(prompts.points.data, [[10, 10], [20, 30]])
    assert len(prompts.points.face_color) == 2
    assert told.count("set_data") == 1
    assert boxes == []


def test_a_point_deleted_in_naparis_layer_comes_back(prompts: PromptLayers) -> None:
    assert prompts.points is not None
    prompts.points.data = np.empty((0, 2))
    prompts.show([clicked((10, 10))], SHAPE, WHOLE, None)
    assert len(prompts.points.data) == 1


def test_a_layer_that_lies_where_it_should_is_not_moved(prompts: PromptLayers) -> None:
    assert prompts.points is not None
    told = heard(prompts.points)
    WHOLE.apply(prompts.points)
    assert told == []
    Placement((1.0, 1.0), "pixel").apply(prompts.points)
    assert {"scale", "units"} <= set(told)


def test_a_tooltip_that_stays_is_not_set(qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    button = QPushButton()
    qtbot.addWidget(button)
    button.setToolTip("Do it")
    allow(button, "")
    told: list[str] = []
    monkeypatch.setattr(button, "setToolTip", told.append)
    allow(button, "")
    assert told == []
    allow(button, "Not now.")
    assert told == ["Not now."]


def test_the_lane_has_a_click_before_the_screen_draws_it(opened: AdasamDock, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    send = correcting.Correcting._send

    def noting(*given: Any) -> None:
        order.append("sent")
        send(*given)

    monkeypatch.setattr(correcting.Correcting, "_send", noting)
    opened.annotator.session.labels_changed.connect(lambda _frame_id: order.append("shown"))
    opened.annotator.click(Point(30, 40), 1)
    assert order[:2] == ["sent", "shown"]


def test_a_point_is_drawn_with_its_outline_or_soon(
    opened: AdasamDock, predictor: BrightnessPredictor, qtbot: Any
) -> None:
    """Soon where the answer takes long, and with the answer where that comes at once."""
    session, drawn = opened.annotator.session, opened.canvas.prompts
    predictor.hold = threading.Event()
    opened.annotator.click(Point(30, 40), 1)
    points = drawn.points
    assert points is not None
    qtbot.wait_until(lambda: [30, 40] in points.data.tolist(), timeout=5000)
    assert session.current is not None
    assert session.unanswered(session.current)
    predictor.hold.set()
    wait_idle(opened, qtbot)
    opened.annotator.click(Point(32, 41), 1)
    wait_idle(opened, qtbot)
    assert [32, 41] in points.data.tolist()


def test_the_dock_is_renewed_with_the_outline_of_a_click_or_soon(
    opened: AdasamDock, predictor: BrightnessPredictor, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the click and its outline it would hold the outline up."""
    undo = opened.annotate_panel.buttons["undo"]
    drawn: list[bool] = []
    monkeypatch.setattr(opened.status_line, "show_activity", lambda *_: drawn.append(opened.annotator.answering))
    predictor.hold = threading.Event()
    opened.annotator.click(Point(30, 40), 1)
    assert drawn == []
    qtbot.wait_until(lambda: drawn == [True], timeout=5000)  # the answer takes long
    assert undo.isEnabled()
    predictor.hold.set()
    wait_idle(opened, qtbot)
    assert drawn[-1] is False


def test_going_on_draws_each_layer_once_and_moves_no_slider(opened: AdasamDock, qtbot: Any) -> None:
    session, dims = opened.annotator.session, opened.viewer.dims
    frames = session.frames
    wait_idle(opened, qtbot)
    assert not any(dims.point[axis] for axis in dims.displayed)
    layers = opened.canvas.layers()[:-2]
    sent = {layer.name: heard(layer) for layer in layers}
    opened.annotator.go_to(frames[1].id)
    assert {name: told.count("set_data") for name, told in sent.items()} == {layer.name: 1 for layer in layers}


def test_an_accept_renews_the_dock_once(opened: AdasamDock, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_idle(opened, qtbot)
    first, drawn = opened.annotator.session.current, list[str | None]()
    monkeypatch.setattr(opened.status_line, "show_activity", lambda *_: drawn.append(opened.annotator.session.current))
    opened.commander.run("accept")
    assert drawn == [opened.annotator.session.current]
    assert drawn != [first]
