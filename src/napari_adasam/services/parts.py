"""Structures of several parts: which parts a prompt is about, and the rest, which its answer leaves alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.lazily import ndimage
from napari_adasam.domain.prompts import Box, Point
from napari_adasam.domain.records import Mask


def starts_new_part(mask: Mask, point: Point) -> bool:
    """Whether a click adds a part to a mask (height, width) bool: it is positive, and outside of what is there."""
    return point.positive and bool(mask.any()) and not mask[pixel_of(point, mask.shape)]


def asks_anew(mask: Mask, point: Point, earlier: Sequence[Point], box: Box | None) -> bool:
    """Whether a click is about another part of a mask than the points and the box before it.

    It is where it adds a part, and where it lies in a part that none of them touches: an answer to all of them together
    would be one part in place of two. An earlier point that lies outside by now is about the part that is nearest.
    """
    if starts_new_part(mask, point):
        return True
    parts, _ = _labelled(mask)
    own = int(parts[pixel_of(point, mask.shape)])
    if own == 0 or (not earlier and box is None):
        return False
    return own not in {_nearest(parts, one) for one in earlier} | _within(parts, box)


def same_part(mask: Mask, other: Mask, point: Point) -> bool:
    """Whether the part that a point lies in is the same in two masks."""
    pixel = pixel_of(point, mask.shape)
    if not (mask[pixel] and other[pixel]):
        return False
    (own, _), (theirs, _) = _labelled(mask), _labelled(other)
    return bool(np.array_equal(own == own[pixel], theirs == theirs[pixel]))


def join_parts(mask: Mask, answer: Mask, points: Sequence[Point], box: Box | None) -> Mask:
    """The decoder's answer together with the parts of the mask that neither a point nor the box touches.

    All masks are (height, width) bool; parts are connected by edges or corners. A box touches every part that
    has a pixel inside it.
    """
    parts, count = _labelled(mask)
    touched = {int(parts[pixel_of(point, mask.shape)]) for point in points} | _within(parts, box)
    stays = np.ones(count + 1, np.bool_)
    stays[[0, *touched]] = False
    joined: Mask = answer | stays[parts]
    return joined


def bounds(mask: Mask) -> Box | None:
    """(y0, x0, y1, x1), both corners inside the mask's box; ``None`` for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return float(rows[0]), float(columns[0]), float(rows[-1]), float(columns[-1])


def grown(box: Box | None, points: Sequence[Point]) -> Box | None:
    """A box that holds the positive points, too; ``None`` where one lies out of it by more than half of its side.

    Who clicks that far away means something else than a larger outline.
    """
    if box is None:
        return None
    y0, x0, y1, x1 = box
    far_y, far_x = (y1 - y0) / 2, (x1 - x0) / 2
    there = [(one.y, one.x) for one in points if one.positive]
    if any(not (y0 - far_y <= y <= y1 + far_y and x0 - far_x <= x <= x1 + far_x) for y, x in there):
        return None
    rows, columns = [y0, y1, *(y for y, _ in there)], [x0, x1, *(x for _, x in there)]
    return min(rows), min(columns), max(rows), max(columns)


def _labelled(mask: Mask) -> tuple[NDArray[np.int32], int]:
    """Each pixel's part, from 1 on, and how many there are."""
    parts, count = ndimage.label(mask, np.ones((3, 3)))
    return parts, int(count)


def _within(parts: NDArray[np.int32], box: Box | None) -> set[int]:
    """The parts that have a pixel inside a box; none without one."""
    if box is None:
        return set()
    y0, x0 = (max(0, int(np.floor(edge + 0.5))) for edge in box[:2])
    y1, x1 = (int(np.floor(edge + 0.5)) + 1 for edge in box[2:])
    return {int(part) for part in np.unique(parts[y0:y1, x0:x1])}


def _nearest(parts: NDArray[np.int32], point: Point) -> int:
    """The part that a point lies in, or is nearest to."""
    pixel = pixel_of(point, parts.shape)
    if parts[pixel]:
        return int(parts[pixel])
    rows, columns = np.nonzero(parts)
    at = int(np.argmin((rows - pixel[0]) ** 2 + (columns - pixel[1]) ** 2))
    return int(parts[rows[at], columns[at]])


def pixel_of(point: Point, shape: tuple[int, ...]) -> tuple[int, int]:
    """The pixel that a point lies in, at the border if it lies outside."""
    y, x = int(np.floor(point.y + 0.5)), int(np.floor(point.x + 0.5))
    return min(max(y, 0), shape[0] - 1), min(max(x, 0), shape[1] - 1)
