"""Figures of a label image. Every figure carries its unit and the source of its scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.records import Labels, Spacing

NO_SCALE = "none"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure.

    Parameters
    ----------
    name
        ``"area"``, ``"echo intensity mean"`` and so on.
    structure
        Value of the structure it is of.
    unit
        ``"mm²"``, ``"px²"``, ``"grey level"``.
    scale
        Who says how large a pixel is (:attr:`Spacing.source`), or ``"none"``.
    """

    name: str
    structure: int
    value: float
    unit: str
    scale: str


def area(labels: Labels, structure: int, spacing: Spacing | None) -> Measurement:
    """Area of a structure, all parts together: pixels × the area of one in mm²; in px² where the scale is not known."""
    pixels = int(np.count_nonzero(labels == structure))
    if spacing is None:
        return Measurement("area", structure, float(pixels), "px²", NO_SCALE)
    return Measurement("area", structure, pixels * spacing.pixel_area_mm2, "mm²", spacing.source)


def echo_intensity(labels: Labels, structure: int, grey: NDArray[Any]) -> tuple[Measurement, ...]:
    """Mean, standard deviation (of the population) and median of the grey values in a structure.

    Black pixels and all parts are included; ``grey`` is (height, width). Nothing is returned for an absent structure.
    Not comparable across devices, gains or bit depths.
    """
    if grey.shape != labels.shape:
        raise ValueError(f"expected grey values of shape {labels.shape}, got {grey.shape}")
    inside = grey[labels == structure].astype(np.float64)
    if not inside.size:
        return ()
    figures = {"mean": inside.mean(), "sd": inside.std(), "median": np.median(inside)}
    return tuple(
        Measurement(f"echo intensity {name}", structure, float(value), "grey level", NO_SCALE)
        for name, value in figures.items()
    )
