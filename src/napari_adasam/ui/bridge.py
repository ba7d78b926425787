"""From the lane's thread to the GUI thread: one queued Qt signal, nothing else."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, Signal, Slot

from napari_adasam.services.lane import Outcome


class Bridge(QObject):
    """Carries outcomes to whoever ``deliver`` is, on the thread that made the bridge.

    ``forward`` may be called on any thread; ``deliver`` is called on the GUI thread, in order.
    After ``close`` what still arrives is dropped.
    """

    _arrived = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._deliver: Callable[[Outcome], None] | None = None
        self._arrived.connect(self._on_arrived, Qt.ConnectionType.QueuedConnection)

    def connect_to(self, deliver: Callable[[Outcome], None]) -> None:
        """Name the receiver. GUI thread."""
        self._deliver = deliver

    def forward(self, outcome: Outcome) -> None:
        """Send an outcome over. Any thread."""
        self._arrived.emit(outcome)

    def close(self) -> None:
        """Drop what is still on its way. GUI thread."""
        self._deliver = None

    @Slot(object)
    def _on_arrived(self, outcome: Outcome) -> None:
        if self._deliver is not None:
            self._deliver(outcome)
