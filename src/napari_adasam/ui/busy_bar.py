"""A bar for how far something is, or that it goes on where nobody knows how far it is."""

from __future__ import annotations

from qtpy.QtCore import QTimer
from qtpy.QtGui import QRegion
from qtpy.QtWidgets import QProgressBar

STEP_MS = 400
PARTS = 4


class BusyBar(QProgressBar):
    """A progress bar whose block wanders in slow steps while ``total`` is not known.

    Qt's own moving bar draws the window some 30 times a second. A window with a canvas is put together anew for each,
    which took half of a core from the model where there is no graphics card.
    """

    def __init__(self) -> None:
        super().__init__()
        self._part = 0
        self._steps = QTimer(self)
        self._steps.setInterval(STEP_MS)
        self._steps.timeout.connect(self._move)

    @property
    def wanders(self) -> bool:
        """Whether the length of what goes on is not known."""
        return self._steps.isActive()

    def show_progress(self, done: int, total: int, busy: bool) -> None:
        """So far of so much; ``total`` of 0 is not known. Hidden while nothing is ``busy``."""
        self.setVisible(busy)
        self.setRange(0, total if busy and total else 1)
        self.setValue(done if busy and total else int(busy))
        if not busy or total:
            self._steps.stop()
            self.clearMask()
        elif not self.wanders:
            self._steps.start()
            self._move()

    def _move(self) -> None:
        """Show another part of the full bar."""
        width = self.width() // PARTS
        self.setMask(QRegion(self._part * width, 0, width, self.height()))
        self._part = (self._part + 1) % PARTS
