"""The page and the axes of plots that are written as SVG."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np

WIDTH, HEIGHT, MARGIN = 560, 320, 64
TICKS = 5
NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that no XML may have; a name that was pasted in or read from a file can."""
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axes:
    """One panel's axes: which values (low, high) they show, and what stands at them."""

    x_range: Range
    y_range: Range
    x_label: str
    y_label: str

    left, right, top, bottom = MARGIN, WIDTH - 20, 30, HEIGHT - 48

    def at_x(self, value: float) -> float:
        """Where on the panel a value lies, in its units from the left."""
        share = (value - self.x_range[0]) / (self.x_range[1] - self.x_range[0])
        return self.left + share * (self.right - self.left)

    def at_y(self, value: float) -> float:
        """Where on the panel a value lies, in its units from the top."""
        share = (value - self.y_range[0]) / (self.y_range[1] - self.y_range[0])
        return self.bottom - share * (self.bottom - self.top)

    def drawn(self) -> list[str]:
        """Lines, ticks and labels."""
        parts = [f'<path d="M{self.left},{self.top}V{self.bottom}H{self.right}" fill="none" stroke="#333"/>']
        for x, y in zip(np.linspace(*self.x_range, TICKS), np.linspace(*self.y_range, TICKS), strict=True):
            place = f'x="{self.at_x(x):.0f}" y="{self.bottom + 15}"'
            parts.append(f'<text {place} text-anchor="middle">{x:.4g}</text>')
            parts.append(f'<text x="{self.left - 6}" y="{self.at_y(y) + 4:.0f}" text-anchor="end">{_tick(y)}</text>')
        below = f'x="{(self.left + self.right) // 2}" y="{self.bottom + 34}"'
        beside = f'transform="translate(14,{(self.top + self.bottom) // 2}) rotate(-90)"'
        parts.append(f'<text {below} text-anchor="middle">{escape(self.x_label)}</text>')
        parts.append(f'<text {beside} text-anchor="middle">{escape(self.y_label)}</text>')
        return parts


def _tick(value: float) -> str:
    """Three digits, or whole numbers where there are more: no powers of ten beside the axis."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def page(panels: Sequence[str], below: int = 0) -> str:
    """One panel below the other, on white, with so much room under the last."""
    inner = "".join(f'<g transform="translate(0,{at * HEIGHT})">{one}</g>' for at, one in enumerate(panels))
    inner = NOT_XML.sub("\ufffd", inner)
    height = HEIGHT * len(panels) + below
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="11"><rect width="{WIDTH}" height="{height}" fill="white"/>{inner}</svg>\n'
    )
