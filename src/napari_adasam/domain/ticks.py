"""Looks for the marks of a scanner's ruler beside the scan: small, alike, and at even distances.

What is found is a proposal. How many mm one distance is, only a person can say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.lazily import ndimage
from napari_adasam.domain.records import Mask
from napari_adasam.domain.sector import Sector

CONTRAST = 20
"""A mark is so many grey values brighter than what is above and below it."""
THICKEST = 4
"""A mark is at most so many pixels high."""
LENGTH = 3
"""A mark is at least so many pixels long."""
FEWEST = 4
CLOSEST = 12.0
"""Distance of two marks in pixels; closer ones are text, or too rough to measure by."""
OFF = 1.0
"""Each mark lies so near to its even place, in pixels."""
SPAN = 0.4
"""The marks reach along this share of the scan's side, or more."""


@dataclass(frozen=True, slots=True)
class Ticks:
    """Marks in a row: the first and the last (y, x) in image pixels, and how many there are."""

    first: tuple[float, float]
    last: tuple[float, float]
    count: int

    @property
    def interval(self) -> float:
        """Distance of two neighbouring marks in pixels."""
        return float(np.hypot(self.last[0] - self.first[0], self.last[1] - self.first[1])) / (self.count - 1)

    def places(self) -> list[tuple[float, float]]:
        """Where the marks are (y, x), at even distances."""
        rows = np.linspace(self.first[0], self.last[0], self.count)
        columns = np.linspace(self.first[1], self.last[1], self.count)
        return [(float(y), float(x)) for y, x in zip(rows, columns, strict=True)]


def find_ticks(grey: NDArray[np.uint8], sector: Sector) -> Ticks | None:
    """The ruler's marks beside (or, failing that, below or above) a scan; ``None`` where it is not certain.

    Parameters
    ----------
    grey
        (height, width) uint8.
    sector
        Of the picture; nothing is looked for inside of it, nor where it is the whole picture.
    """
    if grey.ndim != 2 or grey.dtype != np.uint8:
        raise ValueError(f"expected (height, width) in uint8, got {grey.shape} in {grey.dtype}")
    if sector.kind == "whole":
        return None
    scan = sector.mask((grey.shape[0], grey.shape[1]))
    found = _beside(grey, scan)
    if found is not None:
        return found
    turned = _beside(np.ascontiguousarray(grey.T), scan.T)
    return None if turned is None else Ticks(turned.first[::-1], turned.last[::-1], turned.count)


def _beside(grey: NDArray[np.uint8], scan: Mask) -> Ticks | None:
    """Marks that lie below one another, left or right of the scan."""
    rows, columns = np.flatnonzero(scan.any(axis=1)), np.flatnonzero(scan.any(axis=0))
    marks = _marks(grey) & ~scan
    reach = (columns[-1] - columns[0]) // 3
    sides = (range(columns[0] - reach, columns[0] + 1), range(columns[-1] - 1, columns[-1] + reach))
    answers = []
    for side in sides:
        for column in side:
            if 0 <= column < grey.shape[1] and marks[:, column].any():
                found = _even(_middles(marks[:, column]), len(rows))
                if found is not None:
                    first, last, count = found
                    answers.append(Ticks((first, float(column)), (last, float(column)), count))
    return _agreed(answers)


def _marks(grey: NDArray[np.uint8]) -> Mask:
    """Bright bars, :data:`THICKEST` pixels high at most and :data:`LENGTH` long or longer."""
    values = grey.astype(np.int16)
    around = ndimage.grey_opening(values, (2 * THICKEST + 1, 1))
    bright = values - around >= CONTRAST
    opened: Mask = ndimage.binary_opening(bright, np.ones((1, LENGTH)))
    return opened


def _middles(line: Mask) -> NDArray[np.float64]:
    """The middle of each run of marked pixels."""
    steps = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(np.int8), [0]])))
    return (steps[::2] + steps[1::2] - 1) / 2.0


def _even(places: NDArray[np.float64], side: int) -> tuple[float, float, int] | None:
    """First and last of places that lie at even distances, and their number; ``None`` if one of them does not.

    The outermost place at either end may be something else, such as the corner of a frame.
    """
    ends = ((0, None), (0, -1), (1, None), (1, -1))
    return next((found for first, last in ends if (found := _all_even(places[first:last], side)) is not None), None)


def _all_even(places: NDArray[np.float64], side: int) -> tuple[float, float, int] | None:
    if len(places) < FEWEST or places[-1] - places[0] < SPAN * side:
        return None
    turns = np.arange(len(places))
    interval, start = np.polyfit(turns, places, 1)
    if interval < CLOSEST or np.abs(start + interval * turns - places).max() > OFF:
        return None
    return float(start), float(start + interval * turns[-1]), len(places)


def _agreed(answers: list[Ticks]) -> Ticks | None:
    """The longest row of marks, if no other row has another distance, but for every second or fifth mark."""
    if not answers:
        return None
    best = max(answers, key=lambda one: (one.count, one.last[0] - one.first[0]))
    for one in answers:
        ratio = one.interval / best.interval
        if abs(ratio - round(ratio)) > 0.03 * max(1, round(ratio)):
            return None
    return best
