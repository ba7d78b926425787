"""Figures of one mask against the truth."""

from __future__ import annotations

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
