"""Every way on from an image is in the window, with a button and a key: next, skip, reopen, suggest, clear."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton

from napari_adasam.domain.errors import StorageError
from napari_adasam.domain.prompts import Point
from napari_adasam.domain.records import FrameStatus
from napari_adasam.ui.commands import ABOUT_THE_WINDOW, COMMANDS
from napari_adasam.ui.dock import AdasamDock

from window_fakes import BrightnessPredictor, CountingTrainer, brush, wait_idle  # isort: skip


def current(dock: AdasamDock) -> str:
    frame_id = dock.annotator.session.current
    assert frame_id is not None
    return frame_id


def press(dock: AdasamDock, name: str, qtbot: Any) -> None:
    """Press a button that is there and not greyed."""
    button = dock.annotate_panel.buttons[name]
    assert not button.isHidden(), name
    assert button.isEnabled(), button.toolTip()
    button.click()
    wait_idle(dock, qtbot)


def test_every_command_has_a_button_and_a_line_on_the_sheet(opened: AdasamDock) -> None:
    opened.show_help()
    sheet = opened._sheet
    assert sheet is not None
    words = {label.text() for label in sheet.findChildren(QLabel)}
    for command in COMMANDS:
        assert command.explanation in words
        if command.name not in ABOUT_THE_WINDOW:
            assert opened.annotate_panel.buttons[command.name] in opened.findChildren(QPushButton)
    keys = [key for command in COMMANDS for key in command.keys]
    assert len(set(keys)) == len(keys)
    sheet.close()


def test_next_leaves_an_image_undecided(opened: AdasamDock, qtbot: Any) -> None:
    session, first = opened.annotator.session, current(opened)
    press(opened, "next", qtbot)
    assert current(opened) != first
    assert session.status(first) is FrameStatus.SUGGESTED
    press(opened, "back", qtbot)
    assert current(opened) == first


def test_a_skipped_image_is_reopened_in_the_window(opened: AdasamDock, qtbot: Any) -> None:
    session, first = opened.annotator.session, current(opened)
    buttons = opened.annotate_panel.buttons
    assert buttons["reopen"].isHidden()
    press(opened, "skip", qtbot)
    press(opened, "back", qtbot)
    assert current(opened) == first
    assert session.status(first) is FrameStatus.SKIPPED
    assert buttons["skip"].isHidden()
    assert "Press O to open it again" in opened.hint.text()
    press(opened, "reopen", qtbot)
    assert session.status(first) is FrameStatus.SUGGESTED
    assert buttons["reopen"].isHidden()
    assert not buttons["skip"].isHidden()


def test_an_accepted_image_is_reopened_by_its_key(
    make_dock: Callable[..., AdasamDock], images: Path, qtbot: Any
) -> None:
    dock = make_dock(show=True)
    dock.open([images])
    wait_idle(dock, qtbot)
    first = current(dock)
    for key in (Qt.Key.Key_A, Qt.Key.Key_Z, Qt.Key.Key_O):
        qtbot.keyClick(dock, key)
        wait_idle(dock, qtbot)
    assert current(dock) == first
    assert dock.annotator.session.status(first) is FrameStatus.CORRECTED
    assert dock.annotator.session.annotations == {}
    qtbot.keyClick(dock, Qt.Key.Key_X)
    wait_idle(dock, qtbot)
    assert current(dock) != first


def test_suggest_asks_again_and_says_when_it_cannot(
    opened: AdasamDock, predictor: BrightnessPredictor, qtbot: Any
) -> None:
    asked = len(predictor.suggested)
    press(opened, "suggest", qtbot)
    assert predictor.suggested[asked:][0] == current(opened)
    for structure in (1, 2):
        opened.tools.choose_structure(structure)
        brush(opened.canvas.masks.layer, (50, 10 * structure), structure)
    button = opened.annotate_panel.buttons["suggest"]
    assert not button.isEnabled()
    assert "never replaces your work" in button.toolTip()
    press(opened, "skip", qtbot)
    press(opened, "back", qtbot)
    assert "reopen it first" in button.toolTip()


def test_an_outline_is_cleared_and_comes_back_with_undo(opened: AdasamDock, qtbot: Any) -> None:
    session, frame_id = opened.annotator.session, current(opened)
    before = session.labels(frame_id).copy()
    opened.tools.choose_structure(2)
    press(opened, "clear_structure", qtbot)
    assert set(np.unique(session.labels(frame_id))) == {0, 1}
    np.testing.assert_array_equal(opened.canvas.masks.layer.data, session.labels(frame_id))
    press(opened, "clear_structure", qtbot)
    assert opened.status_line.notice.text() == "There is no outline of aponeurosis on this image."
    press(opened, "undo", qtbot)
    np.testing.assert_array_equal(session.labels(frame_id), before)


def test_who_forgets_clicks_where_there_are_none_is_told(opened: AdasamDock, qtbot: Any) -> None:
    session, frame_id, notice = opened.annotator.session, current(opened), opened.status_line.notice
    press(opened, "clear", qtbot)
    assert notice.text() == "There are no clicks and no box of muscle belly on this image."
    opened.status_line.show_notice("")
    opened.annotator.click(Point(52.0, 20.0), 1)
    wait_idle(opened, qtbot)
    press(opened, "clear", qtbot)
    assert (notice.text(), session.prompts(frame_id, 1)) == ("", ((), None))


def test_no_earlier_model_before_a_round_and_none_after_going_back(opened: AdasamDock, qtbot: Any) -> None:
    """The model in the package has a lineage of its own, which is nothing to go back to."""
    model = opened.annotator.model
    assert model is not None
    assert len(model.lineage) > 1
    earlier = opened.learn_panel.earlier
    assert not earlier.isEnabled()
    press(opened, "accept", qtbot)
    opened.learn_panel.start.click()
    wait_idle(opened, qtbot)
    assert earlier.isEnabled()
    earlier.click()
    wait_idle(opened, qtbot)
    assert not earlier.isEnabled()


def test_a_step_without_a_loss_is_not_drawn(opened: AdasamDock, trainer: CountingTrainer, qtbot: Any) -> None:
    """Looking at new structures, and checking at the end, are steps without a loss."""
    panel, drawn = opened.learn_panel, []
    opened.annotator.round_progress.connect(lambda _: drawn.append(panel.loss_plot.values()[0]))
    press(opened, "accept", qtbot)
    panel.start.click()
    wait_idle(opened, qtbot)
    assert [len(line) for line in drawn] == [0, *range(1, trainer.steps + 1), trainer.steps]
    assert np.isfinite(drawn[-1]).all()


def test_sample_images_on_a_full_disk_are_a_sentence(
    dock: AdasamDock, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    def full() -> list[Path]:
        raise StorageError("There is no space left to write phantom_0000.tif.")

    monkeypatch.setattr(dock.open_panel, "_sample_paths", full)
    dock.open_panel.samples.click()
    wait_idle(dock, qtbot)
    assert "no space left" in dock.status_line.notice.text()


def test_sample_images_are_drawn_beside_the_window(
    dock: AdasamDock, images: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    """At the first use that takes seconds."""
    drawn_on = []

    def draw() -> list[Path]:
        drawn_on.append(threading.current_thread().name)
        return [images]

    monkeypatch.setattr(dock.open_panel, "_sample_paths", draw)
    dock.open_panel.samples.click()
    assert not dock.annotator.session.frames
    wait_idle(dock, qtbot)
    assert drawn_on == ["adasam-lane"]
    assert len(dock.annotator.session.frames) == 4
