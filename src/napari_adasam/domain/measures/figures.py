"""One figure, and the region that figures are taken of."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.records import Labels, Mask, Spacing

NO_SCALE = "none"
MM2_IN_CM2 = 100.0


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
        ``"mm²"``, ``"px²"``, ``"mm"``, ``"px"``, ``"°"`` or ``"grey level"``.
    scale
        Who says how large a pixel is (:attr:`Spacing.source`), or ``"none"``.
    """

    name: str
    structure: int
    value: float
    unit: str
    scale: str


def in_words(figure: Measurement) -> str:
    """A figure for the eye: areas of 1 cm² and more in cm² (100 mm²), all else in its own unit, four digits."""
    if figure.unit == "mm²" and figure.value >= MM2_IN_CM2:
        return f"{_digits(figure.value / MM2_IN_CM2)} cm²"
    return f"{_digits(figure.value)}{'' if figure.unit == '°' else ' '}{figure.unit}"


def scale_within(
    labels: Labels, structure: int, spacing: Spacing | None, part: tuple[int, int, int, int] | None
) -> Spacing | None:
    """The spacing of a structure: ``None`` where the structure reaches out of the part that the spacing holds for.

    ``part`` is (y0, x0, y1, x1) in pixels, the ends outside, such as an ultrasound region of a DICOM picture; ``None``
    for all of the picture.
    """
    if spacing is None or part is None:
        return spacing
    outside = labels == structure
    outside[part[0] : part[2], part[1] : part[3]] = False
    return None if outside.any() else spacing


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The pixels of one structure, cut out of their picture.

    Parameters
    ----------
    structure
        Its value.
    mask
        (rows, columns) bool, the bounding box of the structure and no more.
    corner
        Row and column of the box's first pixel in the picture.
    picture
        Height and width of the picture in pixels.
    pixel
        Height and width of a pixel in ``unit``; 1 × 1 where the scale is not known.
    unit
        ``"mm"`` or ``"px"``.
    scale
        Who says how large a pixel is, or ``"none"``.
    """

    structure: int
    mask: Mask = field(repr=False)
    corner: tuple[int, int]
    picture: tuple[int, int]
    pixel: tuple[float, float]
    unit: str
    scale: str

    @classmethod
    def of(cls, labels: Labels, structure: int, spacing: Spacing | None) -> Region | None:
        """Cut a structure out of a label image (height, width); ``None`` where it is absent."""
        inside = labels == structure
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        if not rows.size:
            return None
        top, left = int(rows[0]), int(columns[0])
        pixel = (1.0, 1.0) if spacing is None else (spacing.y_mm, spacing.x_mm)
        unit, scale = ("px", NO_SCALE) if spacing is None else ("mm", spacing.source)
        mask = inside[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
        return cls(structure, mask, (top, left), (labels.shape[0], labels.shape[1]), pixel, unit, scale)

    def length(self, name: str, value: float) -> Measurement:
        """A figure in mm or px."""
        return Measurement(name, self.structure, value, self.unit, self.scale)

    def to_unit(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, 2) in pixels from the box's corner to ``unit`` from the upper left corner of the picture."""
        return np.asarray((points + self.corner) * self.pixel, np.float64)


def _digits(value: float) -> str:
    """Four significant digits, without an exponent."""
    places = max(0, 3 - int(np.floor(np.log10(abs(value))))) if value else 3
    return f"{value:.{places}f}"
