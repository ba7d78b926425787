"""The keyboard's way through the panel: Tab goes from one control to the next, as they lie on the screen.

A click leaves the keyboard with the image: controls are reached by Tab alone. The one that has it takes what presses or
moves it (Space, Enter, and arrows where there is something to move); every other key stays a command on the image.
"""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QPoint, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractButton, QApplication, QComboBox, QSlider, QWidget

Key = Qt.Key
TAB = Qt.FocusPolicy.TabFocus
ENTER = (Key.Key_Return, Key.Key_Enter)
ALWAYS = (Key.Key_Tab, Key.Key_Backtab)
ARROWS = (Key.Key_Left, Key.Key_Right, Key.Key_Up, Key.Key_Down)
ROW_PX = 8
"""Controls whose middles lie no further below each other stand in one row."""


class Presses(QObject):
    """Gives a control the keys that press or move it, and lets all others pass."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's name
        """Sort the keys that are pressed."""
        if not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress or watched is None:
            return False
        key = event.key()  # a plain number: letters of other alphabets are no member of Qt's list
        if key in ALWAYS:
            return False
        if isinstance(watched, QAbstractButton):
            if key in ENTER and not event.isAutoRepeat():
                watched.click()
                return True
            mine = key == Key.Key_Space or key in ENTER or (_is_one_of_several(watched) and key in ARROWS)
        elif isinstance(watched, QComboBox):
            if key in (*ENTER, Key.Key_Space):
                watched.showPopup()
                return True
            mine = key in (Key.Key_Up, Key.Key_Down)
        else:
            mine = isinstance(watched, QSlider) and key in ARROWS
        if not mine:
            event.ignore()  # Qt offers it to the panel then, and napari takes it
        return not mine


def by_tab(control: QWidget) -> None:
    """Let Tab reach a control, and nothing else."""
    control.setFocusPolicy(TAB)
    control.installEventFilter(Presses(control))


def stops(panel: QWidget) -> list[QWidget]:
    """What Tab stops at now, from top to bottom and in each row from left to right."""
    found = []
    for one in panel.findChildren(QWidget):
        if one.isEnabled() and one.isVisible() and one.window() is panel.window() and _takes_tab(one):
            found.append((*_place(panel, one), one))
    found.sort(key=lambda stop: stop[:2])
    rows: list[list[tuple[int, int, int, QWidget]]] = []
    for stop in found:
        if not rows or stop[0] != rows[-1][0][0] or stop[1] - rows[-1][0][1] > ROW_PX:
            rows.append([])
        rows[-1].append(stop)
    return [stop[3] for row in rows for stop in sorted(row, key=lambda one: one[2])]


def _takes_tab(one: QWidget) -> bool:
    """Whether Tab stops at it; of a group of which one button is pressed at that one, and arrows go on from there."""
    if isinstance(one, QAbstractButton) and _is_one_of_several(one):
        pressed = one.group().checkedButton()
        return pressed is None or pressed is one
    return one.focusProxy() is None and bool(one.focusPolicy() & TAB)


def _is_one_of_several(button: QAbstractButton) -> bool:
    return button.group() is not None and button.group().exclusive()


def _beside(one: QWidget, forward: bool) -> QWidget | None:
    return one.nextInFocusChain() if forward else one.previousInFocusChain()


def _place(panel: QWidget, one: QWidget) -> tuple[int, int, int]:
    """Where the part of the panel that it stands in begins, and its middle within that; a part may scroll."""
    part = one
    while (around := part.parentWidget()) is not None and around is not panel:
        part = around
    middle = one.mapTo(part, QPoint(one.width() // 2, one.height() // 2))
    return part.y(), middle.y(), middle.x()


class KeyboardWay(QObject):
    """Leads the keyboard through one panel, and keeps it from a control that it was not given to. GUI thread."""

    def __init__(self, panel: QWidget) -> None:
        super().__init__(panel)
        self._panel = panel
        self._greyed: QWidget | None = None  # had the keyboard when it was greyed or went out of sight
        self._last: QWidget | None = None
        self._moving = False
        self._application = QApplication.instance()
        if isinstance(self._application, QApplication):
            self._application.focusChanged.connect(self._on_focus)

    def close(self) -> None:
        """Follow the keyboard no more."""
        if isinstance(self._application, QApplication):
            self._application.focusChanged.disconnect(self._on_focus)

    def step(self, forward: bool) -> bool:
        """Go to the next control or the one before; beyond the last one, out of the panel."""
        here, now = stops(self._panel), QApplication.focusWidget()
        if now is not None and self._panel.isAncestorOf(now) and not (now.isEnabled() and now.isVisible()):
            self._greyed = now  # Qt asks where to now; nobody has pressed Tab
            self._panel.setFocus()
            return True
        at = next((place for place, one in enumerate(here) if one is now), -1 if forward else len(here))
        at += 1 if forward else -1
        if 0 <= at < len(here):
            self._give(here[at], forward)
            return True
        return self._leave(forward)

    def in_or_out(self) -> None:
        """Go to the control that had the keyboard last, or the first one; from a control, back to the image."""
        here, now = stops(self._panel), QApplication.focusWidget()
        if any(one is now for one in here) or not here:
            self._panel.setFocus()
        else:
            self._give(next((one for one in here if one is self._last), here[0]), forward=True)

    def give_back(self) -> None:
        """A control that was greyed while it had the keyboard has it again, if nothing else got it meanwhile."""
        greyed = self._greyed
        if greyed is not None and self._panel.hasFocus() and any(one is greyed for one in stops(self._panel)):
            self._give(greyed, forward=True)

    def _give(self, one: QWidget, forward: bool) -> None:
        self._moving = True
        one.setFocus(Qt.FocusReason.TabFocusReason if forward else Qt.FocusReason.BacktabFocusReason)
        self._moving = False

    def _leave(self, forward: bool) -> bool:
        one = _beside(self._panel, forward)
        while one is not None and one is not self._panel:
            if _takes_tab(one) and one.isEnabled() and one.isVisible() and not self._panel.isAncestorOf(one):
                one.setFocus(Qt.FocusReason.TabFocusReason)
                return True
            one = _beside(one, forward)
        return False

    def _on_focus(self, old: QWidget | None, new: QWidget | None) -> None:
        """Remember what had the keyboard; who comes in by Tab begins at the top."""
        panel = self._panel
        if new is None or new is panel:
            return
        self._greyed = None
        if not panel.isAncestorOf(new):
            return
        self._last = new
        here = old is None or old is panel or panel.isAncestorOf(old) or old.window() is not new.window()
        if not here and not self._moving and new.focusPolicy() == TAB:
            self._give(stops(panel)[0], forward=True)
