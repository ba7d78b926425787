"""Values of any kind as the unsigned numbers of 8 or 16 bits that pictures have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
"""(height, width) or (height, width, 3), uint8 or uint16."""
WHITE = 65535
ROWS_AT_ONCE = 256
SCALED_ALIKE = "Values below 0, or with fractions, are shown scaled from the smallest to the greatest in the file."
SCALED = "Values below 0, or with fractions, are shown scaled from the smallest to the greatest in each frame."


def to_unsigned(values: NDArray[Any], ends: tuple[float, float] | None = None) -> Pixels:
    """Values as uint8 or uint16.

    These two stay as they are, and so do other whole numbers from 0 to 65535. Everything else is scaled from its
    smallest to its greatest value to 0 to 65535; what is not a number counts as 0. ``ends`` are these two values of
    all frames that are to be alike.
    """
    if values.dtype in (np.uint8, np.uint16):
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.size == 0:
        return np.zeros(values.shape, np.uint16)
    if values.dtype.kind in "iu":
        low, high = ends or (values.min(), values.max())
        if low >= 0 and high <= WHITE:
            return values.clip(0, WHITE).astype(np.uint16)
    elif values.dtype.kind != "f":
        raise TypeError(f"expected real numbers, got {values.dtype}")
    return _scaled(values, *(ends or ends_of(values)))


def ends_of(values: NDArray[Any]) -> tuple[float, float]:
    """The smallest and the greatest of some values; what is not a number counts as 0."""
    if values.dtype.kind in "iu":
        return float(values.min()), float(values.max())
    ends = [(float(part.min()), float(part.max())) for part in (_finite(values[block]) for block in _blocks(values))]
    return min(end[0] for end in ends), max(end[1] for end in ends)


def _blocks(values: NDArray[Any]) -> list[slice]:
    """Some rows at a time: a large frame of floats needs no second copy in memory."""
    return [slice(start, start + ROWS_AT_ONCE) for start in range(0, len(values), ROWS_AT_ONCE)]


def _scaled(values: NDArray[Any], low: float, high: float) -> Pixels:
    pixels = np.zeros(values.shape, np.uint16)
    if high > low:
        for block in _blocks(values):
            # Halves first: the difference of the two greatest floats is infinite.
            share = (_finite(values[block]) / 2 - low / 2) / (high / 2 - low / 2)
            pixels[block] = np.rint(np.clip(share, 0, 1) * WHITE)
    return pixels


def _finite(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
