"""Thickness: of a region between its upper and lower border, and between two parts such as two aponeuroses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.lazily import ndimage
from napari_adasam.domain.measures.borders import borders
from napari_adasam.domain.measures.figures import Measurement, Region
from napari_adasam.domain.records import Labels, Spacing

FACING = np.cos(np.radians(45))
"""A border faces a side if its outward normal is less than 45° from it."""
LARGE = 0.2
"""Parts of at least this share of the largest one's pixels count as parts."""
MOST_PARTS = 20
"""Of which two are looked for that lie over each other; a mask of noise has thousands."""
SHORTEST = 0.2
"""No thickness is given where the borders face each other along less than this share of the longer one."""
SMOOTHING = 10
"""Borders are smoothed over one in so many of their points."""
DEGREE = 4
"""Of the mid-line's polynomial: one bow and one swing back, which is as much as a muscle's fascia has in a picture."""
MOST_TURNS = 50
"""Of the direction along both borders, until it stays; the rounder a region, the more."""
ROUNDS = 4
"""Of finding the mid-line between the borders, perpendicular to itself; the changes after them are below 0.001 px."""

FEWEST = 5
"""Points that a border and a mid-line need at least."""

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Two borders that face each other, (n, 2) points (y, x) in mm or px, and the direction along them.

    Parameters
    ----------
    along
        Unit vector (y, x), to the right.
    pixel
        The smaller side of a pixel.
    """

    upper: Points = field(repr=False)
    lower: Points = field(repr=False)
    along: Points
    pixel: float


def thickness(labels: Labels, structure: int, spacing: Spacing | None) -> tuple[Measurement, ...]:
    """Distance between the upper and the lower border of a structure's largest part: mean, middle and minimum.

    Perpendicular to the mid-line, in mm, or px where the scale is not known. The upper border is where the outward
    normal is less than 45° from "up", the lower from "down"; "up" is the picture's first, then perpendicular to the two
    borders' common direction. So ends that are cut or rounded belong to neither, and the edge of the picture does not
    either. The mid-line is a curve (a polynomial of degree 4) that halves the distance between the borders along its
    own normal, and that distance is the thickness: for a rotated rectangle its height, for concentric arcs the
    difference of their radii, for a wedge of angle α 2·s·tan(α/2) at the distance s from its tip.

    ``mean`` is over the mid-line's length, ``middle`` at half of it, ``minimum`` the least on it; ``length`` is that
    length, over which the borders face each other. Borders are first smoothed by parabolas over a tenth of their
    length. Holes are ignored. Nothing is returned where borders face each other along less than a fifth of the longer.

    Source: the distance between the two fascias, perpendicular to them, is the clinic's definition (Perkisas et al.
    2021, SARCUS update, Eur Geriatr Med 12, pp. 45 to 59). How the mid-line is found is ours: chords perpendicular to
    a line between the borders, a line through the middles of the chords, and again until it stays.
    """
    region = Region.of(labels, structure, spacing)
    if region is None:
        return ()
    parts, sizes = _parts(region)
    mask = ndimage.binary_fill_holes(parts == int(sizes.argmax()) + 1)
    upper, lower, along = _facing(replace(region, mask=mask))
    return _figures(region, "thickness", Edges(upper, lower, along, min(region.pixel)))


def thickness_between_parts(labels: Labels, structure: int, spacing: Spacing | None) -> tuple[Measurement, ...]:
    """Distance between two parts of a structure, such as two aponeuroses: mean, middle and minimum.

    From the lower border of the upper part to the upper border of the lower one, as :func:`thickness` is taken, in mm,
    or px where the scale is not known. The parts are the first two from above of those that have at least a fifth of
    the largest one's pixels and share at least half of the narrower one's columns. Nothing is returned where there are
    none.
    """
    region = Region.of(labels, structure, spacing)
    if region is None:
        return ()
    for above, below in _stacked(region):
        _, upper, first = _facing(above)
        lower, _, second = _facing(below)
        along = (first + second) / np.hypot(*(first + second))
        return _figures(region, "thickness between parts", Edges(upper, lower, along, min(region.pixel)))
    return ()


def has_stacked_parts(labels: Labels, structure: int) -> bool:
    """Whether a structure has two large parts that lie over each other, as two aponeuroses do."""
    region = Region.of(labels, structure, None)
    return region is not None and any(True for _ in _stacked(region))


def _parts(region: Region) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Parts (rows, columns) numbered from 1, connected by edges or corners, and their pixels."""
    numbered, count = ndimage.label(region.mask, np.ones((3, 3)))
    return numbered, np.bincount(numbered.ravel(), minlength=count + 1)[1:]


def _stacked(region: Region) -> Iterator[tuple[Region, Region]]:
    """Neighbours among the large parts, from above, that lie over each other."""
    numbered, sizes = _parts(region)
    largest = np.argsort(-sizes, kind="stable")[:MOST_PARTS]
    masks = [numbered == part + 1 for part in largest if sizes[part] >= LARGE * sizes[largest[0]]]
    masks.sort(key=lambda mask: float(np.nonzero(mask)[0].mean()))
    for above, below in pairwise(masks):
        columns = above.any(axis=0), below.any(axis=0)
        if 2 * (columns[0] & columns[1]).sum() >= min(one.sum() for one in columns):
            yield replace(region, mask=above), replace(region, mask=below)


