"""Learning curves as SVG: what each image took, in the order of work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from napari_adasam.files.svg import HEIGHT, MARGIN, Axes, page

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333")
LINE = 16


@dataclass(frozen=True, slots=True)
class Curve:
    """One way of working: a value (and its place in the order of work, from 1 on) an image."""

    name: str
    points: tuple[tuple[float, float], ...]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class CurvePanel:
    """One figure of all ways of working."""

    title: str
    unit: str
    curves: tuple[Curve, ...]


def plot(panels: Sequence[CurvePanel]) -> str:
    """One panel below the other; the names of the curves, the same in each, stand under the last."""
    names = [(curve.name, curve.dashed) for curve in panels[0].curves]
    drawn = [_panel(one) for one in panels]
    drawn[-1] += "".join(_entry(at, *one) for at, one in enumerate(names))
    return page(drawn, below=LINE * len(names) + 12)


def _panel(one: CurvePanel) -> str:
    xs, ys = ([point[axis] for curve in one.curves for point in curve.points] for axis in (0, 1))
    high = max(ys) * 1.05 or 1.0
    axes = Axes((min(xs), max(max(xs), min(xs) + 1)), (0.0, high), "images worked on", one.unit)
    parts = [f'<text x="{MARGIN}" y="18" font-weight="bold">{escape(one.title)}</text>', *axes.drawn()]
    for at, curve in enumerate(one.curves):
        line = "L".join(f"{axes.at_x(x):.1f},{axes.at_y(y):.1f}" for x, y in curve.points)
        parts.append(f'<path d="M{line}" fill="none" {_style(at, curve.dashed)}/>')
    return "".join(parts)


def _entry(at: int, name: str, dashed: bool) -> str:
    y = HEIGHT + LINE * at + 4
    return f'<path d="M{MARGIN},{y}h36" {_style(at, dashed)}/><text x="{MARGIN + 44}" y="{y + 4}">{escape(name)}</text>'


def _style(at: int, dashed: bool) -> str:
    return f'stroke="{COLORS[at % len(COLORS)]}" stroke-width="2" stroke-dasharray="{"6 4" if dashed else ""}"'
