"""Feret (caliper) diameters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.measures.figures import Measurement, Region
from napari_adasam.domain.records import Labels, Mask, Spacing


def feret(labels: Labels, structure: int, spacing: Spacing | None) -> tuple[Measurement, ...]:
    """Greatest and smallest caliper diameter of a structure, all parts together, and the angle of the greatest.

    Of the convex hull of the pixels' corners, in mm (px where the scale is not known): the greatest is the distance of
    its two farthest corners; the smallest is the least, over its edges, of the greatest distance from an edge (Feret
    1931; that the least width lies at an edge: Freeman and Shapira 1975, Commun ACM 18, pp. 409 to 413). The angle is
    that of the greatest with the picture's rows, in degrees, 0 up to 180, counter-clockwise on the screen. Nothing is
    returned for an absent structure.

    Corners lie up to half a pixel outside of a smooth outline, so that both are up to one pixel too large.
    """
    region = Region.of(labels, structure, spacing)
    if region is None:
        return ()
    hull = convex_hull(region.to_unit(_corners(region.mask)))
    between = hull[:, None] - hull[None]
    lengths = np.hypot(between[..., 0], between[..., 1])
    far = np.unravel_index(int(lengths.argmax()), lengths.shape)
    down, right = between[far]
    edges = np.roll(hull, -1, axis=0) - hull
    normals = np.stack([-edges[:, 1], edges[:, 0]], axis=1) / np.hypot(edges[:, 0], edges[:, 1])[:, None]
    across = np.abs(((hull[None] - hull[:, None]) * normals[:, None]).sum(axis=2))
    angle = float(np.degrees(np.arctan2(-down, right)) % 180)
    return (
        region.length("Feret maximum", float(lengths[far])),
        region.length("Feret minimum", float(across.max(axis=1).min())),
        Measurement("Feret angle", structure, angle, "°", region.scale),
    )


def convex_hull(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corners (n, 2) of the convex hull in order, without those on its edges (monotone chain, Andrew 1979)."""
    ordered = np.unique(points, axis=0).tolist()
    hull: list[list[float]] = []
    for sweep in (ordered, ordered[::-1]):
        chain: list[list[float]] = []
        for point in sweep:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        hull += chain[:-1]
    return np.array(hull)


def _corners(mask: Mask) -> NDArray[np.float64]:
    """Corners of the first and the last pixel of each row: no other corner can be on the hull."""
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    return np.array(
        [(y + below, x) for below in (0, 1) for side in (first, last) for y, x in zip(rows, side, strict=True)],
        np.float64,
    )


def _turn(first: list[float], second: list[float], third: list[float]) -> float:
    return (second[0] - first[0]) * (third[1] - first[1]) - (second[1] - first[1]) * (third[0] - first[0])
