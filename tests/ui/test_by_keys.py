"""The keyboard's way through the panel: Tab in the screen's order, Space and Enter press, other keys stay commands.

Keys are sent to the window, as the system does; what has the keyboard gets them.
"""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QApplication, QComboBox, QWidget

from napari_adasam.ui.by_keys import stops
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.tools import Tool

from window_fakes import wait_idle  # isort: skip

Key = Qt.Key


@pytest.fixture
def active(shown: AdasamDock, qtbot: Any) -> AdasamDock:
    """The window has the keyboard; no control has."""
    window = shown.window()
    window.activateWindow()
    qtbot.wait_until(window.isActiveWindow)
    shown.setFocus()
    return shown


def press(dock: AdasamDock, *keys: Any) -> None:
    for key in keys:
        QTest.keyClick(dock.window().windowHandle(), key)
        QApplication.processEvents()


def focused() -> QWidget:
    widget = QApplication.focusWidget()
    assert widget is not None
    return widget


def give(dock: AdasamDock, control: QWidget) -> None:
    """Let Tab lead to a control."""
    dock.setFocus()
    for _ in stops(dock):
        press(dock, Key.Key_Tab)
        if focused() is control:
            return
    raise AssertionError("Tab does not lead there")


def test_tab_goes_through_what_is_seen_as_it_lies(active: AdasamDock) -> None:
    buttons, card = active.annotate_panel.buttons, active.annotate_panel.frame_card
    seen = stops(active)
    wanted = [active.help, *(one.header for one in list(active.sections.values())[:3]), card.chosen, card.filter,
              card.order]  # fmt: skip
    assert seen[: len(wanted)] == wanted
    order = [buttons[one] for one in ("maps", "masks", "suggest", "next_structure", "clear", "clear_structure")]
    assert [one for one in seen if one in order] == order
    assert seen.index(buttons["next"]) + 1 == seen.index(buttons["accept"]), "what does not scroll comes last"
    assert active.open_panel.files not in seen, "what is folded away is passed over"
    came = []
    for _ in seen:
        press(active, Key.Key_Tab)
        came.append(focused())
    assert came == seen
    press(active, Key.Key_Tab)
    assert not active.isAncestorOf(focused()), "and then out of the panel"
    give(active, buttons["accept"])
    press(active, Key.Key_Backtab)
    assert focused() is buttons["next"]


def test_what_tab_leads_to_is_scrolled_into_sight(active: AdasamDock) -> None:
    active.viewer.window.set_geometry(0, 0, 1000, 500)
    QApplication.processEvents()
    give(active, active.annotate_panel.review.unusable)
    there = active.annotate_panel.review.unusable.mapTo(active.steps.viewport(), QPoint(0, 0)).y()
    assert 0 <= there < active.steps.viewport().height()


def test_everything_that_can_be_clicked_can_be_reached(active: AdasamDock) -> None:
    for section in active.sections.values():
        section.set_open(True)
    QApplication.processEvents()
    reached = set(stops(active))
    grouped = set(active.annotate_panel.structures.choices.values())
    grouped |= {one for name, one in active.annotate_panel.buttons.items() if active.commander.tool_of(name)}
    for kind in (QAbstractButton, QComboBox):
        for one in active.findChildren(kind):
            if one.isVisible() and one.isEnabled() and one not in grouped:
                assert one in reached, one.toolTip()
    assert len(reached & grouped) == 2, "the tool in hand and the structure in hand; arrows lead on from there"


def test_space_and_enter_press_once_and_are_no_command_on_the_image(active: AdasamDock) -> None:
    maps = active.annotate_panel.buttons["maps"]
    active.commander.run("brush")
    give(active, maps)
    window = active.window().windowHandle()
    for key in (Key.Key_Space, Key.Key_Return, Key.Key_Enter):
        shown = active.commander.maps_shown
        QTest.keyPress(window, key)
        QApplication.processEvents()
        assert active.tools.tool is Tool.BRUSH, "Space moves the image elsewhere"
        QTest.keyRelease(window, key)
        QApplication.processEvents()
        assert active.commander.maps_shown is not shown
        assert focused() is maps


