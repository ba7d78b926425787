"""Figures of one mask against the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_adasam.domain import agreement

Mask = NDArray[np.bool_]


def hd95(found: Mask, truth: Mask) -> float:
    """95th percentile of the distances between two borders, in pixels (:func:`napari_adasam.domain.agreement.hd95`).

    Where one mask is empty and the other is not: the image's diagonal, the worst there can be; 0 where both are empty.
    """
    distance = agreement.hd95(found, truth)
    return float(np.hypot(*truth.shape)) if distance is None else distance


def hd95_of_volume(found: Mask, truth: Mask, voxel: tuple[float, float, float]) -> float:
    """The same of two masks (D, H, W) in the unit of the voxel's sides: borders are voxels with one of six outside.

    Where one is empty and the other is not: the volume's diagonal; 0 where both are empty.
    """
    if not (found.any() and truth.any()):
        return 0.0 if found.any() == truth.any() else float(np.linalg.norm(np.array(truth.shape) * voxel))
    borders = agreement.border(found), agreement.border(truth)
    return max(
        float(np.percentile(ndimage.distance_transform_edt(~there, voxel)[here], 95))
        for here, there in (borders, borders[::-1])
    )


def interval(
    values: Sequence[float] | NDArray[np.float64], groups: Sequence[str] | None = None, seed: int = 0, draws: int = 2000
) -> tuple[float, float] | None:
    """95 % bootstrap interval of the mean of all values, percentile method; ``None`` for fewer than two groups.

    Whole groups are drawn, and each draw's mean is over all of its values: so the interval is of the mean itself, in
    which a group counts by its size.

    Parameters
    ----------
    groups
        The group of each value; ``None``: each value is one.
    """
    places: dict[str, int] = {}
    names = map(str, range(len(values))) if groups is None else groups
    own = np.array([places.setdefault(name, len(places)) for name in names], dtype=np.intp)
    counts = np.bincount(own)
    if len(counts) < 2:
        return None
    sums = np.bincount(own, np.asarray(values, dtype=np.float64))
    picks = np.random.default_rng(seed).integers(len(sums), size=(draws, len(sums)))
    means = sums[picks].sum(1) / counts[picks].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
