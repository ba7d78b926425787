"""Area and perimeter."""

from __future__ import annotations

import numpy as np

from napari_adasam.domain.measures.borders import borders
from napari_adasam.domain.measures.figures import NO_SCALE, Measurement, Region
from napari_adasam.domain.records import Labels, Spacing


def area(labels: Labels, structure: int, spacing: Spacing | None) -> Measurement:
    """Area of a structure, all parts together: pixels × the area of one in mm²; in px² where the scale is not known."""
    pixels = int(np.count_nonzero(labels == structure))
    if spacing is None:
        return Measurement("area", structure, float(pixels), "px²", NO_SCALE)
    return Measurement("area", structure, pixels * spacing.pixel_area_mm2, "mm²", spacing.source)


def perimeter(labels: Labels, structure: int, spacing: Spacing | None) -> Measurement | None:
    """Length of all borders of a structure, of every part and round its holes; in mm, or px without a scale.

    A gradient-based estimator: Σ over the cracks between pixels of |crack · direction of the border there|, the
    direction being a weighted mean over the neighbouring cracks (Coeurjolly and Klette 2004, IEEE TPAMI 26, pp. 252 to
    258, compare it with others; the window is ours, see :mod:`napari_adasam.domain.measures.borders`). It comes closer
    to the true length of a smooth outline with finer pixels, where counting cracks does not (4/π too much on a disc).
    The edge of the picture counts as border. ``None`` for an absent structure.
    """
    region = Region.of(labels, structure, spacing)
    if region is None:
        return None
    return region.length("perimeter", sum(border.length for border in borders(region.mask, region.pixel)))
