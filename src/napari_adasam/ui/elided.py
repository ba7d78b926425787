"""Titles and lists whose words are longer than there is room for: "…" says that something is left out."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QRadioButton,
    QStyle,
    QStyleOptionButton,
    QStyleOptionComboBox,
    QStyleOptionToolButton,
    QStylePainter,
    QToolButton,
)

from napari_adasam.ui.commands import button_words

TITLE_PX, CHOICE_PX, LIST_PX = 24, 24, 46
"""Beside the words: an arrow or a ring, and the space around both."""
SHORTEST_PX = 60
"""A name is not cut down to less than that."""


class ElidedTitle(QToolButton):
    """A button with an arrow to the left of its words."""

    def words(self) -> str:
        """What there is room for."""
        return _fitting(self, self.width() - TITLE_PX)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Draw it with what there is room for."""
        option = QStyleOptionToolButton()
        self.initStyleOption(option)
        option.text = self.words()
        QStylePainter(self).drawComplexControl(QStyle.ComplexControl.CC_ToolButton, option)


class ElidedChoice(QRadioButton):
    """One of several things to choose."""

    def words(self) -> str:
        """What there is room for."""
        return _fitting(self, self.width() - CHOICE_PX)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Draw it with what there is room for."""
        option = QStyleOptionButton()
        self.initStyleOption(option)
        option.text = self.words()
        QStylePainter(self).drawControl(QStyle.ControlElement.CE_RadioButton, option)


class ElidedList(QComboBox):
    """A list to choose from, of lines such as "name · state": of what is chosen the name is cut, if that is enough."""

    def words(self) -> str:
        """What there is room for."""
        text = self.currentText() if self.currentIndex() >= 0 else self.placeholderText()
        metrics, room = self.fontMetrics(), self.width() - LIST_PX
        name, dot, state = text.partition(" · ")
        left = room - metrics.horizontalAdvance(dot + state)
        if dot and left >= SHORTEST_PX:
            return metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, left) + dot + state
        return metrics.elidedText(text, Qt.TextElideMode.ElideRight, room)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Draw it with what there is room for."""
        option, painter = QStyleOptionComboBox(), QStylePainter(self)
        self.initStyleOption(option)
        option.currentText = self.words()
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


def _fitting(button: QAbstractButton, room: int) -> str:
    """So much of a button's words as fits; "&&" is one letter of them, see ``button_words``."""
    shown = button.text().replace("&&", "&")
    return button_words(button.fontMetrics().elidedText(shown, Qt.TextElideMode.ElideRight, room))
