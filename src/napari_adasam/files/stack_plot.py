"""The thickness of each structure from frame to frame as SVG: accepted frames filled, propagated ones hollow."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from napari_adasam.domain.stacks import Counted, Curve, StackReport
from napari_adasam.domain.structures import Structure
from napari_adasam.files.svg import MARGIN, Axes, page


def plot(report: StackReport, structures: Sequence[Structure], name: str) -> str:
    """One panel a structure; ``name`` is the file's in the export."""
    known = {one.value: one for one in structures}
    return page([_panel(curve, known[curve.structure], report.axis, name) for curve in report.curves])


def _panel(curve: Curve, structure: Structure, along: str, name: str) -> str:
    xs, ys = [point.at for point in curve.points], [point.value for point in curve.points]
    axes = Axes(_around(xs), _around(ys), along, f"mean thickness, {curve.unit}")
    title = f"{name}: {structure.name} · filled: accepted, hollow: propagated"
    parts = [f'<text x="{MARGIN}" y="18" font-weight="bold">{escape(title)}</text>', *axes.drawn()]
    spots = [(axes.at_x(point.at), axes.at_y(point.value), point.counted) for point in curve.points]
    line = "L".join(f"{x:.1f},{y:.1f}" for x, y, _ in spots)
    parts.append(f'<path d="M{line}" fill="none" stroke="{structure.color}" stroke-width="1.5"/>')
    for x, y, counted in spots:
        fill = structure.color if counted is Counted.ACCEPTED else "white"
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{fill}" stroke="{structure.color}"/>')
    return "".join(parts)


def _around(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = 0.05 * (high - low) or max(abs(high), 1.0) * 0.05
    return low - pad, high + pad
