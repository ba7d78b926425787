"""Figures of one mask against the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]


def border(mask: Mask) -> Mask:
    """The mask's pixels that have a neighbour (of four) outside it; the image's edge is outside."""
    inner = ndimage.binary_erosion(mask, ndimage.generate_binary_structure(2, 1), border_value=0)
    return np.asarray(mask & ~inner, dtype=np.bool_)


def hd95(found: Mask, truth: Mask) -> float:
    """95th percentile of the distances between two borders, in pixels, the larger of both directions.

    Where one mask is empty and the other is not: the image's diagonal, the worst there can be; 0 where both are empty.
    """
    if not found.any() and not truth.any():
        return 0.0
    if not found.any() or not truth.any():
        return float(np.hypot(*truth.shape))
    first, second = border(found), border(truth)
    to_second = ndimage.distance_transform_edt(~second)[first]
    to_first = ndimage.distance_transform_edt(~first)[second]
    return float(max(np.percentile(to_second, 95), np.percentile(to_first, 95)))


def interval(values: NDArray[np.float64], seed: int = 0, draws: int = 2000) -> tuple[float, float] | None:
    """95 % bootstrap interval of the mean over the first axis, percentile method; ``None`` for fewer than two groups.

    ``values`` are one a group.
    """
    if len(values) < 2:
        return None
    rng = np.random.default_rng(seed)
    means = values[rng.integers(len(values), size=(draws, len(values)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
