"""Where the image lies in napari's world, and back: the one place that turns world coordinates into image pixels.

Image pixels are rows first, (y, x), with the centre of the first pixel at (0, 0). The world is in millimetres where the
spacing is known, in pixels otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Layer

from napari_adasam.domain.prompts import Box, Point
from napari_adasam.domain.records import Frame

NAPARI_UNITS = {"mm": "millimeter", "pixel": "pixel"}
"""How napari tells of the units that it is given."""
HIDING = ("opaque", "translucent", "translucent_no_depth")
"""The ways in which napari's layers are laid over each other and hide what is below."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Scale and unit that every layer of a frame shares.

    Parameters
    ----------
    scale
        World units a pixel, (y, x).
    unit
        ``"mm"`` or ``"pixel"``.
    """

    scale: tuple[float, float]
    unit: str

    @classmethod
    def of(cls, frame: Frame) -> Placement:
        """The placement of a frame: its spacing, or one unit a pixel."""
        if frame.spacing is None:
            return cls((1.0, 1.0), "pixel")
        return cls((frame.spacing.y_mm, frame.spacing.x_mm), "mm")

    def layer_arguments(self) -> dict[str, Any]:
        """Keyword arguments for a new two-dimensional layer."""
        return {"scale": self.scale, "units": (self.unit, self.unit)}

    def apply(self, layer: Layer) -> None:
        """Put an existing layer where the frame is; nothing is set that is so already, for each costs 10 ms."""
        if tuple(layer.scale) != self.scale:
            layer.scale = self.scale
        name = NAPARI_UNITS[self.unit]
        if tuple(str(unit) for unit in layer.units) != (name, name):
            layer.units = (self.unit, self.unit)
        if any(layer.translate):
            layer.translate = (0.0, 0.0)
        if not np.array_equal(layer.rotate, np.eye(2)):
            layer.rotate = 0.0
        if any(layer.shear):
            layer.shear = (0.0,)
        straighten(layer)


def extent(frame: Frame) -> tuple[int, int, Placement]:
    """What decides whether the view of one frame fits another."""
    return frame.height, frame.width, Placement.of(frame)


def straighten(layer: Layer) -> bool:
    """Undo what napari's transform tool does to a two-dimensional layer; whether there was something to undo."""
    if np.array_equal(layer.affine.affine_matrix, np.eye(3)):
        return False
    layer.affine = np.eye(3)
    return True


def covers(layer: Layer, other: Layer) -> bool:
    """Whether a layer that lies above another one is a picture that hides some of it."""
    if not isinstance(layer, Image) or not layer.visible or layer.opacity < 1 or layer.blending not in HIDING:
        return False
    (low, high), (lowest, highest) = (one.extent.world[:, -2:] for one in (layer, other))
    return bool((low < highest).all() and (lowest < high).all())


def pixel_at(layer: Layer, world: Sequence[float]) -> tuple[float, float]:
    """Image pixel (y, x) under a world position; axes of other layers before the last two are ignored."""
    y, x = layer.world_to_data(tuple(world)[-2:])
    return float(y), float(x)


def inside(pixel: tuple[float, float], shape: tuple[int, int]) -> bool:
    """Whether a pixel coordinate lies in an image of (height, width)."""
    return -0.5 <= pixel[0] < shape[0] - 0.5 and -0.5 <= pixel[1] < shape[1] - 0.5


def point_at(pixel: tuple[float, float], positive: bool) -> Point:
    """A click as a prompt."""
    return Point(pixel[0], pixel[1], positive)


def box_between(one: tuple[float, float], other: tuple[float, float], shape: tuple[int, int]) -> Box | None:
    """The box spanned by two corners, cut to the image; ``None`` if it is under 3 pixels wide or high."""
    y0, y1 = sorted(min(max(corner[0], 0.0), shape[0] - 1.0) for corner in (one, other))
    x0, x1 = sorted(min(max(corner[1], 0.0), shape[1] - 1.0) for corner in (one, other))
    if y1 - y0 < 2.0 or x1 - x0 < 2.0:
        return None
    return (y0, x0, y1, x1)


def box_corners(box: Box) -> list[list[float]]:
    """The rectangle of a box as napari draws it: around the pixels of both corners."""
    y0, x0, y1, x1 = box[0] - 0.5, box[1] - 0.5, box[2] + 0.5, box[3] + 0.5
    return [[y0, x0], [y0, x1], [y1, x1], [y1, x0]]
