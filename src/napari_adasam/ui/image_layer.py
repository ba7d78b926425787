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
    """Show another frame in the layer; its contrast comes after, by :func:`show_contrast`."""
    layer.data = pixels
    placement.apply(layer)


def show_contrast(layer: Image) -> None:
    """From black to white for grey values, as :func:`contrast_limits` has it. Not within ``at_once``: it is told."""
    if layer.rgb:
        return
    limits = contrast_limits(layer.data)
    if tuple(layer.contrast_limits_range) != limits:
        layer.contrast_limits_range = limits
    if tuple(layer.contrast_limits) != limits:
        layer.contrast_limits = limits
