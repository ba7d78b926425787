"""Shapes whose figures are known exactly, drawn on a grid of pixels: a pixel is inside where its middle is.

Lengths are in mm; a shape lies round (0, 0), with ``along`` to the right and ``across`` downwards before it is turned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi, sin, tan

import numpy as np
from scipy.special import ellipe

from napari_adasam.domain.records import Labels, Spacing

Inside = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Shape:
    """A shape with its true figures; those that are 0 are not used."""

    name: str
    inside: Inside
    reach: float
    area: float = 0.0
    perimeter: float = 0.0
    longest: float = 0.0
    narrowest: float = 0.0
    thickness: float = 0.0
    middle: float = 0.0
    thinnest: float = 0.0


def rectangle(width: float, height: float) -> Shape:
    diagonal = float(np.hypot(width, height))
    return Shape(
        f"rectangle {width:g} × {height:g}",
        lambda along, across: (abs(along) <= width / 2) & (abs(across) <= height / 2),
        diagonal / 2,
        width * height,
        2 * (width + height),
        diagonal,
        min(width, height),
        height,
        height,
        height,
    )


def ellipse(a: float, b: float) -> Shape:
    """Half-axes a along, b across. 4·a·E(1 − b²/a²) is its exact circumference."""
    name = f"disc of radius {a:g}" if a == b else f"ellipse of half-axes {a:g} and {b:g}"
    return Shape(
        name,
        lambda along, across: (along / a) ** 2 + (across / b) ** 2 <= 1,
        max(a, b),
        pi * a * b,
        float(4 * a * ellipe(1 - (b / a) ** 2)),
        2 * max(a, b),
        2 * min(a, b),
    )


def ring(inner: float, outer: float) -> Shape:
    return Shape(
        f"ring of radii {inner:g} and {outer:g}",
        lambda along, across: (np.hypot(along, across) <= outer) & (np.hypot(along, across) >= inner),
        outer,
        pi * (outer**2 - inner**2),
        2 * pi * (inner + outer),
        2 * outer,
        2 * outer,
    )


def wedge(start: float, end: float, degrees: float) -> Shape:
    """Between two lines that meet at this angle, from ``start`` to ``end`` from the tip along the bisector."""
    slope, middle = tan(np.radians(degrees) / 2), (start + end) / 2
    return Shape(
        f"wedge of {degrees:g}°, {2 * start * slope:.1f} to {2 * end * slope:.1f} thick",
        lambda along, across: (abs(along) <= (end - start) / 2) & (abs(across) <= (along + middle) * slope),
        float(np.hypot((end - start) / 2, end * slope)),
        thickness=2 * middle * slope,
        middle=2 * middle * slope,
        thinnest=2 * start * slope,
    )


def band(inner: float, outer: float, degrees: float) -> Shape:
    """Between two concentric arcs of this angle: a muscle that bends."""
    radius, half = (inner + outer) / 2, np.radians(degrees) / 2

    def inside(along: np.ndarray, across: np.ndarray) -> np.ndarray:
        distance, angle = np.hypot(along, across - radius), np.arctan2(along, radius - across)
        return (distance >= inner) & (distance <= outer) & (abs(angle) <= half)

    wide = outer - inner
    return Shape(
        f"band {wide:g} thick, radius {radius:g}, {degrees:g}°",
        inside,
        outer * max(sin(half), 1 - cos(half)) + wide,
        half * (outer**2 - inner**2),
        2 * half * (inner + outer) + 2 * wide,
        thickness=wide,
        middle=wide,
        thinnest=wide,
    )


def draw(
    shape: Shape,
    degrees: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
    pixel: tuple[float, float] = (1.0, 1.0),
) -> Labels:
    """A label image with the shape as 1, turned clockwise, its middle ``shift`` (y, x) mm off that of the picture."""
    sides = [2 * int(np.ceil((shape.reach + abs(move)) / size) + 3) for move, size in zip(shift, pixel, strict=True)]
    y, x = (
        (index + 0.5 - side / 2) * size - move
        for index, side, size, move in zip(np.indices(sides), sides, pixel, shift, strict=True)
    )
    turn = np.radians(degrees)
    return np.asarray(shape.inside(x * cos(turn) + y * sin(turn), y * cos(turn) - x * sin(turn)), np.uint8)


def spacing(pixel: tuple[float, float]) -> Spacing:
    return Spacing(*pixel, "by hand")
