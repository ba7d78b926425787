"""How smoothly the window lives: the gaps of its event loop."""

from __future__ import annotations

import time

from qtpy.QtCore import Qt, QTimer

from napari_adasam.evaluation.times import Times

INTERVAL_MS = 5


class Pulse:
    """A timer that fires every 5 ms and notes how late it comes. GUI thread.

    A gap is the time from one firing to the next: while a gap lasts, the window answers nothing.
    """

    def __init__(self) -> None:
        self._gaps: list[float] = []
        self._last = 0.0
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self._beat)

    def start(self) -> None:
        """Begin to note gaps, from now."""
        self._gaps.clear()
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> Times | None:
        """End, and give the gaps in ms; ``None`` if there was none."""
        self._timer.stop()
        return Times.of(self._gaps)

    def _beat(self) -> None:
        now = time.perf_counter()
        self._gaps.append(1000 * (now - self._last))
        self._last = now
