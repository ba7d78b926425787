"""CAM → prompts: threshold, components, box from cell edges, point at the peak, dense map.

Threshold 0.4 of the min-max scaled map is ADA-SAM's; components, point and dense map are ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.settings import PromptSettings
from napari_adasam.model.canvas import Canvas

OUTSIDE = -10.0


def components(cam: NDArray[np.float32], settings: PromptSettings, several_parts: bool) -> list[NDArray[np.bool_]]:
    """The parts of a map (h, w) of CAM logits that are prompted from, strongest first.

    Cells above ``threshold`` of the min-max scaled activation; the component that holds the maximum, or for a structure
    with several parts each whose peak reaches ``peak_share`` of the maximum. A map without a positive cell has none.
    """
    if not np.isfinite(cam).all() or cam.max() <= 0:
        return []
    activation = 1.0 / (1.0 + np.exp(-cam.astype(np.float64)))
    scaled = (activation - activation.min()) / max(float(np.ptp(activation)), 1e-9)
    if np.ptp(activation) < 1e-9:
        scaled = np.ones_like(activation)
    names, count = ndimage.label(scaled >= settings.threshold, structure=np.ones((3, 3)))
    peaks = ndimage.maximum(scaled, names, range(1, count + 1))
    order = np.argsort(-np.asarray(peaks), kind="stable")
    chosen = [i for i in order if peaks[i] >= settings.peak_share * scaled.max()] if several_parts else order[:1]
    return [names == i + 1 for i in chosen]


def cell_box(part: NDArray[np.bool_], cell: float) -> tuple[float, float, float, float]:
    """Box (y0, x0, y1, x1) in input pixels around a part (h, w), from the first cell's first to the last cell's last.

    ``y1 = (i + 1)·cell - 1``: a part of one cell has the whole cell for its box.
    """
    rows, columns = np.nonzero(part.any(1))[0], np.nonzero(part.any(0))[0]
    return (rows[0] * cell, columns[0] * cell, (rows[-1] + 1) * cell - 1, (columns[-1] + 1) * cell - 1)


def peak(cam: NDArray[np.float32], part: NDArray[np.bool_], cell: float) -> tuple[float, float]:
    """The centre (y, x) in input pixels of the part's strongest cell."""
    index = int(np.argmax(np.where(part, cam, -np.inf)))
    row, column = divmod(index, cam.shape[1])
    return (row + 0.5) * cell - 0.5, (column + 0.5) * cell - 0.5


def only_part(cam: NDArray[np.float32], part: NDArray[np.bool_], parts: list[NDArray[np.bool_]]) -> NDArray[np.float32]:
    """The map with the other prompted parts put out, so that each prompt asks for its own."""
    others = np.any([p for p in parts if p is not part], axis=0) if len(parts) > 1 else np.zeros_like(part)
    near_others = ndimage.binary_dilation(others, np.ones((3, 3))) & ~ndimage.binary_dilation(part, np.ones((3, 3)))
    return np.where(others | near_others, np.float32(OUTSIDE), cam).astype(np.float32)


def prompts_from_cam(
    cam: NDArray[np.float32], canvas: Canvas, settings: PromptSettings, several_parts: bool
) -> tuple[Prompt, ...]:
    """Prompts in image pixels for one structure, one a part; empty where there is nothing to ask for.

    Parameters
    ----------
    cam
        (h, w) float32 CAM logits over the square input.
    canvas
        Geometry of the image on the input.
    several_parts
        Whether the structure may have more than one part.
    """
    cell = canvas.size / cam.shape[0]
    parts = components(cam, settings, several_parts)
    prompts = []
    for part in parts:
        y0, x0, y1, x1 = cell_box(part, cell)
        box = (*canvas.to_image(y0, x0), *canvas.to_image(y1, x1)) if settings.use_box else None
        at = canvas.to_image(*peak(cam, part, cell))
        points = (Point(*at),) if settings.use_point else ()
        dense = only_part(cam, part, parts) if settings.use_dense else None
        if points or box or dense is not None:
            prompts.append(Prompt(points=points, box=box, dense=dense, source="cam"))
    return tuple(prompts)
