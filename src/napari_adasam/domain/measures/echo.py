"""Echo intensity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.lazily import ndimage
from napari_adasam.domain.measures.figures import NO_SCALE, Measurement
from napari_adasam.domain.records import Labels, Spacing

ROUNDING = 1e-9
"""Three pixels of 0.1 mm are 0.30000000000000004 mm, and no farther than 0.3."""


def echo_intensity(
    labels: Labels,
    structure: int,
    grey: NDArray[Any],
    spacing: Spacing | None = None,
    erosion: float = 0.0,
) -> tuple[Measurement, ...]:
    """Mean, standard deviation (of the population) and median of the grey values in a structure.

    Black pixels and all parts are included. Not comparable across devices, gains or bit depths. Nothing is returned for
    an absent structure, nor where the erosion leaves nothing of it.

    Parameters
    ----------
    grey
        (height, width), in grey levels of the picture's own bit depth. Values that are masked (:mod:`numpy.ma`), such
        as the scanner's text outside of the scan, are left out.
    erosion
        Pixels whose middle is no farther than this from the middle of the nearest pixel outside are left out, so that
        the bright fascia at the border does not enter; in mm, or in px without a spacing. The picture's edge is no
        border.
    """
    if grey.shape != labels.shape:
        raise ValueError(f"expected grey values of shape {labels.shape}, got {grey.shape}")
    if erosion < 0:
        raise ValueError(f"expected an erosion of 0 or more, got {erosion}")
    inside = labels == structure
    if erosion > 0 and not inside.all():
        pixel = (1.0, 1.0) if spacing is None else (spacing.y_mm, spacing.x_mm)
        inside = ndimage.distance_transform_edt(inside, pixel) > erosion * (1 + ROUNDING)
    values = np.ma.compressed(grey[inside]).astype(np.float64)
    if not values.size:
        return ()
    figures = {"mean": values.mean(), "sd": values.std(), "median": np.median(values)}
    return tuple(
        Measurement(f"echo intensity {name}", structure, float(value), "grey level", NO_SCALE)
        for name, value in figures.items()
    )