def test_other_keys_stay_commands_whatever_control_has_the_keyboard(active: AdasamDock, qtbot: Any) -> None:
    panel, session = active.annotate_panel, active.annotator.session
    order, ticks = active.annotator.order, dict(session.ticks(session.current or ""))
    for control in (panel.buttons["undo"], panel.frame_card.order, panel.structures.ticks[1], panel.brush_size,
                    active.sections["learn"].header):  # fmt: skip
        active.commander.run("point")
        give(active, control)
        press(active, Key.Key_E)
        assert active.tools.tool is Tool.ERASER, control
        first = session.current
        press(active, Key.Key_A)
        wait_idle(active, qtbot)
        assert session.current != first, control
        press(active, Key.Key_3)
        wait_idle(active, qtbot)
        assert session.current == first, control
        assert active.annotator.order == order, "a letter chooses nothing from a list"
        assert dict(session.ticks(first or "")) == ticks, control


def test_arrows_choose_tool_structure_and_size_where_these_have_the_keyboard(active: AdasamDock) -> None:
    panel = active.annotate_panel
    active.commander.run("point")
    give(active, panel.buttons["point"])
    press(active, Key.Key_Right)
    assert active.tools.tool is Tool.NOT_POINT
    give(active, panel.structures.choices[1])
    press(active, Key.Key_Down)
    assert active.tools.structure == 2
    give(active, panel.brush_size)
    size = panel.brush_size.value()
    press(active, Key.Key_Right)
    assert panel.brush_size.value() == size + 1
    assert active.canvas.masks.layer.brush_size == size + 1


def test_a_list_opens_by_space_and_is_gone_through_by_arrows(active: AdasamDock) -> None:
    order = active.annotate_panel.frame_card.order
    give(active, order)
    press(active, Key.Key_Down)
    assert active.annotator.order == "active"
    press(active, Key.Key_Space)
    assert order.view().isVisible()
    order.hidePopup()
    press(active, Key.Key_Up)
    assert active.annotator.order == "file"


def test_who_presses_a_button_that_is_greyed_by_it_presses_no_other_one(active: AdasamDock, qtbot: Any) -> None:
    undo = active.annotate_panel.buttons["undo"]
    active.annotator.tick(2, False)
    wait_idle(active, qtbot)
    give(active, undo)
    while undo.isEnabled():
        press(active, Key.Key_Space)
        wait_idle(active, qtbot)
    assert focused() is active
    assert active.annotator.session.can_redo(active.annotator.session.current or "")
    press(active, Key.Key_Space, Key.Key_Return)
    assert active.annotator.session.can_redo(active.annotator.session.current or ""), "Redo lies next to it"
    active.annotator.tick(2, False)
    wait_idle(active, qtbot)
    assert focused() is undo, "and goes on there when it can be pressed again"


def test_accept_is_pressed_again_and_again(active: AdasamDock, qtbot: Any) -> None:
    give(active, active.annotate_panel.buttons["accept"])
    for done in (1, 2, 3):
        press(active, Key.Key_Space)
        wait_idle(active, qtbot)
        assert active.annotator.session.accepted == done
    assert focused() is active.annotate_panel.buttons["accept"]


def test_f6_leads_into_the_panel_and_back(active: AdasamDock) -> None:
    press(active, Key.Key_F6)
    assert focused() is active.help
    give(active, active.annotate_panel.buttons["maps"])
    press(active, Key.Key_F6)
    assert focused() is active
    press(active, Key.Key_F6)
    assert focused() is active.annotate_panel.buttons["maps"]


def test_a_click_leaves_the_keyboard_with_the_image(active: AdasamDock) -> None:
    for control in (active.annotate_panel.buttons["maps"], active.sections["learn"].header):
        QTest.mouseClick(control, Qt.MouseButton.LeftButton)
        assert focused() in (active, active.steps)


def test_what_has_the_keyboard_looks_otherwise(active: AdasamDock) -> None:
    panel = active.annotate_panel
    for control in (panel.buttons["maps"], panel.frame_card.order, panel.structures.ticks[1], panel.brush_size):
        active.setFocus()
        QApplication.processEvents()
        before = control.grab().toImage()
        give(active, control)
        assert control.grab().toImage() != before, control.toolTip()
