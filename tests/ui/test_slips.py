"""Slips of the hand, odd names and large letters: nothing lands elsewhere, nothing is pushed out of sight."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import QEvent, Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialogButtonBox, QWidget

from napari_adasam.domain.rounds import RoundReport
from napari_adasam.domain.structures import Structure
from napari_adasam.ui.commands import COMMANDS
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.panels.learn import dice_words
from napari_adasam.ui.shortcuts import HelpSheet
from napari_adasam.ui.tools import NOT_TAKEN

from real_mouse import LEFT, RealMouse  # isort: skip
from window_fakes import wait_idle  # isort: skip

LONG = "gastrocnemius medialis, superficial aponeurosis of the left leg, at rest"


def test_a_click_means_what_it_meant_when_the_mouse_went_down(shown: AdasamDock, qtbot: Any) -> None:
    session, mouse, run = shown.annotator.session, RealMouse(shown), shown.commander.run
    first = session.current
    assert first is not None
    run("point")
    mouse.press((52, 20))
    run("move")
    mouse.release((52, 20))
    wait_idle(shown, qtbot)
    assert [one.positive for one in session.prompts(first, 1)[0]] == [True]
    run("point")
    mouse.press((52, 30))
    run("next")
    mouse.release((52, 30))
    second = session.current
    assert second not in (None, first)
    assert shown.status_line.notice.text() == NOT_TAKEN.format("your click")
    run("box")
    mouse.press((10, 10))
    mouse.move((20, 30))
    run("back")
    mouse.move((30, 40))
    mouse.release((40, 60))
    assert session.current == first
    assert shown.status_line.notice.text() == NOT_TAKEN.format("your box")
    wait_idle(shown, qtbot)
    assert len(session.prompts(first, 1)[0]) == 1
    assert session.prompts(first, 1)[1] is None
    assert session.prompts(str(second), 1) == ((), None)
    mouse.drag([(10, 10), (20, 30), (40, 60)])  # and the next one is taken
    assert session.prompts(first, 1)[1] is not None


def test_long_and_odd_names_push_nothing_out_of_sight(shown: AdasamDock, tmp_path: Path, qtbot: Any) -> None:
    session, annotator = shown.annotator.session, shown.annotator
    for section in shown.sections.values():
        section.set_open(True)
    annotator.set_structures((Structure(1, LONG), *session.structures[1:]))
    shown.export_panel.set_table(tmp_path / f"{'visits_' * 20}.csv")
    annotator.save_as(tmp_path / f"study_{'x' * 80}")
    qtbot.wait(200)
    right = shown.steps.viewport().width()
    panel = shown.annotate_panel
    for widget in (panel.structures.ticks[1], shown.export_panel.table_button, panel.buttons["box"]):
        assert widget.mapTo(shown.steps.viewport(), widget.rect().topRight()).x() < right
    tick = panel.structures.ticks[1]
    assert tick.width() >= tick.minimumSizeHint().width()
    assert LONG in panel.structures.choices[1].toolTip()
    shown.commander.problem.emit("There is no outline of <b>x</b> on this image.")
    assert shown.status_line.notice.textFormat() == Qt.TextFormat.PlainText


def test_a_key_that_a_text_field_does_not_know_changes_no_image(shown: AdasamDock, qtbot: Any) -> None:
    session = shown.annotator.session
    first, note, mouse = str(session.current), shown.annotate_panel.review.note, RealMouse(shown)
    shown.commander.run("point")
    mouse.click((52, 20))
    wait_idle(shown, qtbot)
    shown.commander.run("undo")
    assert session.prompts(first, 1)[0] == ()
    shown.window().activateWindow()
    qtbot.wait_until(shown.window().isActiveWindow)
    QTest.mouseClick(note, Qt.MouseButton.LeftButton)
    assert QApplication.focusWidget() is note
    QTest.keyClick(note, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    assert session.prompts(first, 1)[0] == ()
    note.clearFocus()
    QTest.keyClick(mouse.canvas, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    assert len(session.prompts(first, 1)[0]) == 1


def test_a_note_with_letters_that_are_keys_runs_no_command(shown: AdasamDock, qtbot: Any) -> None:
    ran: list[str] = []
    shown.commander.run = ran.append  # type: ignore[method-assign]
    shown.keys.close()
    for target in (shown.viewer, *shown.canvas.layers()):
        shown.keys.bind(target)
    window, note = shown.window(), shown.annotate_panel.review.note
    window.activateWindow()
    qtbot.wait_until(window.isActiveWindow)
    shown.steps.ensureWidgetVisible(note)
    QTest.mouseClick(note, Qt.MouseButton.LeftButton)
    words = "".join(key for command in COMMANDS for key in command.keys if len(key) == 1)
    for letter in f"{words}{words.lower()}?[]":
        QTest.keyClick(window.windowHandle(), letter)
    for name in ("PageUp", "PageDown", "Right", "Delete", "Left", "Backspace", "F1"):
        QTest.keyClick(window.windowHandle(), getattr(Qt.Key, f"Key_{name}"))
    assert note.text() == f"{words}{words.lower()}?]"
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_Return)
    assert ran == []
    session = shown.annotator.session
    assert session.remark(str(session.current)).note == f"{words}{words.lower()}?]"
    QTest.keyClick(window.windowHandle(), "x")
    assert ran == ["next"], "the note is ended, and the keys are commands again"


@pytest.mark.parametrize("size", [9, 18])
def test_the_sheet_of_keys_can_be_closed_whatever_the_letters(qtbot: Any, size: int) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    parent.setStyleSheet(f"QLabel, QPushButton {{ font-size: {size}pt; }}")
    sheet = HelpSheet(parent)
    sheet.show()
    qtbot.wait_until(sheet.isVisible)
    QApplication.processEvents()
    assert sheet.screen().availableGeometry().contains(sheet.geometry())
    close = sheet.findChild(QDialogButtonBox)
    assert close is not None
    assert sheet.rect().contains(close.geometry())
    assert sheet._scroll.verticalScrollBar().isVisible() is (size == 18)
    sheet.close()


def test_the_sheet_of_keys_needs_no_bars_in_the_window_as_it_is(shown: AdasamDock, qtbot: Any) -> None:
    sheet = HelpSheet(shown)
    sheet.show()
    qtbot.wait_until(sheet.isVisible)
    QApplication.processEvents()
    bars = (sheet._scroll.verticalScrollBar(), sheet._scroll.horizontalScrollBar())
    assert [bar.isVisible() for bar in bars] == [False, False]
    sheet.close()


def test_every_structure_has_a_line_and_a_name_in_the_figures(opened: AdasamDock) -> None:
    annotator, panel = opened.annotator, opened.learn_panel
    structures = tuple(Structure(value, f"<{value}> & more") for value in range(1, 10))  # two of them share a colour
    annotator.set_structures(structures)
    values = {one.value: 0.1 * one.value for one in structures}
    report = RoundReport(
        number=1, labelled=5, unlabelled=0, held_out=1, before=values, after=values, accepted=True, verdict="Better.",
        seconds=1.0, model="v1", losses=(1.0, 0.5),
    )  # fmt: skip
    panel._show_dice([report])
    assert len(panel.dice_plot.values()) == len(structures)
    assert "&lt;1&gt; &amp; more" in dice_words(report, structures)
    assert "<b>0.10</b>" in dice_words(replace(report, after={1: 0.1}), structures)


def test_an_export_goes_to_a_folder_that_is_named_and_shows_that_one(
    opened: AdasamDock, tmp_path: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = opened.export_panel
    opened.commander.run("accept")
    wait_idle(opened, qtbot)
    panel.folder.setText("  ")
    assert not panel.export.isEnabled()
    assert "folder" in panel.reason.text()
    panel.folder.setText(str(tmp_path / "out"))
    assert panel.export.isEnabled()
    panel.export.click()
    wait_idle(opened, qtbot)
    shown: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", shown.append)
    panel.folder.setText(str(tmp_path / "next time"))
    panel.show_folder.click()
    assert [Path(url.toLocalFile()) for url in shown] == [tmp_path / "out"]


def test_names_of_folders_and_files_are_shown_as_they_are_written(opened: AdasamDock) -> None:
    for label in (opened.export_panel.done, opened.open_panel.kept, opened.annotate_panel.frame_card.source):
        assert label.textFormat() == Qt.TextFormat.PlainText


@pytest.mark.parametrize("tool", ["point", "box"])
def test_two_quick_clicks_with_a_tool_in_hand_do_not_zoom(shown: AdasamDock, qtbot: Any, tool: str) -> None:
    mouse, camera = RealMouse(shown), shown.viewer.scene.camera

    def click_twice() -> None:
        mouse.click((50, 12))
        mouse._send(QEvent.Type.MouseButtonDblClick, (50, 12), LEFT, LEFT)
        mouse.release((50, 12))
        wait_idle(shown, qtbot)

    zoom, answers = camera.zoom, list(shown.viewer.mouse_double_click_callbacks)
    shown.commander.run(tool)
    click_twice()
    assert camera.zoom == zoom
    shown.commander.run("move")
    click_twice()
    assert camera.zoom > zoom, "the hand has it, as ever"
    shown.commander.run(tool)
    shown.shut_down()
    assert shown.viewer.mouse_double_click_callbacks == answers


def test_an_image_that_the_list_does_not_hold_is_named_all_the_same(opened: AdasamDock) -> None:
    card = opened.annotate_panel.frame_card
    at = card.filter.findText("accepted")
    card.filter.setCurrentIndex(at)
    card.filter.activated.emit(at)
    assert card.chosen.currentIndex() == -1
    assert card.chosen.placeholderText() == "◔ scan_0 · suggested (0 in the list)"
    assert card.chosen.toolTip().startswith("◔ scan_0 · suggested\n"), "a long name is cut off, and read in the tip"
