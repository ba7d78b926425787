"""Figures of a label image: area, thickness, perimeter, Feret diameters, position, echo intensity.

Every figure carries its unit and the source of its scale; lengths are in mm where the scale is known, and in px where
it is not. A module a family; docs/measurements.md tells their limits.
"""

from napari_adasam.domain.measures.echo import echo_intensity
from napari_adasam.domain.measures.everything import measure
from napari_adasam.domain.measures.feret import feret
from napari_adasam.domain.measures.figures import NO_SCALE, Measurement, in_words, scale_within
from napari_adasam.domain.measures.position import position
from napari_adasam.domain.measures.sizes import area, perimeter
from napari_adasam.domain.measures.thickness import has_stacked_parts, thickness, thickness_between_parts

__all__ = [
    "NO_SCALE",
    "Measurement",
    "area",
    "echo_intensity",
    "feret",
    "has_stacked_parts",
    "in_words",
    "measure",
    "perimeter",
    "position",
    "scale_within",
    "thickness",
    "thickness_between_parts",
]
