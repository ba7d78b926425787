"""Bland and Altman's plot of two readers as SVG: difference against mean, bias and limits with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np

from napari_adasam.domain.agreement import BlandAltman, Interval
from napari_adasam.files.svg import MARGIN, WIDTH, Axes, page


@dataclass(frozen=True, slots=True)
class Panel:
    """One structure's readings: (first, second) pairs in ``unit``."""

    title: str
    color: str
    pairs: tuple[tuple[float, float], ...]
    unit: str
    limits: BlandAltman | None


def plot(panels: Sequence[Panel]) -> str:
    """One panel below the other."""
    return page([_panel(one) for one in panels])


def _panel(one: Panel) -> str:
    pairs = np.array(one.pairs, np.float64).reshape(-1, 2)
    mean, difference = pairs.mean(axis=1), pairs[:, 0] - pairs[:, 1]
    bands = [] if one.limits is None else [one.limits.lower, one.limits.bias, one.limits.upper]
    y_range = _padded(np.concatenate([difference, [0.0], *([band.low, band.high] for band in bands)]))
    x_range = _padded(mean if len(mean) else np.zeros(1))
    axes = Axes(x_range, y_range, f"mean of both, {one.unit}", f"first − second, {one.unit}")
    parts = [f'<text x="{MARGIN}" y="18" font-weight="bold">{escape(one.title)} · n = {len(pairs)}</text>']
    parts += axes.drawn()
    for name, band in zip(("lower limit", "bias", "upper limit"), bands, strict=False):
        parts += _band(name, band, axes.at_y(band.value), axes.at_y(band.high), axes.at_y(band.low))
    parts += [
        f'<circle cx="{axes.at_x(x):.1f}" cy="{axes.at_y(y):.1f}" r="3" fill="{one.color}" stroke="#333"/>'
        for x, y in zip(mean, difference, strict=True)
    ]
    return "".join(parts)


def _band(name: str, band: Interval, y: float, top: float, bottom: float) -> list[str]:
    left, right = MARGIN, WIDTH - 20
    return [
        f'<rect x="{left}" y="{top:.1f}" width="{right - left}" height="{max(bottom - top, 0):.1f}" fill="#0072b2" '
        'opacity="0.1"/>',
        f'<path d="M{left},{y:.1f}H{right}" stroke="#0072b2" stroke-dasharray="{"" if name == "bias" else "5 4"}"/>',
        f'<text x="{right - 4}" y="{y - 4:.1f}" text-anchor="end" fill="#0072b2">{name} {band.value:.4g}</text>',
    ]


def _padded(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    pad = 0.08 * (high - low) or max(abs(high), 1.0) * 0.1
    return low - pad, high + pad
