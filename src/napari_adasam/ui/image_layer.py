"""The ultrasound image on the screen."""

from __future__ import annotations

from typing import Any

from napari.layers import Image
from numpy.typing import NDArray

from napari_adasam.ui.placement import Placement


def is_color(pixels: NDArray[Any]) -> bool:
    """Whether pixels are (height, width, 3) and not (height, width)."""
    return pixels.ndim == 3


def contrast_limits(pixels: NDArray[Any]) -> tuple[float, float]:
    """0 to 255 for 8 bits; from the darkest to the brightest pixel for more."""
    if pixels.dtype.itemsize == 1:
        return (0.0, 255.0)
    low, high = float(pixels.min()), float(pixels.max())
    return (low, max(high, low + 1.0))


def image_layer(pixels: NDArray[Any], placement: Placement) -> Image:
    """A layer of pixels (height, width) or (height, width, 3)."""
    return Image(pixels, rgb=is_color(pixels), name="Ultrasound", **placement.layer_arguments())


def fits(layer: Image, pixels: NDArray[Any]) -> bool:
    """Whether the layer can show these pixels; grey and colour need different layers in napari."""
    return bool(layer.rgb) == is_color(pixels)


def show_pixels(layer: Image, pixels: NDArray[Any], placement: Placement) -> None:
    """Show another frame in the layer; its contrast comes after, by :class:`Contrast`."""
    layer.data = pixels
    placement.apply(layer)


class Contrast:
    """From black to white: as :func:`contrast_limits` has it, or as the clinician has set it by hand.

    By hand holds for all pictures of 8 bits; of deeper ones, which differ in what is white, for those of the same file.
    """

    def __init__(self) -> None:
        self._own: tuple[float, float] | None = None
        self._kind: object = None

    def show(self, layer: Image, file_id: str) -> None:
        """Set it for the frame of that file that the layer shows now. Not within ``at_once``: it is told."""
        kind = (layer, layer.data.dtype, file_id if layer.data.dtype.itemsize > 1 else "")
        if kind == self._kind and tuple(layer.contrast_limits) != self._own:
            return
        self._kind, self._own = kind, contrast_limits(layer.data)
        if tuple(layer.contrast_limits_range) != self._own:
            layer.contrast_limits_range = self._own
        if tuple(layer.contrast_limits) != self._own:
            layer.contrast_limits = self._own
