"""Work for the screen that waits as long as more is about to come, and is then done once."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from qtpy.QtCore import QObject, QTimer


class Later(QObject):
    """Does ``work`` when it is asked for: at once, or once for all requests of a short time. GUI thread.

    Parameters
    ----------
    delay
        Milliseconds that it can wait, as things are now; 0 for none.
    """

    def __init__(self, work: Callable[[], None], delay: Callable[[], int], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._work, self._delay = work, delay
        self._held, self._wanted = 0, False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._work)

    def ask(self, *_told: object) -> None:
        """Have it done; whatever a signal tells is taken and ignored."""
        if self._held:
            self._wanted = True
            return
        delay = self._delay()
        if not delay:
            self.stop()
            self._work()
        elif not self._timer.isActive():
            self._timer.start(delay)

    @contextmanager
    def together(self) -> Generator[None]:
        """What is asked for in here is done once, behind it: an accept sends half a dozen signals."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if self._wanted and not self._held:
                self._wanted = False
                self.ask()

    def stop(self) -> None:
        """Forget what was asked for."""
        self._wanted = False
        self._timer.stop()
