"""A clip at a glance: a bar for each frame, key frames marked, propagated ones as high as they are sure."""

from __future__ import annotations

from collections.abc import Sequence

from psygnal import Signal
from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_adasam.domain.items import Items, Standing
from napari_adasam.domain.propagation import STOP_BELOW
from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.session import Session
from napari_adasam.ui.panels.item_list import frame_words
from napari_adasam.ui.theme import STATUS_COLORS

HEIGHT, MARK = 34, 7
LOWEST = 0.35
"""Height of a bar that is just sure enough to be kept, as a share of the highest."""
ORDER = (Standing.ACCEPTED, Standing.OPEN, Standing.SKIPPED, Standing.PROPAGATED)
"""Which frame is shown where several share a pixel: the first of these."""


class ClipStrip(QWidget):
    """The frames of one file from left to right. A press or a drag goes to the frame below the mouse."""

    picked = Signal(str)

    def __init__(self, session: Session, items: Items) -> None:
        super().__init__()
        self._session = session
        self._items = items
        self.frames: Sequence[str] = ()
        self._places: dict[str, int] = {}
        self._current = ""
        self.setFixedHeight(HEIGHT)
        self.setAccessibleName("The frames of this file at a glance")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As wide as there is room."""
        return QSize(200, HEIGHT)

    def show_frames(self, frames: Sequence[str], current: str) -> None:
        """Show the frames of a file, and which one is on the screen."""
        if frames != self.frames:
            self.frames, self._places = frames, {one: at for at, one in enumerate(frames)}
        elif current == self._current:
            return
        self._current = current
        self.update()

    def renew(self, frame_id: str) -> None:
        """A frame stands otherwise."""
        if frame_id in self._places:
            self.update()

    def frame_at(self, x: float) -> str:
        """The frame at so many pixels from the left."""
        at = int(x * len(self.frames) / max(1, self.width()))
        return self.frames[min(max(at, 0), len(self.frames) - 1)]

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Draw a bar for each frame, or for each pixel where there are more frames."""
        if not self.frames:
            return
        painter = QPainter(self)
        count, wide = len(self.frames), self.width()
        bars = min(count, wide)
        gap = 1.0 if wide / bars > 4 else 0.0
        for at in range(bars):
            frame_id = self._shown(self.frames[at * count // bars : (at + 1) * count // bars])
            self._draw(painter, frame_id, QRectF(at * wide / bars, MARK, wide / bars - gap, HEIGHT - MARK))
        if self._current in self._places:
            painter.setPen(QPen(self.palette().windowText().color(), 2))
            left, right = (self._places[self._current] + end for end in (0, 1))
            width = max(4.0, (right - left) * wide / count - gap)
            painter.drawRect(QRectF(min(left * wide / count, wide - width), MARK, width, HEIGHT - MARK - 1))
        painter.end()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Go to the frame below the mouse."""
        if event is not None and self.frames:
            self._go(self.frame_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Go on to the frame below the mouse."""
        if event is not None and self.frames and event.buttons() & Qt.MouseButton.LeftButton:
            self._go(self.frame_at(event.position().x()))

    def event(self, event: QEvent | None) -> bool:
        """Say of the frame below the mouse how it stands."""
        if isinstance(event, QHelpEvent) and self.frames:
            frame_id = self.frame_at(event.pos().x())
            words = f"{self._session.frame(frame_id).stem}: {frame_words(self._session, frame_id)}"
            QToolTip.showText(event.globalPos(), words, self)
            return True
        return bool(super().event(event)) if event is not None else False

    def _go(self, frame_id: str) -> None:
        if frame_id != self._current:
            self.picked.emit(frame_id)

    def _shown(self, frames: Sequence[str]) -> str:
        if len(frames) == 1:
            return frames[0]
        return min(frames, key=lambda one: ORDER.index(self._items.standing(one)))

    def _draw(self, painter: QPainter, frame_id: str, area: QRectF) -> None:
        standing = self._items.standing(frame_id)
        status = FrameStatus.SUGGESTED if standing is Standing.PROPAGATED else self._session.status(frame_id)
        color = QColor(STATUS_COLORS[status][0])
        share = 1.0
        if standing is Standing.PROPAGATED:
            how = self._session.propagated(frame_id)
            sure = 0.0 if how is None else (how.confidence - STOP_BELOW) / (1 - STOP_BELOW)
            share = LOWEST + (1 - LOWEST) * min(max(sure, 0.0), 1.0)
        elif standing is Standing.OPEN:
            share = 0.15
        painter.fillRect(QRectF(area.left(), area.bottom() - share * area.height(), area.width(), HEIGHT), color)
        if standing is Standing.ACCEPTED:
            middle = area.center().x()
            mark = [QPointF(middle - 4, 0), QPointF(middle + 4, 0), QPointF(middle, MARK - 1)]
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color)
            painter.drawPolygon(QPolygonF(mark))
            painter.setBrush(Qt.BrushStyle.NoBrush)