def _facing(region: Region) -> tuple[Points, Points, Points]:
    """Points of a part's borders that face up and down, (n, 2) each, and the direction along both."""
    outline = max(borders(region.mask, region.pixel), key=lambda border: len(border.steps))
    points = region.to_unit(outline.middles)
    normals = np.stack([-outline.tangents[:, 1], outline.tangents[:, 0]], axis=1)
    in_picture = outline.middles + region.corner
    free = ((in_picture > 0) & (in_picture < region.picture)).all(axis=1)
    along = np.array([0.0, 1.0])
    for _ in range(MOST_TURNS):
        before, upwards = along, normals @ (-along[1], along[0])
        up, down = free & (upwards > FACING), free & (upwards < -FACING)
        whole = outline.steps[up].sum(axis=0) - outline.steps[down].sum(axis=0)
        if not whole.any():
            break
        along = whole / np.hypot(*whole)
        if np.abs(along - before).max() < 1e-6:
            break
    outwards, pixel = np.array([-along[1], along[0]]), max(region.pixel)
    return (
        _outermost(points[up], along, outwards, pixel),
        _outermost(points[down], along, -outwards, pixel),
        along,
    )


def _outermost(points: Points, along: Points, outwards: Points, pixel: float) -> Points:
    """Without the points that lie behind others of the same border, such as those of a hook."""
    if not len(points):
        return points
    columns, reach = points @ along, points @ outwards
    columns = np.floor((columns - columns.min()) / pixel).astype(np.int64)
    farthest = np.full(columns.max() + 1, -np.inf)
    np.maximum.at(farthest, columns, reach)
    return np.asarray(points[reach > farthest[columns] - 2 * pixel])


def _figures(region: Region, name: str, edges: Edges) -> tuple[Measurement, ...]:
    if min(len(edges.upper), len(edges.lower)) == 0:
        return ()
    down = np.array([edges.along[1], -edges.along[0]])
    sides = [np.stack([points @ edges.along, points @ down]) for points in (edges.upper, edges.lower)]
    upper, lower = (_smooth(side, edges.pixel) for side in sides)
    found = _chords(upper, lower, edges.pixel)
    if found is None:
        return ()
    chords, lengths = found
    whole = float(lengths.sum())
    if whole < SHORTEST * max(np.ptp(upper[0]), np.ptp(lower[0])):
        return ()
    figures = {
        "mean": float((chords * lengths).sum()) / whole,
        "middle": float(np.interp(whole / 2, np.cumsum(lengths) - lengths / 2, chords)),
        "minimum": float(chords.min()),
        "length": whole,
    }
    return tuple(region.length(f"{name} {what}", value) for what, value in figures.items())


def _smooth(border: Points, pixel: float) -> Points:
    """A border (2, n) of distances along and across, at every pixel's length along, smoothed by parabolas."""
    columns = max(1, round(float(np.ptp(border[0])) / pixel))
    share = (border[0] - border[0].min()) / max(float(np.ptp(border[0])), pixel)
    column = np.minimum((share * columns).astype(np.int64), columns - 1)
    count = np.bincount(column)
    along, across = (np.bincount(column, axis)[count > 0] / count[count > 0] for axis in border)
    grid = np.linspace(along[0], along[-1], columns)
    values = np.interp(grid, along, across)
    window = max(FEWEST, len(grid) // SMOOTHING) | 1
    return np.stack([grid, _by_parabolas(values, window) if len(grid) >= window else values])


def _by_parabolas(values: Points, window: int) -> Points:
    """Each value by the parabola of least squares through the window round it (Savitzky and Golay 1964).

    At the ends, by the parabola of the first and the last window.
    """
    half = window // 2
    powers = np.vander(np.linspace(-1, 1, window), 3)
    fit = powers @ np.linalg.pinv(powers)  # a row a place in the window: the weights of its fitted value
    inner = np.convolve(values, fit[half][::-1], mode="valid")
    return np.concatenate([fit[:half] @ values[:window], inner, fit[half + 1 :] @ values[-window:]])


def _chords(upper: Points, lower: Points, pixel: float) -> tuple[Points, Points] | None:
    """Thickness at points of the mid-line, and the length of mid-line that each stands for."""
    first, last = max(upper[0, 0], lower[0, 0]), min(upper[0, -1], lower[0, -1])
    steps = round(float(last - first) / pixel)
    if steps < FEWEST:
        return None
    grid = np.linspace(first, last, steps + 1)
    along, across = grid, (np.interp(grid, *upper) + np.interp(grid, *lower)) / 2
    for _ in range(ROUNDS):
        line = np.polynomial.Polynomial.fit(along, across, min(DEGREE, len(along) // 2))
        start, slope = line(grid), line.deriv()(grid)
        stretch = np.hypot(1, slope)
        normal = np.stack([-slope, np.ones_like(slope)]) / stretch
        to_upper, to_lower = (_reach(np.stack([grid, start]), normal, border) for border in (upper, lower))
        hit = to_upper < to_lower  # not where one of them is not a number
        if hit.sum() < FEWEST:
            return None
        middle = (np.stack([grid, start]) + normal * (to_upper + to_lower) / 2)[:, hit]
        along, across = middle
    return (to_lower - to_upper)[hit], (stretch * (last - first) / steps)[hit]


def _reach(points: Points, normal: Points, border: Points) -> Points:
    """Signed distance from each point (2, n) along its normal to the border; not a number where there is no one answer.

    That is where it passes the border's end, or the border is too steep to the mid-line for the steps to come to rest.
    """
    distance, before = np.zeros((2, points.shape[1]))
    for _ in range(30):
        before = distance
        height = np.interp(points[0] + distance * normal[0], border[0], border[1], left=np.nan, right=np.nan)
        distance = (height - points[1]) / normal[1]
    return np.where(np.abs(distance - before) < border[0, -1] - border[0, -2], distance, np.nan)
