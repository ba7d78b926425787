"""Takes layers of ours into the viewer: all at once, or one in each turn of the event loop, for each takes 0.2 s."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from napari.layers import Layer
from napari.viewer import Viewer
from psygnal import Signal
from qtpy.QtCore import QObject, QTimer

from napari_adasam.ui.at_once import slice_hidden, without_choosing

MakeLayer = Callable[[], Layer | None]
AT_FIRST = 2
"""How many come at once where the others wait for their turns."""


class Laying:
    """One session's layers on their way into one viewer. GUI thread.

    Parameters
    ----------
    ours
        Gives all layers that are made, from the bottom up.
    parent
        What the timer belongs to.
    """

    put = Signal(object)
    """A layer is in the viewer now."""
    whole = Signal()
    """The last one that was waiting is."""

    def __init__(self, viewer: Viewer, ours: Callable[[], list[Layer]], parent: QObject | None) -> None:
        self._viewer, self._ours = viewer, ours
        self._waiting: deque[MakeLayer] = deque()
        self._next = QTimer(parent)
        self._next.setSingleShot(True)
        self._next.timeout.connect(self._put_next)
        self.changing = False
        """Whether it is we who change the viewer's layers."""

    @property
    def waiting(self) -> bool:
        """Whether some are still to come."""
        return bool(self._waiting)

    def lay(self, makers: Iterable[MakeLayer], in_turns: bool = False) -> None:
        """Put in what these make, unless it is there: all, or with ``in_turns`` the first two now."""
        self._waiting = deque(makers)
        for _ in range(AT_FIRST if in_turns else len(self._waiting)):
            self._put(self._waiting.popleft()())
        if self._waiting:
            self._next.start(0)

    def stop(self) -> None:
        """Put in no more."""
        self._next.stop()

    @contextmanager
    def ours_to_change(self) -> Iterator[None]:
        """Within, changes of the viewer's layers are our own."""
        before, self.changing = self.changing, True
        try:
            yield
        finally:
            self.changing = before

    def _put_next(self) -> None:
        if not self._waiting:
            return
        self._put(self._waiting.popleft()())
        if self._waiting:
            self._next.start(0)
        else:
            self.whole.emit()

    def _put(self, layer: Layer | None) -> None:
        if layer is None or layer in self._viewer.layers:
            return
        ours = self._ours()
        above = [one for one in ours[ours.index(layer) + 1 :] if one in self._viewer.layers]
        index = min((self._viewer.layers.index(one) for one in above), default=len(self._viewer.layers))
        slice_hidden(layer)
        with self.ours_to_change(), without_choosing(self._viewer.layers):
            self._viewer.layers.insert(index, layer)
        self.put.emit(layer)


def back_words(names: Sequence[str]) -> str:
    """That layers of ours, of these names, were deleted and are there again."""
    if len(names) == 1:
        return f"“{names[0]}” was deleted and is back: the program needs it. Your outlines are safe."
    return f"{len(names)} layers were deleted and are back: the program needs them. Your outlines are safe."
