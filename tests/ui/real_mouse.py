"""A mouse on napari's canvas: Qt's own events, sent to the canvas widget, at image pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_adasam.ui.dock import AdasamDock

LEFT = Qt.MouseButton.LeftButton
RIGHT = Qt.MouseButton.RightButton
NONE = Qt.MouseButton.NoButton


class RealMouse:
    """Presses, moves and releases on the canvas of a dock's viewer; positions are image pixels (y, x)."""

    def __init__(self, dock: AdasamDock) -> None:
        self._dock = dock
        window = dock.window()
        self.canvas: QWidget = next(
            one for one in window.findChildren(QWidget) if "CanvasBackend" in type(one).__name__
        )

    def press(self, pixel: tuple[float, float], button: Any = LEFT) -> None:
        self._send(QEvent.Type.MouseMove, pixel, NONE, NONE)  # as a hand does: there first, then down
        self._send(QEvent.Type.MouseButtonPress, pixel, button, button)

    def move(self, pixel: tuple[float, float], buttons: Any = LEFT) -> None:
        self._send(QEvent.Type.MouseMove, pixel, NONE, buttons)

    def release(self, pixel: tuple[float, float], button: Any = LEFT) -> None:
        self.move(pixel, button)
        self._send(QEvent.Type.MouseButtonRelease, pixel, button, NONE)

    def click(self, pixel: tuple[float, float]) -> None:
        self.press(pixel)
        self.release(pixel)

    def drag(self, path: Sequence[tuple[float, float]]) -> None:
        self.press(path[0])
        for pixel in path[1:]:
            self.move(pixel)
        self.release(path[-1])

    def _send(self, kind: Any, pixel: tuple[float, float], button: Any, buttons: Any) -> None:
        at = self._place(pixel)
        above = QPointF(self.canvas.mapToGlobal(at.toPoint()))
        event = QMouseEvent(kind, at, above, button, buttons, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(self.canvas, event)
        QApplication.processEvents()

    def _place(self, pixel: tuple[float, float]) -> QPointF:
        """Where an image pixel is on the canvas, from napari's camera."""
        image, camera = self._dock.canvas.image, self._dock.viewer.scene.camera
        assert image is not None
        world = image.data_to_world(pixel)[-2:]
        y, x = ((at - middle) * camera.zoom for at, middle in zip(world, camera.center[-2:], strict=True))
        return QPointF(x + self.canvas.width() / 2, y + self.canvas.height() / 2)
