"""Borders of a region: the cracks between its pixels and the others, in order, each with the direction it runs in."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.lazily import ndimage
from napari_adasam.domain.records import Mask

WINDOW = 0.35
"""Half the width of the window that directions are taken from is this × the square root of the border's cracks.

It grows more slowly than the border, so that both errors vanish with finer pixels: that of the staircase, which a wider
window evens out, and that of curvature, which a narrower one follows. 0.35 is where they are of one size on discs.
"""
STEPS = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])
"""Right, down, left, up. A border runs with the region on its right: clockwise, the other way in a hole."""


@dataclass(frozen=True, slots=True, eq=False)
class Border:
    """One closed border of n cracks, y before x.

    Parameters
    ----------
    middles
        (n, 2) float64, the middle of each crack, in pixels from the upper left corner of the mask.
    steps
        (n, 2) float64, each crack from its start to its end, in the unit of the pixel's size.
    tangents
        (n, 2) float64, the direction in which the border runs there, of length 1.
    """

    middles: NDArray[np.float64] = field(repr=False)
    steps: NDArray[np.float64] = field(repr=False)
    tangents: NDArray[np.float64] = field(repr=False)

    @property
    def length(self) -> float:
        """Σ |step · tangent|: each crack counts for its share of the smooth border (Coeurjolly and Klette 2004)."""
        return float(np.abs((self.steps * self.tangents).sum(axis=1)).sum())


def borders(mask: Mask, pixel: tuple[float, float]) -> list[Border]:
    """All borders of a mask (rows, columns), outer ones and those of holes.

    Pixels that touch by a corner are of one part. The direction at a crack is the mean of the steps round it, with the
    weights of a Hann window (a binomial one in Malgouyres, Brunet and Fourey 2008), in mm before any angle is taken.

    Parameters
    ----------
    pixel
        Height and width of a pixel.
    """
    following, corners, turns = _cracks(mask)
    found = []
    for cracks in _loops(following):
        steps = STEPS[turns[cracks]].astype(np.float64)
        middles, lengths = corners[cracks] + steps / 2, steps * pixel
        found += [Border(*one) for one in zip(middles, lengths, _tangents(lengths), strict=True)]
    return found


def _tangents(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit directions (borders, n, 2); where the steps round a crack cancel out, that of the crack itself."""
    count = steps.shape[1]
    half = max(1, min(max(2, round(WINDOW * count**0.5)), count // 4))
    weights = np.hanning(2 * half + 3)[1:-1]
    mean = ndimage.convolve1d(steps, weights / weights.sum(), axis=1, mode="wrap")
    lost = np.hypot(mean[..., 0], mean[..., 1]) < 1e-9 * np.abs(steps).max()
    mean[lost] = steps[lost]
    return np.asarray(mean / np.hypot(mean[..., 0], mean[..., 1])[..., None], np.float64)


def _loops(following: list[int]) -> list[NDArray[np.int64]]:
    """Closed borders as the numbers of their cracks, (borders, n) for each n: many at once, as noise has thousands."""
    by_length: dict[int, list[list[int]]] = {}
    seen = bytearray(len(following))
    for first in range(len(following)):
        chain, crack = [], first
        while not seen[crack]:
            seen[crack] = 1
            chain.append(crack)
            crack = following[crack]
        if chain:
            by_length.setdefault(len(chain), []).append(chain)
    return [np.array(chains) for chains in by_length.values()]


def _cracks(mask: Mask) -> tuple[list[int], NDArray[np.int64], NDArray[np.int64]]:
    """Of all cracks: which one follows, the corner (y, x) it starts at, and its turn."""
    framed = np.pad(mask, 1)
    ys, xs = np.nonzero(framed)
    wide = framed.shape[1] + 1
    corners = (framed.shape[0] + 1) * wide
    here = np.zeros((4, corners), np.bool_)
    # Above, right, below, left of a pixel, and where on the pixel the crack on that side starts.
    sides = (((-1, 0), (0, 0)), ((0, 1), (0, 1)), ((1, 0), (1, 1)), ((0, -1), (1, 0)))
    for turn, ((beside_y, beside_x), (start_y, start_x)) in enumerate(sides):
        open_side = ~framed[ys + beside_y, xs + beside_x]
        here[turn, (ys[open_side] + start_y) * wide + xs[open_side] + start_x] = True
    turns, starts = np.nonzero(here)
    ends = starts + (STEPS @ (wide, 1))[turns]
    # Where two parts touch by a corner, turning left goes on along the other part: it is one part.
    left, right = (turns - 1) % 4, (turns + 1) % 4
    turned = np.where(here[left, ends], left, np.where(here[turns, ends], turns, right))
    following = np.searchsorted(turns * corners + starts, turned * corners + ends)
    places = np.stack([starts // wide, starts % wide], axis=1) - 1
    return following.tolist(), places, turns
