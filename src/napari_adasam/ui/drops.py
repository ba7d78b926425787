"""Files dropped anywhere on our own window go to the session, as on the panel.

napari would first ask which reader to take. With a key held (Alt, Shift) it still does, and shows them as its layers.
"""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QWidget

from napari_adasam.ui.docked import Docked, local_paths


class WindowDrops(QObject):
    """Hands what is dropped on the window around a docked widget to that widget.

    Parameters
    ----------
    docked
        Already in its window; the parts of the window that take drops now are watched as long as it lives.
    """

    def __init__(self, docked: Docked) -> None:
        super().__init__(docked)
        self._docked = docked
        for widget in docked.window().findChildren(QWidget):
            if widget.acceptDrops() and widget is not docked and not docked.isAncestorOf(widget):
                widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's name
        """Take a drop of files without a key held; leave everything else."""
        if isinstance(event, QDropEvent) and event.type() == QEvent.Type.Drop and self._is_beside(watched):
            paths = local_paths(event.mimeData())
            if paths and event.modifiers() == Qt.KeyboardModifier.NoModifier:
                event.acceptProposedAction()
                self._docked.dropped.emit(paths)
                return True
        return False

    def _is_beside(self, watched: QObject | None) -> bool:
        """Whether the docked widget is in the same window still: napari's "x" takes it out."""
        return isinstance(watched, QWidget) and watched.window() is self._docked.window()
