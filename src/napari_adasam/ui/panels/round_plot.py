"""Small drawings of learning: the loss of the running round, and held-out Dice by round."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

Values = Sequence[float | None]
"""One a step; ``None`` where there is none."""
MARGIN_LEFT, MARGIN_TOP, MARGIN_BOTTOM, MARGIN_RIGHT = 34.0, 16.0, 6.0, 8.0


class LinePlot(QWidget):
    """Lines over steps, with their lowest and highest value beside the axis. Colours follow the palette."""

    def __init__(self, title: str, height: int = 74) -> None:
        super().__init__()
        self.title = title
        self._lines: list[tuple[str, tuple[float | None, ...]]] = []
        self._limits: tuple[float, float] | None = None
        self.setFixedHeight(height)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_lines(self, lines: Sequence[tuple[str, Values]], limits: tuple[float, float] | None = None) -> None:
        """Draw lines: a colour, which several may share, and values each; y spans ``limits``, or the values."""
        self._lines = [(color, tuple(values)) for color, values in lines]
        self._limits = limits
        self.update()

    def values(self) -> tuple[tuple[float | None, ...], ...]:
        """What is drawn, for those who cannot see it."""
        return tuple(values for _, values in self._lines)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Draw title, frame, limits and lines."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().windowText().color()
        painter.setPen(text)
        painter.drawText(QRectF(2, 0, self.width() - 4, MARGIN_TOP), Qt.AlignmentFlag.AlignLeft, self.title)
        area = QRectF(
            MARGIN_LEFT,
            MARGIN_TOP,
            self.width() - MARGIN_LEFT - MARGIN_RIGHT,
            self.height() - MARGIN_TOP - MARGIN_BOTTOM,
        )
        faint = QColor(text)
        faint.setAlpha(90)
        painter.setPen(QPen(faint, 1))
        painter.drawRect(area)
        low, high = self._span()
        painter.setPen(text)
        painter.drawText(QRectF(0, area.top() - 3, MARGIN_LEFT - 4, 14), Qt.AlignmentFlag.AlignRight, f"{high:.2f}")
        painter.drawText(QRectF(0, area.bottom() - 12, MARGIN_LEFT - 4, 14), Qt.AlignmentFlag.AlignRight, f"{low:.2f}")
        for color, values in reversed(self._lines):  # the first on top
            self._draw_line(painter, area, QColor(color), values)
        painter.end()

    def _span(self) -> tuple[float, float]:
        if self._limits is not None:
            return self._limits
        values = [value for _, line in self._lines for value in line if value is not None]
        if not values:
            return (0.0, 1.0)
        return (min(values), max(max(values), min(values) + 1e-6))

    def _draw_line(self, painter: QPainter, area: QRectF, color: QColor, values: Values) -> None:
        low, high = self._span()
        longest = max(len(line) for _, line in self._lines)
        spots = [
            QPointF(
                area.left() + area.width() * (at / max(1, longest - 1)),
                area.bottom() - area.height() * (min(max(value, low), high) - low) / (high - low),
            )
            for at, value in enumerate(values)
            if value is not None
        ]
        painter.setPen(QPen(color, 2))
        for one, other in pairwise(spots):
            painter.drawLine(one, other)
        if len(spots) <= 12:
            painter.setBrush(color)
            for spot in spots:
                painter.drawEllipse(spot, 2.5, 2.5)
