"""Values of any kind as the unsigned numbers of 8 or 16 bits that pictures have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
"""(height, width) or (height, width, 3), uint8 or uint16."""
WHITE = 65535
ROWS_AT_ONCE = 256
SCALED_ALIKE = "Values below 0, or with fractions, are shown scaled from the smallest to the greatest in the file."
NO_NUMBERS = "Pixels that hold no number (NaN, infinite) are shown black or white, and left out of echo intensity."
SCALED = "Values below 0, or with fractions, are shown scaled from the smallest to the greatest in each frame."


class Ends(NamedTuple):
    """The smallest and the greatest of some numbers (``inf`` and ``-inf`` of none), and whether some values are none.

    A value that is no number is NaN or infinite.
    """

    low: float
    high: float
    gaps: bool = False


def to_unsigned(values: NDArray[Any], ends: Ends | None = None) -> Pixels:
    """Values as uint8 or uint16.

    These two stay as they are, and so do other whole numbers from 0 to 65535. Everything else is scaled from its
    smallest to its greatest value to 0 to 65535; NaN becomes 0, as values below all others do. ``ends`` are these two
    of all frames that are to be alike.
    """
    if values.dtype in (np.uint8, np.uint16):
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.size == 0:
        return np.zeros(values.shape, np.uint16)
    if values.dtype.kind in "iu":
        low, high, _ = ends or ends_of(values)
        if low >= 0 and high <= WHITE:
            return values.clip(0, WHITE).astype(np.uint16)
    elif values.dtype.kind != "f":
        raise TypeError(f"expected real numbers, got {values.dtype}")
    return _scaled(values, ends or ends_of(values))


def ends_of(values: NDArray[Any]) -> Ends:
    """The ends of some values; what is no number is none of them."""
    if values.dtype.kind in "iu":
        return Ends(float(values.min()), float(values.max()))
    return ends_of_all([_ends(values[block]) for block in _blocks(values)])


def ends_of_all(parts: Sequence[Ends]) -> Ends:
    """The ends of several parts together."""
    return Ends(min(part.low for part in parts), max(part.high for part in parts), any(part.gaps for part in parts))


def _ends(values: NDArray[Any]) -> Ends:
    numbers = values[np.isfinite(values)]
    low, high = numbers.min(initial=np.inf), numbers.max(initial=-np.inf)
    return Ends(float(low), float(high), numbers.size < values.size)


def _blocks(values: NDArray[Any]) -> list[slice]:
    """Some rows at a time: a large frame of floats needs no second copy in memory."""
    return [slice(start, start + ROWS_AT_ONCE) for start in range(0, len(values), ROWS_AT_ONCE)]


def _scaled(values: NDArray[Any], ends: Ends) -> Pixels:
    pixels, (low, high, _) = np.zeros(values.shape, np.uint16), ends
    if high > low:
        for block in _blocks(values):
            numbers = np.nan_to_num(values[block].astype(np.float64), nan=low, posinf=high, neginf=low)
            # Halves first: the difference of the two greatest floats is infinite.
            share = (numbers / 2 - low / 2) / (high / 2 - low / 2)
            pixels[block] = np.rint(np.clip(share, 0, 1) * WHITE)
    return pixels
