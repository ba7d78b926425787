"""The texts on the screen lead on, and the controls are where a newcomer looks for them (docs/first-use.md)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QLabel, QWidget

from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.ui.app import ROOM, make_room
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.guide import MAPS
from napari_adasam.ui.tools import KEYS

from window_fakes import BrightnessPredictor, wait_idle  # isort: skip

SMALL = (1000, 560)


def takes_wheel(over: QWidget) -> bool:
    """Whether a widget keeps a turn of the wheel; Qt offers it to the parents of one that does not."""
    middle = QPointF(over.rect().center())
    nothing, phase = Qt.MouseButton.NoButton, Qt.ScrollPhase.NoScrollPhase
    there, keys = QPointF(over.mapToGlobal(over.rect().center())), Qt.KeyboardModifier.NoModifier
    event = QWheelEvent(middle, there, QPoint(), QPoint(0, -120), nothing, keys, phase, False)
    QApplication.sendEvent(over, event)
    return event.isAccepted()


def in_sight(dock: AdasamDock, widget: QWidget) -> bool:
    """Whether the whole widget lies in what the scrolling panel shows."""
    seen = dock.steps.viewport()
    top = widget.mapTo(seen, QPoint(0, 0)).y()
    return bool(top >= 0 and top + widget.height() <= seen.height())


@pytest.fixture
def shown(make_dock: Callable[..., AdasamDock], images: Path, qtbot: Any) -> AdasamDock:
    """A window on the screen, too low for all of step 3."""
    dock = make_dock(show=True)
    dock.viewer.window.set_geometry(0, 0, *SMALL)
    dock.open([images])
    wait_idle(dock, qtbot)
    qtbot.wait(50)
    return dock


def test_the_hint_leads_from_the_first_image_to_the_export(
    dock: AdasamDock, images: Path, predictor: BrightnessPredictor, qtbot: Any
) -> None:
    predictor.hold = threading.Event()
    dock.annotator.warm_up()
    assert dock.annotator.busy
    assert dock.hint.text().startswith("<b>Start:</b> open your ultrasound images"), "a model that loads is no image"
    dock.open([images])
    assert dock.hint.text() == "<b>Wait a moment:</b> the images are being opened."
    qtbot.wait_until(lambda: dock.annotator.session.current is not None)
    qtbot.wait_until(lambda: dock.hint.text().startswith("<b>Wait a moment:</b> the program is drawing"))
    predictor.hold.set()
    wait_idle(dock, qtbot)
    assert "what is missing of the muscle belly" in dock.hint.text()
    assert dock.hint.text().endswith(f"Then press A.{MAPS}")
    dock.commander.run("accept")
    wait_idle(dock, qtbot)
    assert dock.hint.text().endswith("Then press A."), "the maps are explained until they are known"
    for _ in range(3):
        dock.commander.run("accept")
        wait_idle(dock, qtbot)
    assert dock.hint.text().startswith("<b>All images are done.</b> Open step 5")


def test_the_hint_names_the_structure_in_hand_as_it_is_written(opened: AdasamDock) -> None:
    assert "missing of the muscle belly" in opened.hint.text()
    opened.commander.run("next_structure")
    assert "missing of the aponeurosis" in opened.hint.text()
    assert "T takes the next structure" in opened.hint.text()
    opened.annotator.set_structures((MUSCLE_PRESET[0].renamed("rectus <left>"),))
    assert "missing of the rectus &lt;left&gt;" in opened.hint.text()
    assert "T takes" not in opened.hint.text()


def test_an_image_that_is_left_out_leads_on_and_the_last_one_to_the_export(opened: AdasamDock, qtbot: Any) -> None:
    opened.commander.run("skip")
    wait_idle(opened, qtbot)
    opened.commander.run("back")
    assert opened.hint.text() == "<b>Skipped: left out.</b> Press O to open it again, or X for the next image."
    opened.commander.run("next")
    opened.annotator.mark_unusable()
    wait_idle(opened, qtbot)
    opened.commander.run("back")
    assert opened.hint.text().startswith("<b>Unusable: left out.</b>")
    for _ in range(2):
        opened.commander.run("next")
        opened.commander.run("skip")
        wait_idle(opened, qtbot)
    assert opened.hint.text().endswith("; no image is accepted, so there is nothing to learn from or to export.")
    assert opened.sections["annotate"].header.text().endswith("4 of 4 done"), "what was left out is done with, too"
    opened.commander.run("reopen")
    opened.commander.run("accept")
    wait_idle(opened, qtbot)
    opened.commander.run("back")
    assert opened.hint.text().endswith("all other images are done: step 5 exports them.")


def test_a_second_window_says_that_it_is_only_to_look_at_and_offers_no_change(
    opened: AdasamDock, make_dock: Callable[..., AdasamDock], tmp_path: Path, qtbot: Any
) -> None:
    scale = opened.scale_panel
    assert all(button.isEnabled() for button in (scale.set, scale.ruler, scale.rectangle, scale.polygon, scale.whole))
    assert opened.annotator.save_as(tmp_path / "session")
    second = make_dock()
    second.open([tmp_path / "session"])
    wait_idle(second, qtbot)
    assert second.hint.text().startswith("<b>Only to look at.</b> This session is open in another window")
    assert second.hint.text().endswith("X and Z go through the images; step 5 exports.")
    for section in second.sections.values():
        section.set_open(True)
    said = [one for one in second.findChildren(QLabel) if one.isVisibleTo(second) and "another window" in one.text()]
    assert said == [second.hint], "once, and where it never scrolls away"
    scale, learn = second.scale_panel, second.learn_panel
    for button in (scale.set, scale.ruler, scale.rectangle, scale.polygon, scale.whole, scale.own, scale.found):
        assert not button.isEnabled()
        assert "open in another window" in button.toolTip()
    panel = second.annotate_panel
    for widget in (panel.buttons["clear"], panel.review.note, panel.brush_size, learn.every, learn.method):
        assert not widget.isEnabled()
        assert "open in another window" in widget.toolTip()
    for widget in (learn.model.choice, learn.start):
        assert not widget.isEnabled()
        assert "open in another window" in widget.toolTip()


def test_what_is_greyed_in_a_second_window_is_not_in_the_first(opened: AdasamDock) -> None:
    learn = opened.learn_panel
    for widget in (opened.annotate_panel.brush_size, learn.every, learn.method, learn.model.choice):
        assert widget.isEnabled()
    assert "What the next round adapts" in learn.method.toolTip()


def test_with_one_image_nobody_is_sent_to_another(dock: AdasamDock, images: Path, qtbot: Any) -> None:
    dock.open([images / "scan_0.png"])
    wait_idle(dock, qtbot)
    dock.commander.run("accept")
    wait_idle(dock, qtbot)
    said = "<b>The image is done.</b> Open step 5 and export it; or change it and accept it again."
    assert dock.hint.text() == said


def test_steps_4_and_5_say_what_they_wait_for_and_what_they_have(opened: AdasamDock, qtbot: Any) -> None:
    learn, export = opened.sections["learn"].header, opened.sections["export"].header
    assert learn.text().endswith("accept an image first")
    opened.commander.run("accept")
    wait_idle(opened, qtbot)
    assert learn.text().endswith("when you like")
    assert export.text().endswith("1 image to export")


def test_the_wheel_changes_nothing_under_the_pointer(shown: AdasamDock) -> None:
    card, brush, annotator = shown.annotate_panel.frame_card, shown.annotate_panel.brush_size, shown.annotator
    before = (annotator.session.current, card.order.currentIndex(), brush.value(), shown.learn_panel.every.value())
    for widget in (card.chosen, card.order, brush, shown.learn_panel.every):
        assert not takes_wheel(widget)
    after = (annotator.session.current, card.order.currentIndex(), brush.value(), shown.learn_panel.every.value())
    assert after == before
    assert shown.steps.verticalScrollBar().maximum() > 0, "there is something to scroll"
    assert takes_wheel(shown.steps.viewport())


def test_a_step_that_is_opened_is_scrolled_to(shown: AdasamDock, qtbot: Any) -> None:
    header = shown.sections["export"].header
    shown.steps.verticalScrollBar().setValue(0)
    assert not in_sight(shown, shown.export_panel.folder)
    header.click()
    qtbot.wait_until(lambda: in_sight(shown, header) and in_sight(shown, shown.export_panel.folder))


def test_accept_is_always_in_sight_while_there_is_something_to_accept(
    make_dock: Callable[..., AdasamDock], shown: AdasamDock, qtbot: Any
) -> None:
    accept = shown.annotate_panel.buttons["accept"]
    shown.steps.verticalScrollBar().setValue(0)
    assert shown.annotate_panel.onward.isVisible()
    assert shown.steps.geometry().bottom() < accept.mapTo(shown, QPoint(0, 0)).y() < shown.height()
    shown.sections["annotate"].header.click()
    assert not shown.annotate_panel.onward.isVisible()
    assert make_dock().annotate_panel.onward.isHidden(), "before any image is open"


def test_naparis_line_at_the_bottom_names_our_keys(opened: AdasamDock) -> None:
    assert opened.viewer.help == KEYS
    for tool in ("brush", "eraser", "point", "move"):
        opened.commander.run(tool)
        assert opened.canvas.masks.layer.help == KEYS
        assert opened.viewer.help == KEYS


def test_a_small_window_is_made_as_large_as_the_screen_allows(make_dock: Callable[..., AdasamDock], qtbot: Any) -> None:
    dock = make_dock(show=True)
    dock.viewer.window.set_geometry(20, 20, *SMALL)
    make_room(dock.viewer)
    area = QApplication.primaryScreen().availableGeometry()
    left, top, width, height = dock.viewer.window.geometry()
    assert (width, height) == (min(ROOM[0], area.width()), min(ROOM[1], area.height() - 40))
    assert left + width <= area.right() + 1
    assert top + height <= area.bottom() + 1
    dock.viewer.window.set_geometry(0, 0, ROOM[0], ROOM[1])
    make_room(dock.viewer)
    assert dock.viewer.window.geometry()[2:] == ROOM, "a window that is large enough stays as it is"


def test_where_nothing_was_found_the_line_says_what_to_do(dock: AdasamDock, tmp_path: Path, qtbot: Any) -> None:
    Image.fromarray(np.full((60, 80), 20, np.uint8)).save(tmp_path / "dark.png")
    dock.open([tmp_path / "dark.png"])
    wait_idle(dock, qtbot)
    assert dock.hint.text().startswith("<b>Nothing was found here.</b> Is the muscle belly there?")
    assert dock.annotator.accept()
    assert not dock.annotator.session.labels(dock.annotator.session.frames[0].id).any()
