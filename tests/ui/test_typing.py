"""Names, notes and numbers: what is typed counts when a button is pressed, and behind Enter keys are commands again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDockWidget, QWidget

from napari_adasam.ui.dock import AdasamDock

from window_fakes import picture, wait_idle  # isort: skip


@pytest.fixture
def active(shown: AdasamDock, qtbot: Any) -> AdasamDock:
    """The window has the keyboard, and the steps with text fields are open."""
    window = shown.window()
    window.activateWindow()
    qtbot.wait_until(window.isActiveWindow)
    for name in ("structures", "learn", "export"):
        shown.sections[name].set_open(True)
    QApplication.processEvents()
    return shown


def press(dock: AdasamDock, key: Any) -> None:
    """A key to whatever has the keyboard."""
    QTest.keyClick(dock.window().windowHandle(), key)
    QApplication.processEvents()


def click(dock: AdasamDock, widget: QWidget) -> None:
    dock.steps.ensureWidgetVisible(widget)
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)
    QApplication.processEvents()


def afloat(dock: AdasamDock, qtbot: Any) -> None:
    """The dock is a window of its own, which has the keyboard."""
    around = dock.parentWidget()
    while not isinstance(around, QDockWidget):
        assert around is not None
        around = around.parentWidget()
    around.setFloating(True)
    around.activateWindow()
    qtbot.wait_until(around.isActiveWindow)


@pytest.mark.parametrize("floating", [False, True])
def test_a_name_that_is_half_typed_counts_before_the_button(active: AdasamDock, qtbot: Any, floating: bool) -> None:
    if floating:
        afloat(active, qtbot)
    session, name = active.annotator.session, active.structures_panel.names[1]
    for button, typed in (("accept", "rectus femoris"), ("brush", "soleus")):
        click(active, name)
        name.selectAll()
        QTest.keyClicks(name, typed)
        QTest.mouseClick(active.annotate_panel.buttons[button], Qt.MouseButton.LeftButton)
        wait_idle(active, qtbot)
        assert [one.name for one in session.structures] == [typed, "aponeurosis"]
        assert not name.hasFocus()
        press(active, "e")
        assert name.text() == typed
        assert active.annotate_panel.buttons["eraser"].isChecked(), "and keys are commands again"


def test_enter_ends_the_typing_and_keys_are_commands_again(active: AdasamDock, qtbot: Any) -> None:
    active.commander.run("accept")
    wait_idle(active, qtbot)
    session, export = active.annotator.session, active.export_panel
    fields: tuple[Any, ...] = (
        active.structures_panel.names[1],
        export.folder,
        active.learn_panel.every,
        export.erosion,
    )
    for one in fields:
        current = session.current
        one.setFocus()
        one.selectAll()
        press(active, "3")
        press(active, Qt.Key.Key_Return)
        typed = one.text()
        press(active, "x")
        assert one.text() == typed
        assert session.current != current, one
        active.annotator.go_to(current)
        wait_idle(active, qtbot)


def test_keys_of_a_clip_go_to_its_frames_after_a_click_on_a_button(
    active: AdasamDock, tmp_path: Path, qtbot: Any
) -> None:
    session = active.annotator.session
    stack = np.stack([picture(shift=number + 5) for number in range(3)])
    tifffile.imwrite(tmp_path / "clip.tif", stack, imagej=True, metadata={"axes": "TYX"})
    active.open([tmp_path / "clip.tif"])
    wait_idle(active, qtbot)
    frames = [one.id for one in session.frames if one.stem.startswith("clip")]
    active.annotator.go_to(frames[0])
    wait_idle(active, qtbot)
    click(active, active.annotate_panel.buttons["brush"])
    for key, wanted in ((Qt.Key.Key_Right, frames[1]), (Qt.Key.Key_Left, frames[0])):
        press(active, key)
        wait_idle(active, qtbot)
        assert session.current == wanted
    press(active, Qt.Key.Key_PageUp)
    wait_idle(active, qtbot)
    assert session.current not in frames
