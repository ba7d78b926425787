"""Pixels as the model and the screen want them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


def to_grey(pixels: NDArray[Any], bits: int | None = None, white: int | None = None) -> NDArray[np.uint8]:
    """One frame as grey values for the model.

    Colour becomes BT.601 luma, exact where red, green and blue are equal. 16-bit values are divided by the full range
    of their bit depth, not stretched by percentiles: black stays black, and frames of one clip keep their relative
    brightness where ``bits`` is given. Without it the depth is that which this frame uses (:func:`bit_depth`): of two
    frames on either side of a power of two, the brighter one comes out up to twice as dark.

    Parameters
    ----------
    pixels
        (height, width) or (height, width, 3), uint8 or uint16.
    bits
        How many bits the file stores a value in, 1 to 16; greater values are white. Of no meaning for uint8.
    white
        In their place, the value from which on pixels are white, 1 to 65535. Of no meaning for uint8.

    Returns
    -------
    (height, width) uint8.
    """
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)):
        raise ValueError(
            f"expected (height, width) or (height, width, 3) in uint8 or uint16, got {pixels.shape} in {pixels.dtype}"
        )
    if pixels.ndim == 3:
        pixels = _luma(pixels)
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    if bits is not None and not 1 <= bits <= 16:
        raise ValueError(f"expected 1 to 16 bits, got {bits}")
    full = white or 2 ** (bits or bit_depth(pixels)) - 1
    return np.asarray(np.rint(np.minimum(pixels, full) * (np.float32(255) / np.float32(full))), np.uint8)


def grey_levels(pixels: NDArray[Any]) -> NDArray[Any]:
    """One frame (height, width) or (height, width, 3) as grey levels (height, width) of its own depth, for measuring.

    Colour becomes luma, as in :func:`to_grey`; nothing is scaled. What is no number (NaN, infinite) is masked
    (:mod:`numpy.ma`).
    """
    grey = _luma(pixels) if pixels.ndim == 3 else pixels
    return grey if np.isfinite(grey).all() else np.ma.masked_invalid(grey)


def bit_depth(pixels: NDArray[Any]) -> int:
    """How many bits the values use, 8 to 16: the smallest depth that holds the greatest value."""
    return max(8, int(pixels.max(initial=0)).bit_length())


def _luma(pixels: NDArray[Any]) -> NDArray[Any]:
    red, green, blue = (pixels[..., channel] for channel in range(3))
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return np.asarray(red)
    with np.errstate(invalid="ignore"):  # infinite less infinite is no number
        grey = np.float32(LUMA[0]) * red + np.float32(LUMA[1]) * green + np.float32(LUMA[2]) * blue
    return np.asarray(grey if pixels.dtype.kind == "f" else np.rint(grey), pixels.dtype)
