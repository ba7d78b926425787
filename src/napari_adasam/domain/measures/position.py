"""Where a structure lies."""

from __future__ import annotations

import numpy as np

from napari_adasam.domain.measures.figures import Measurement, Region
from napari_adasam.domain.records import Labels, Spacing


def position(labels: Labels, structure: int, spacing: Spacing | None) -> tuple[Measurement, ...]:
    """Centroid and bounding box of a structure, all parts together, in mm (px where the scale is not known).

    Distances are from the picture's upper edge (depths) and left edge; a pixel reaches from its number to the next.
    The centroid is the mean of the pixels' middles. The picture's upper edge is the skin only where the picture is cut
    to the scan. Nothing is returned for an absent structure.
    """
    region = Region.of(labels, structure, spacing)
    if region is None:
        return ()
    middle = region.to_unit(np.array([[axis.mean() + 0.5 for axis in np.nonzero(region.mask)]]))[0]
    top, left = region.to_unit(np.zeros((1, 2)))[0]
    height, width = (count * size for count, size in zip(region.mask.shape, region.pixel, strict=True))
    figures = {
        "centroid depth": middle[0],
        "centroid from left": middle[1],
        "top depth": top,
        "box from left": left,
        "box height": height,
        "box width": width,
    }
    return tuple(region.length(name, float(value)) for name, value in figures.items())
