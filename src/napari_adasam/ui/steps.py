"""The steps of the work one below the other, in a panel that scrolls."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QFrame, QScrollArea, QSlider, QVBoxLayout, QWidget

from napari_adasam.ui.section import Section

TURNED_BY_WHEEL = (QComboBox, QAbstractSpinBox, QSlider)
LAID_OUT_MS = 50
"""After so long a step that was opened has its height, words that wrap included."""


class Steps(QScrollArea):
    """Scrolls to a step that is opened by hand; the wheel scrolls, and changes nothing that lies under the pointer."""

    def __init__(self, sections: Iterable[Section]) -> None:
        super().__init__()
        self._wanted: Section | None = None
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        steps = QWidget()
        steps.setMinimumWidth(1)  # one long name is cut off, and does not push what is to the right of it out of sight
        column = QVBoxLayout(steps)
        column.setContentsMargins(0, 0, 4, 0)
        column.setSpacing(4)
        for section in sections:
            column.addWidget(section)
            section.header.clicked.connect(partial(self.show_step, section))
        column.addStretch()
        for kind in TURNED_BY_WHEEL:
            for widget in steps.findChildren(kind):
                widget.installEventFilter(self)
        self.setWidget(steps)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def show_step(self, section: Section, *_: object) -> None:
        """Scroll to a step if it is open, once it is laid out."""
        if section.is_open:
            self._wanted = section
            QTimer.singleShot(LAID_OUT_MS, self._scroll)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's name
        """Take a turn of the wheel from a list, a number or a slider: Qt offers what is ignored to its parent."""
        if watched is None or event is None:
            return False
        if isinstance(watched, TURNED_BY_WHEEL) and event.type() == QEvent.Type.Wheel:
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Scroll with the wheel and the bar alone: arrows and page keys go through a clip, whatever was clicked."""
        if event is not None:
            event.ignore()

    def _scroll(self) -> None:
        if self._wanted is not None:
            self.ensureWidgetVisible(self._wanted, 0, 0)
            self.ensureWidgetVisible(self._wanted.header, 0, 0)  # the title, where the step is longer than the panel
            self._wanted = None
