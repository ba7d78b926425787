"""How far what lies around a structure has moved from one frame to the next, and how alike both frames are there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.lazily import ndimage
from napari_adasam.domain.prompts import Box
from napari_adasam.domain.records import Mask

Grey = NDArray[np.uint8]
Shift = tuple[float, float]
"""(y, x) in pixels, from the earlier to the later frame."""
MARGIN, LEAST_MARGIN = 0.2, 12
"""What is looked at around a box: this share of its sides, and at least so many pixels."""
FARTHEST = 0.12
"""A shift of more than this share of what is looked at is none that can be trusted."""
SMOOTHING = 2.0
"""Standard deviation in pixels: what is finer is speckle, which changes by itself."""
STILL: Shift = (0.0, 0.0)


def shift_of(before: Grey, after: Grey, box: Box) -> Shift:
    """Shift of what lies in and around a box, by phase correlation (Kuglin and Hines 1975); none where it is unsure.

    Parameters
    ----------
    before, after
        Two frames, both (height, width) uint8.
    box
        (y0, x0, y1, x1) in pixels.
    """
    place = _around(box, before.shape)
    first, second = _flat(before[place]), _flat(after[place])
    window = np.outer(np.hanning(first.shape[0] + 2)[1:-1], np.hanning(first.shape[1] + 2)[1:-1])
    cross = np.conj(np.fft.rfft2(first * window)) * np.fft.rfft2(second * window)
    surface = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9), first.shape)
    surface = ndimage.gaussian_filter(surface, 1.0, mode="wrap")
    peak = np.unravel_index(int(surface.argmax()), surface.shape)
    shift = tuple(_finer(surface, peak, axis) for axis in (0, 1))
    if any(abs(by) > FARTHEST * side for by, side in zip(shift, first.shape, strict=True)):
        return STILL
    return shift[0], shift[1]


def moved(mask: Mask, shift: Shift, seen: Mask | None = None) -> Mask:
    """A mask (height, width) moved by a shift, to the nearest pixel.

    What comes into the picture, or into the box around what is ``seen`` of it, goes on as it was at the edge: a muscle
    that is cut by the edge does not end there.
    """
    y0, x0, y1, x1 = _bounds(np.ones_like(mask) if seen is None or not seen.any() else seen)
    rows = np.clip(np.arange(mask.shape[0]) - round(shift[0]), y0, y1)
    columns = np.clip(np.arange(mask.shape[1]) - round(shift[1]), x0, x1)
    result: Mask = mask[np.ix_(rows, columns)]
    return result if seen is None else result & seen


def _bounds(seen: Mask) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    return int(rows[0]), int(columns[0]), int(rows[-1]), int(columns[-1])


def likeness(before: Grey, after: Grey, seen: Mask | None = None) -> float:
    """Correlation of two smoothed frames (height, width) within a mask, 0 to 1; 1 where one of them is all of a grey.

    The earlier one is moved as a whole first. Another gain or contrast does not change the figure.
    """
    seen = np.ones(before.shape, np.bool_) if seen is None or not seen.any() else seen
    y0, x0, y1, x1 = _bounds(seen)
    down, right = (round(by) for by in shift_of(before, after, (y0, x0, y1, x1)))
    both = moved(seen, (down, right)) & seen
    first, second = (ndimage.gaussian_filter(one.astype(np.float32), SMOOTHING) for one in (before, after))
    first = np.roll(first, (down, right), (0, 1))
    one, other = first[both] - first[both].mean(), second[both] - second[both].mean()
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return max(0.0, float(one @ other) / size) if size > 0 else 1.0


def steadiness(before: Mask, after: Mask) -> float:
    """How little area and place of a mask jump, 0 to 1: ratio of the areas, less the way of the centre in sizes.

    The size is half the diagonal of the earlier mask's box. 0 where one of them is empty.
    """
    if not before.any() or not after.any():
        return 0.0
    areas = sorted((int(before.sum()), int(after.sum())))
    y0, x0, y1, x1 = _bounds(before)
    way = float(np.hypot(*np.subtract(ndimage.center_of_mass(before), ndimage.center_of_mass(after))))
    return max(0.0, areas[0] / areas[1] - way / (0.5 * float(np.hypot(y1 - y0 + 1, x1 - x0 + 1))))


def _around(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    slices = []
    for low, high, side in ((box[0], box[2], shape[0]), (box[1], box[3], shape[1])):
        margin = max(LEAST_MARGIN, MARGIN * (high - low))
        slices.append(slice(max(0, int(low - margin)), min(side, int(high + margin) + 2)))
    return slices[0], slices[1]


def _flat(part: Grey) -> NDArray[np.float32]:
    smooth = ndimage.gaussian_filter(part.astype(np.float32), SMOOTHING / 2)
    return np.asarray(smooth - smooth.mean(), np.float32)


def _finer(surface: NDArray[Any], peak: tuple[Any, ...], axis: int) -> float:
    """The peak's place along an axis, from a parabola through it and its neighbours; negative beyond the middle."""
    side = surface.shape[axis]
    line = np.take(surface, peak[1 - axis], axis=1 - axis)
    at = int(peak[axis])
    low, mid, high = (float(line[(at + step) % side]) for step in (-1, 0, 1))
    bend = low - 2 * mid + high
    place = at + (0.5 * (low - high) / bend if bend < 0 else 0.0)
    return place - side if place > side / 2 else place
