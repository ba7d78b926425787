"""Bland and Altman's plot of two readers as SVG: difference against mean, bias and limits with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np

from napari_adasam.domain.agreement import BlandAltman, Interval

WIDTH, HEIGHT, MARGIN = 560, 320, 64
TICKS = 5


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
    inner = "".join(f'<g transform="translate(0,{at * HEIGHT})">{_panel(one)}</g>' for at, one in enumerate(panels))
    height = HEIGHT * len(panels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>{inner}</svg>\n'
    )


def _panel(one: Panel) -> str:
    pairs = np.array(one.pairs, np.float64).reshape(-1, 2)
    mean, difference = pairs.mean(axis=1), pairs[:, 0] - pairs[:, 1]
    bands = [] if one.limits is None else [one.limits.lower, one.limits.bias, one.limits.upper]
    x_range = _padded(mean)
    y_range = _padded(np.concatenate([difference, [0.0], *([band.low, band.high] for band in bands)]))

    def at_x(value: float) -> float:
        return MARGIN + (value - x_range[0]) / (x_range[1] - x_range[0]) * (WIDTH - MARGIN - 20)

    def at_y(value: float) -> float:
        return HEIGHT - 48 - (value - y_range[0]) / (y_range[1] - y_range[0]) * (HEIGHT - 48 - 30)

    parts = [f'<text x="{MARGIN}" y="18" font-weight="bold">{escape(one.title)} · n = {len(pairs)}</text>']
    parts += _axes(one.unit, x_range, y_range)
    for name, band in zip(("lower limit", "bias", "upper limit"), bands, strict=False):
        parts += _band(name, band, at_y(band.value), at_y(band.high), at_y(band.low))
    parts += [
        f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3" fill="{one.color}" stroke="#333"/>'
        for x, y in zip(mean, difference, strict=True)
    ]
    return "".join(parts)


def _axes(unit: str, x_range: tuple[float, float], y_range: tuple[float, float]) -> list[str]:
    left, right, top, bottom = MARGIN, WIDTH - 20, 30, HEIGHT - 48
    parts = [f'<path d="M{left},{top}V{bottom}H{right}" fill="none" stroke="#333"/>']
    for share in np.linspace(0, 1, TICKS):
        x, y = left + share * (right - left), bottom - share * (bottom - top)
        x_value, y_value = (low + share * (high - low) for low, high in (x_range, y_range))
        parts.append(f'<text x="{x:.0f}" y="{bottom + 15}" text-anchor="middle">{x_value:.4g}</text>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.0f}" text-anchor="end">{y_value:.3g}</text>')
    middle = (top + bottom) // 2
    parts.append(f'<text x="{(left + right) // 2}" y="{bottom + 34}" text-anchor="middle">mean of both, {unit}</text>')
    parts.append(
        f'<text transform="translate(14,{middle}) rotate(-90)" text-anchor="middle">first − second, {unit}</text>'
    )
    return parts


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
