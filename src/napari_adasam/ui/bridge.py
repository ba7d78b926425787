"""From the lane's thread to the GUI thread: one queued Qt signal, nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, QTimer, Signal, Slot

from napari_adasam.services.lane import JobKind, Outcome

LOOK_AGAIN_MS = 20


def _never() -> bool:
    return False


class Bridge(QObject):
    """Carries outcomes to whoever ``deliver`` is, on the thread that made the bridge.

    ``forward`` may be called on any thread; ``deliver`` is called on the GUI thread, in order, once in a turn of the
    event loop: a clip's frames may come faster than they are taken in, and mouse and keys go between.
    After ``close`` what still arrives is dropped.
    """

    _arrived = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._deliver: Callable[[Outcome], None] | None = None
        self._drawing: Callable[[], bool] = _never
        self._waiting: deque[Outcome] = deque()
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.timeout.connect(self._hand_over)
        self._arrived.connect(self._on_arrived, Qt.ConnectionType.QueuedConnection)

    def connect_to(self, deliver: Callable[[Outcome], None], drawing: Callable[[], bool] = _never) -> None:
        """Name the receiver. GUI thread.

        While ``drawing()`` outcomes wait, because an outline that arrives in the middle of a stroke would be laid under
        the brush. After the stroke they come late, and whoever asked sees that. Learning changes no outline: its
        progress does not wait.
        """
        self._deliver, self._drawing = deliver, drawing

    def forward(self, outcome: Outcome) -> None:
        """Send an outcome over. Any thread."""
        self._arrived.emit(outcome)

    def close(self) -> None:
        """Drop what is still on its way. GUI thread."""
        self._deliver, self._drawing = None, _never
        self._waiting.clear()
        self._again.stop()

    @Slot(object)
    def _on_arrived(self, outcome: Outcome) -> None:
        if outcome.kind is not JobKind.TRAIN:
            self._waiting.append(outcome)
            if not self._again.isActive():
                self._hand_over()
        elif self._deliver is not None:
            self._deliver(outcome)

    def _hand_over(self) -> None:
        if not self._waiting or self._deliver is None:
            return
        if self._drawing():
            self._again.start(LOOK_AGAIN_MS)
            return
        self._again.start(0)  # before: what is delivered may close the bridge, or raise
        self._deliver(self._waiting.popleft())
