"""What Qt tells a widget in napari's window: what is dropped on it, and that it was taken out of its dock."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QEvent, QMimeData, Qt, QTimer, Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QLineEdit, QWidget

from napari_adasam.ui.by_keys import KeyboardWay


def local_paths(mime: QMimeData) -> list[Path]:
    """The files and folders of this computer in what is dropped."""
    return [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]


class Docked(QWidget):
    """A widget that says when napari's "x" has closed it.

    napari deletes nothing then: it takes the widget out of its dock and lets go. Hiding, floating and moving the dock
    leave the widget in it.
    """

    undocked = Signal()
    """It was in a dock and is in none; said once the event loop has had a turn, for it may be put elsewhere at once."""
    dropped = Signal(list)
    """Paths of files and folders."""

    def __init__(self) -> None:
        super().__init__()
        self._was_docked = False
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)  # so that a press on a button ends what is typed elsewhere
        self.keyboard = KeyboardWay(self)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Look where it is now."""
        if event is None:
            return
        super().changeEvent(event)
        if event.type() != QEvent.Type.ParentChange:
            return
        if self.parent() is not None:
            self._was_docked = True
        elif self._was_docked:
            QTimer.singleShot(0, self._look_again)

    def focusNextPrevChild(self, next: bool) -> bool:  # noqa: N802 - Qt's names
        """Tab and Shift+Tab go through the controls as they lie."""
        return self.keyboard.step(next)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Keep what a text field has no use for, such as Ctrl+Y: napari would take it for a command on the image.

        Enter leaves the field, and keys are commands again.
        """
        if event is None:
            return
        if not isinstance(QApplication.focusWidget(), QLineEdit | QAbstractSpinBox):
            super().keyPressEvent(event)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.setFocus()

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802 - Qt's name
        """Accept files and folders."""
        if event is not None and event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802 - Qt's name
        """Tell what was dropped."""
        if event is not None:
            self.dropped.emit(local_paths(event.mimeData()))

    def _look_again(self) -> None:
        if self._was_docked and self.parent() is None:
            self._was_docked = False
            self.undocked.emit()
