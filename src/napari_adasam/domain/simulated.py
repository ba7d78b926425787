"""What a person would click or draw, simulated from a true mask: for training, and for studies of prompted masks.

Nothing that answers without a prompt may use this.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_adasam.domain.prompts import Box, Point
from napari_adasam.domain.structures import Structure

Mask = NDArray[np.bool_]
SMALLEST_PART = 20


def tight_box(mask: Mask) -> Box:
    """The box (y0, x0, y1, x1) whose corners are the mask's outermost pixels."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    return float(rows[0]), float(columns[0]), float(rows[-1]), float(columns[-1])


def parts(mask: Mask, structure: Structure) -> list[Mask]:
    """Separate parts of at least 20 pixels where the structure may have several, else the whole mask."""
    if not structure.several_parts:
        return [mask]
    names, count = ndimage.label(mask, structure=np.ones((3, 3)))
    return [names == i for i in range(1, count + 1) if (names == i).sum() >= SMALLEST_PART]


def innermost(mask: Mask) -> tuple[int, int]:
    """The (row, column) of a mask that is farthest from its border; the picture's edge is border, too.

    Looked for in the mask's own box: beyond it nothing can be nearer.
    """
    y0, x0, y1, x1 = (int(edge) for edge in tight_box(mask))
    depth = ndimage.distance_transform_edt(np.pad(mask[y0 : y1 + 1, x0 : x1 + 1], 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return y0 + int(y), x0 + int(x)


def next_click(found: Mask, truth: Mask) -> Point | None:
    """The standard simulated click: the innermost pixel of the largest error region; ``None`` where all is right."""
    wrong = found ^ truth
    if not wrong.any():
        return None
    names, _ = ndimage.label(wrong)
    sizes = np.bincount(names.ravel())
    y, x = innermost(names == int(np.argmax(sizes[1:])) + 1)
    return Point(float(y), float(x), positive=bool(truth[y, x]))
