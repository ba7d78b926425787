"""A step of the work in the dock: a title that folds, a summary beside it, and the panel below."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_adasam.ui.by_keys import by_tab
from napari_adasam.ui.commands import button_words
from napari_adasam.ui.elided import ElidedTitle


class Section(QWidget):
    """A titled step of one or more panels that folds away. ``summary`` stays readable while it is folded."""

    def __init__(self, title: str, *panels: QWidget) -> None:
        super().__init__()
        self._title = title
        self._body = QWidget()
        column = QVBoxLayout(self._body)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for panel in panels:
            column.addWidget(panel)
        self.header = ElidedTitle()
        self.header.setObjectName("sectionTitle")
        self.header.setCheckable(True)
        self.header.setChecked(True)
        by_tab(self.header)
        self.header.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.header.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.header.toggled.connect(self.set_open)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.header)
        layout.addWidget(self._body)
        self.set_summary("")
        self.set_open(True)

    @property
    def is_open(self) -> bool:
        """Whether the panel is shown."""
        return self.header.isChecked()

    def set_open(self, open_: bool) -> None:
        """Show or fold the panel."""
        self.header.setChecked(open_)
        self.header.setArrowType(Qt.ArrowType.DownArrow if open_ else Qt.ArrowType.RightArrow)
        self.header.setToolTip("Click to fold this step away" if open_ else "Click to open this step")
        self._body.setVisible(open_)

    def set_summary(self, summary: str) -> None:
        """Put a few words behind the title."""
        self.header.setText(f"{self._title} · {button_words(summary)}" if summary else self._title)


def reason_label() -> QLabel:
    """A line that says why something is not possible yet; hidden while it has nothing to say."""
    label = QLabel()
    label.setObjectName("reason")
    label.setWordWrap(True)
    label.hide()
    return label


def allow(button: QWidget, reason: str, label: QLabel | None = None, said: str = "") -> None:
    """Enable a button if ``reason`` is empty; else grey it, with the reason as tooltip and on the label.

    A reason that is ``said`` in sight already is not said by the label again.
    """
    if "tip" not in button.dynamicPropertyNames() and button.property("tip") is None:
        button.setProperty("tip", button.toolTip())
    button.setEnabled(not reason)
    tip = reason or str(button.property("tip") or "")
    if button.toolTip() != tip:  # setting it costs a millisecond even where it is the same
        button.setToolTip(tip)
    words = "" if reason == said else reason
    if label is not None and label.text() != words:
        label.setText(words)
    if label is not None:
        label.setVisible(bool(words))
