"""How smoothly the window lives: the gaps of its event loop, and when its canvas has been drawn."""

from __future__ import annotations

import time
from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QApplication, QWidget

from napari_adasam.evaluation.times import Times

INTERVAL_MS = 5


class Pulse:
    """A timer that fires every 5 ms and notes how late it comes. GUI thread.

    A gap is the time from one firing to the next: while a gap lasts, the window answers nothing.
    """

    def __init__(self) -> None:
        self.gaps: list[float] = []
        """In ms, since the last start."""
        self._last = 0.0
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self._beat)

    def start(self) -> None:
        """Begin to note gaps, from now."""
        self.gaps.clear()
        self._last = time.perf_counter()
        self._timer.start()

    def skip(self) -> None:
        """Leave the gap that lasts out: the script itself has just held the window, for a screenshot."""
        self._last = time.perf_counter()

    def stop(self) -> Times | None:
        """End, and give the gaps in ms, the one that lasts included; ``None`` if there was none."""
        if self._timer.isActive():
            self._beat()
        self._timer.stop()
        return Times.of(self.gaps)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.gaps.append(1000 * (now - self._last))
        self._last = now


class Painting(QObject):
    """Tells when what was asked for is on the screen: the end of the first drawing of the canvas after it is ready.

    GUI thread. The canvas is the largest napari canvas of this process that is shown.
    """

    def __init__(self) -> None:
        super().__init__()
        shown = [one for one in QApplication.allWidgets() if "CanvasBackend" in type(one).__name__ and one.isVisible()]
        self._canvas: QWidget = max(shown, key=lambda one: one.width() * one.height())
        self._ready: Callable[[], bool] | None = None
        self._asked = False
        self.at = 0.0
        self._canvas.installEventFilter(self)

    def watch(self, ready: Callable[[], bool]) -> None:
        """Wait for the next drawing after ``ready()``."""
        self._ready, self._asked, self.at = ready, False, 0.0

    def done(self) -> bool:
        """Whether it is on the screen; since when, in seconds of ``perf_counter``, is ``at``."""
        if not self.at and not self._asked and self._ready is not None and self._ready():
            self._asked = True  # once: a second drawing would hold up whatever is measured next
            self._canvas.update()  # where nothing that is drawn has changed, there would be no drawing
        return bool(self.at)

    def close(self) -> None:
        """Look no longer."""
        self._ready = None

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's name
        """Look on; nothing is held back."""
        if self._ready is not None and event is not None and event.type() == QEvent.Type.Paint:
            QTimer.singleShot(0, self._note)  # comes when the drawing has ended
        return False

    def _note(self) -> None:
        if not self.at and self._ready is not None and self._ready():
            self.at = time.perf_counter()
