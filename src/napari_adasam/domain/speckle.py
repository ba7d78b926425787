"""Speckle in a picture: where neighbouring pixels differ, and the largest place that is full of such pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.lazily import ndimage
from napari_adasam.domain.records import Mask

LETTER_STEP, LETTERS, FULL = 64, 0.4, 0.6
"""Where few neighbours differ, and many of those by so much, there are letters on black, not speckle."""
DENSE = 0.2
"""Share of such pixels around a place that makes it tissue."""
CELLS = 150
"""Places are counted in cells of whole pixels, about so many along the picture's shorter side."""


WRITTEN, BLACK, ON_BLACK = 0.1, 16, 0.5
"""Share of such pixels around a letter, and of pixels darker than 16 there: tissue with such jumps is bright."""


def speckled(grey: NDArray[np.uint8], step: int) -> Mask:
    """Pixels that differ from their right neighbour by so many grey values, but for those of letters."""
    jumps = _jumps(grey)
    marks: Mask = jumps >= step
    density, high = _density(marks), _density(jumps >= LETTER_STEP)
    marks &= ~_spread((high > LETTERS * density) & (density < FULL), marks)
    return marks


def near_letters(grey: NDArray[np.uint8]) -> Mask:
    """Letters on black, and pixels beside them: compression leaves faint speckle there."""
    written = (_density(_jumps(grey) >= LETTER_STEP) > WRITTEN) & (_density(grey < BLACK) > ON_BLACK)
    return _spread(np.asarray(ndimage.maximum_filter(written, 3 * _side(written))), grey)


def _jumps(grey: NDArray[np.uint8]) -> NDArray[np.int16]:
    values = grey.astype(np.int16)
    return np.asarray(np.abs(np.diff(values, axis=1, append=values[:, -1:])), np.int16)


def _density(marks: Mask) -> NDArray[np.float32]:
    """Share of marks around each cell."""
    cell = _cell(marks)
    height, width = (-(-length // cell) * cell for length in marks.shape)
    whole = np.pad(marks, ((0, height - marks.shape[0]), (0, width - marks.shape[1])), mode="edge")
    rows = whole.reshape(height // cell, cell, width).sum(axis=1, dtype=np.float32)
    cells = rows.reshape(height // cell, width // cell, cell).mean(axis=2) / cell
    return np.asarray(ndimage.uniform_filter(cells, _side(cells)), np.float32)


def _spread(cells: Mask, picture: NDArray[Any]) -> Mask:
    """Of cells as of the picture's pixels."""
    cell = _cell(picture)
    return np.asarray(cells.repeat(cell, axis=0).repeat(cell, axis=1)[: picture.shape[0], : picture.shape[1]])


def _cell(picture: NDArray[Any]) -> int:
    cell: int = max(1, min(picture.shape) // CELLS)
    return cell


def largest_place(marks: Mask) -> Mask:
    """The largest place with many marks; what is thin, such as a line of text, is left out."""
    dense = _density(marks) > DENSE
    side = _side(dense)
    padded = np.pad(dense, side).astype(np.uint8)
    closed = ndimage.minimum_filter(ndimage.maximum_filter(padded, side), side) > 0
    filled = ndimage.binary_fill_holes(closed)[side:-side, side:-side]
    opened = _open(filled, 3 * side)
    pieces, count = ndimage.label(opened)
    if not count:
        return _spread(opened, marks)
    return _spread(pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:])), marks)


def _side(picture: NDArray[Any]) -> int:
    """Side of the square in which marks are counted, in pixels or cells of the picture; odd."""
    side: int = max(3, round(min(picture.shape) / 45)) | 1
    return side


def shrunk(tissue: Mask) -> Mask:
    """Tissue without the rim that counting in squares has added to it."""
    return np.asarray(ndimage.minimum_filter(tissue.astype(np.uint8), _side(tissue), mode="nearest") > 0)


def _open(mask: Mask, side: int) -> Mask:
    """Opening with a square; the picture's border counts as inside, so that a scan that reaches it is kept."""
    eroded = ndimage.minimum_filter(mask.astype(np.uint8), side, mode="nearest")
    return np.asarray(mask & (ndimage.maximum_filter(eroded, side, mode="nearest") > 0))
