"""All figures of one structure in one picture."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from napari_adasam.domain.measures.echo import echo_intensity
from napari_adasam.domain.measures.feret import feret
from napari_adasam.domain.measures.figures import Measurement
from napari_adasam.domain.measures.position import position
from napari_adasam.domain.measures.sizes import area, perimeter
from napari_adasam.domain.measures.thickness import thickness, thickness_between_parts
from napari_adasam.domain.records import Labels, Spacing
from napari_adasam.domain.structures import Structure


def measure(
    labels: Labels,
    structure: Structure,
    spacing: Spacing | None,
    grey: NDArray[Any] | None = None,
    erosion: float = 0.0,
) -> tuple[Measurement, ...]:
    """Every figure that there is of a structure; of an absent one its area, 0, and nothing else.

    A structure of several parts has a thickness between its parts, another has one of its own. Echo intensity needs
    ``grey``, (height, width); so much along the border is left out of it (``erosion``, in mm, or px without a spacing).
    """
    size = area(labels, structure.value, spacing)
    if not size.value:
        return (size,)
    around = perimeter(labels, structure.value, spacing)
    thick = thickness_between_parts if structure.several_parts else thickness
    return (
        size,
        *(() if around is None else (around,)),
        *thick(labels, structure.value, spacing),
        *feret(labels, structure.value, spacing),
        *position(labels, structure.value, spacing),
        *(() if grey is None else echo_intensity(labels, structure.value, grey, spacing, erosion)),
    )
