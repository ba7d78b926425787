"""The thickness of structures from frame to frame: accepted frames filled, propagated ones hollow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_adasam.domain.stacks import Counted, Curve

LEFT, TOP, BOTTOM, RIGHT = 40.0, 18.0, 30.0, 8.0
HEIGHT = 150
MOST_DOTS = 80
"""With more points on a curve, dots would hide it."""
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Area:
    """Where values lie on the widget."""

    box: QRectF
    xs: Range
    ys: Range

    def spot(self, x: float, y: float) -> QPointF:
        """The place of one value."""
        across = (x - self.xs[0]) / (self.xs[1] - self.xs[0])
        up = (y - self.ys[0]) / (self.ys[1] - self.ys[0])
        return QPointF(self.box.left() + across * self.box.width(), self.box.bottom() - up * self.box.height())


class CurvePlot(QWidget):
    """Curves over one axis, with the lowest and the highest value at each."""

    def __init__(self) -> None:
        super().__init__()
        self.curves: tuple[Curve, ...] = ()
        self._colors: Mapping[int, str] = {}
        self._axis = ""
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_curves(self, curves: Sequence[Curve], colors: Mapping[int, str], axis: str) -> None:
        """Draw curves in the colours of their structures; ``axis`` says what they run along."""
        self.curves, self._colors, self._axis = tuple(curves), colors, axis
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Draw frame, numbers and curves."""
        points = [point for curve in self.curves for point in curve.points]
        if not points:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(LEFT, TOP, self.width() - LEFT - RIGHT, self.height() - TOP - BOTTOM)
        area = Area(box, _span([point.at for point in points]), _span([point.value for point in points]))
        self._draw_frame(painter, area)
        for curve in self.curves:
            self._draw_curve(painter, area, curve)
        painter.end()

    def _draw_frame(self, painter: QPainter, area: Area) -> None:
        text = self.palette().windowText().color()
        faint = QColor(text)
        faint.setAlpha(90)
        painter.setPen(QPen(faint, 1))
        painter.drawRect(area.box)
        painter.setPen(text)
        units = " and ".join(dict.fromkeys(curve.unit for curve in self.curves))
        sides, box = Qt.AlignmentFlag, area.box
        title = f"Mean thickness, {units} (● accepted, ○ propagated)"
        painter.drawText(QRectF(2, 0, self.width() - 4, TOP), sides.AlignLeft, title)
        for value, y in ((area.ys[1], box.top() - 2), (area.ys[0], box.bottom() - 13)):
            painter.drawText(QRectF(0, y, LEFT - 4, 15), sides.AlignRight, f"{value:.3g}")
        below = QRectF(box.left(), box.bottom() + 2, box.width(), 15)
        for value, side in ((area.xs[0], sides.AlignLeft), (area.xs[1], sides.AlignRight)):
            painter.drawText(below, side, f"{value:.3g}")
        painter.drawText(below, sides.AlignHCenter, self._axis)

    def _draw_curve(self, painter: QPainter, area: Area, curve: Curve) -> None:
        color = QColor(self._colors.get(curve.structure, "gray"))
        spots = [area.spot(point.at, point.value) for point in curve.points]
        painter.setPen(QPen(color, 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(spots))
        if len(spots) > MOST_DOTS:
            return
        hollow = self.palette().window().color()
        for spot, point in zip(spots, curve.points, strict=True):
            painter.setBrush(color if point.counted is Counted.ACCEPTED else hollow)
            painter.drawEllipse(spot, 2.5, 2.5)


def _span(values: Sequence[float]) -> Range:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
