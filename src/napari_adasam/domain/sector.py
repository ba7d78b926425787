"""The scan sector: the part of a picture that shows tissue, and not the scanner's interface or the black around a fan.

A sector is its outline in image pixels, rows first (y, x), the centre of the first pixel at (0, 0). A pixel belongs to
it if its centre lies inside the outline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal

import numpy as np

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Mask

Vertex = tuple[float, float]
Kind = Literal["rectangle", "fan", "polygon", "whole"]
Source = Literal["found", "by hand"]
SMALLEST_SIDE = 8.0
"""A sector drawn by hand is at least so many pixels high and wide."""
WORDS = {"rectangle": "a rectangle", "fan": "a fan", "polygon": "a polygon", "whole": "the whole picture"}


@dataclass(frozen=True, slots=True)
class Fan:
    """A curved probe's scan: the ring sector between two radii around an apex.

    Parameters
    ----------
    apex
        (y, x) in pixels, where the side edges meet; above the picture as a rule.
    near, far
        Radii of the probe's face and of the deepest line, in pixels.
    left, right
        Angles of the side edges in radians, from straight down, positive to the right.
    """

    apex: Vertex
    near: float
    far: float
    left: float
    right: float

    def outline(self, arc: int = 48) -> tuple[Vertex, ...]:
        """The ring sector as a polygon, each arc in ``arc`` pieces."""
        angles = np.linspace(self.left, self.right, arc + 1)
        upper = [_around(self.apex, self.near, float(angle)) for angle in angles]
        lower = [_around(self.apex, self.far, float(angle)) for angle in angles[::-1]]
        return tuple(upper + lower)


@dataclass(frozen=True, slots=True)
class Sector:
    """What of a picture is the scan.

    Parameters
    ----------
    kind
        ``"whole"``: nothing else was found, or the clinician wants the whole picture.
    outline
        Vertices (y, x) in image pixels; empty for the whole picture.
    source
        ``"found"`` by the program, or ``"by hand"``.
    fan
        The fitted shape, where a fan was found; the outline is cut to the picture by :meth:`mask` only.
    """

    kind: Kind
    outline: tuple[Vertex, ...] = field(default=(), repr=False)
    source: Source = "found"
    fan: Fan | None = None

    def __post_init__(self) -> None:
        if self.kind not in WORDS:
            raise ValueError(f"expected a kind of {', '.join(WORDS)}, got {self.kind!r}")
        if (self.kind == "whole") != (not self.outline) or 0 < len(self.outline) < 3:
            raise ValueError(f"expected three vertices or more (none for the whole picture), got {len(self.outline)}")
        if not all(isfinite(number) for vertex in self.outline for number in vertex):
            raise ValueError("expected finite vertices")

    @property
    def words(self) -> str:
        """What it is, for people."""
        return f"{WORDS[self.kind]}, {self.source}"

    def mask(self, shape: tuple[int, int]) -> Mask:
        """The valid region (height, width) bool: true where the picture shows tissue."""
        if self.kind == "whole":
            return np.ones(shape, np.bool_)
        return fill_polygon(self.outline, shape)


def rectangle(y0: float, x0: float, y1: float, x1: float, source: Source = "found") -> Sector:
    """A rectangular sector; both corners are pixels inside it."""
    top, left, bottom, right = y0 - 0.5, x0 - 0.5, y1 + 0.5, x1 + 0.5
    return Sector("rectangle", ((top, left), (top, right), (bottom, right), (bottom, left)), source)


def whole_picture(source: Source = "found") -> Sector:
    """No part of the picture is left out."""
    return Sector("whole", (), source)


def drawn_sector(vertices: Sequence[Vertex], shape: tuple[int, int]) -> Sector:
    """A clinician's sector, cut to a picture of (height, width): two opposite corners, or three vertices and more.

    InputError if it is too small to be a scan.
    """
    cut = tuple((min(max(y, -0.5), shape[0] - 0.5), min(max(x, -0.5), shape[1] - 0.5)) for y, x in vertices)
    sides = [max(values) - min(values) for values in zip(*cut, strict=True)] if cut else [0.0]
    if len(cut) < 2 or min(sides) < SMALLEST_SIDE:
        raise InputError(
            f"A scan sector must be at least {SMALLEST_SIDE:.0f} pixels high and wide. The earlier one was kept; "
            "draw it again."
        )
    if len(cut) > 2:
        return Sector("polygon", cut, "by hand")
    (y0, x0), (y1, x1) = cut
    top, bottom, left, right = min(y0, y1), max(y0, y1), min(x0, x1), max(x0, x1)
    return Sector("rectangle", ((top, left), (top, right), (bottom, right), (bottom, left)), "by hand")


def fill_polygon(outline: Sequence[Vertex], shape: tuple[int, int]) -> Mask:
    """Pixels whose centre lies inside a polygon, (height, width) bool, by the even-odd rule."""
    height, width = shape
    here = np.asarray(outline, np.float64)
    there = np.roll(here, -1, axis=0)
    flips = np.zeros((height, width + 1), np.uint8)  # it may run over: only odd or even counts
    for (y0, x0), (y1, x1) in zip(here, there, strict=True):
        first, last = int(np.ceil(min(y0, y1))), int(np.ceil(max(y0, y1)))
        rows = np.arange(max(first, 0), min(last, height))
        if rows.size:
            crossing = x0 + (rows - y0) * (x1 - x0) / (y1 - y0)
            np.add.at(flips, (rows, np.clip(np.ceil(crossing), 0, width).astype(np.intp)), 1)
    inside: Mask = np.cumsum(flips, axis=1, dtype=np.uint8)[:, :width] % 2 == 1
    return inside


def _around(apex: Vertex, radius: float, angle: float) -> Vertex:
    return float(apex[0] + radius * np.cos(angle)), float(apex[1] + radius * np.sin(angle))
