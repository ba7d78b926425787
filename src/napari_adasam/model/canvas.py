"""From an image to the encoder's square input and back: longest side resized, padded below and to the right.

Two frames of reference meet here and nowhere else: image pixels, rows first ``(y, x)``, and SAM's input pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True, slots=True)
class Canvas:
    """Geometry of one image on a square input.

    Parameters
    ----------
    height, width
        Of the image, in pixels.
    size
        Side of the square input, in pixels.
    """

    height: int
    width: int
    size: int

    @property
    def scale(self) -> float:
        """Input pixels an image pixel."""
        return self.size / max(self.height, self.width)

    @property
    def inner(self) -> tuple[int, int]:
        """(rows, columns) of the input that the image covers; the rest is padding."""
        return (max(1, int(self.height * self.scale + 0.5)), max(1, int(self.width * self.scale + 0.5)))

    def to_input(self, y: float, x: float) -> tuple[float, float]:
        """Image pixel (y, x) to input pixel, as segment-anything's ``ResizeLongestSide`` maps coordinates."""
        rows, columns = self.inner
        return y * rows / self.height, x * columns / self.width

    def to_image(self, y: float, x: float) -> tuple[float, float]:
        """Input pixel (y, x) to image pixel, clipped to the image."""
        rows, columns = self.inner
        return (
            float(np.clip(y * self.height / rows, 0, self.height - 1)),
            float(np.clip(x * self.width / columns, 0, self.width - 1)),
        )


def grey_canvas(pixels: NDArray[Any], size: int) -> tuple[Tensor, Tensor, Canvas]:
    """Put an image on the square, before normalisation.

    Parameters
    ----------
    pixels
        (H, W) or (H, W, 3) uint8.
    size
        Side of the square.

    Returns
    -------
    grey, valid, canvas
        (C, size, size) float32 in 0 to 255, C = 1 or 3; (1, size, size) float32, 1 where the image is; the geometry.
    """
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
        raise ValueError(f"expected (H, W) or (H, W, 3) uint8, got {pixels.shape} {pixels.dtype}")
    planes = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels[..., :3], -1, 0)
    canvas = Canvas(pixels.shape[0], pixels.shape[1], size)
    source = torch.from_numpy(planes.astype(np.float32))[None]
    inner = F.interpolate(source, canvas.inner, mode="bilinear", align_corners=False, antialias=True)[0]
    rows, columns = canvas.inner
    grey = F.pad(inner, (0, size - columns, 0, size - rows))
    valid = F.pad(torch.ones(1, rows, columns), (0, size - columns, 0, size - rows))
    return grey.clamp(0, 255), valid, canvas


def label_canvas(labels: NDArray[np.uint8], size: int) -> Tensor:
    """Put a label image (H, W) on the same square: (size, size) int64, nearest neighbour, 0 in the padding."""
    canvas = Canvas(labels.shape[0], labels.shape[1], size)
    rows, columns = canvas.inner
    source = torch.from_numpy(labels.astype(np.float32))[None, None]
    inner = F.interpolate(source, (rows, columns), mode="nearest-exact")
    return F.pad(inner, (0, size - columns, 0, size - rows))[0, 0].long()


def normalise(grey: Tensor, valid: Tensor) -> Tensor:
    """SAM's normalisation of (B, C, S, S) in 0 to 255 to (B, 3, S, S); zero in the padding, as SAM pads."""
    mean = torch.tensor(PIXEL_MEAN, device=grey.device).view(1, 3, 1, 1)
    std = torch.tensor(PIXEL_STD, device=grey.device).view(1, 3, 1, 1)
    return (grey.expand(-1, 3, -1, -1) - mean) / std * valid


def to_image_size(maps: Tensor, canvas: Canvas) -> Tensor:
    """Maps (N, h, w) over the square to (N, H, W) over the image, bilinear.

    The same figures as segment-anything's ``postprocess_masks``.
    """
    rows, columns = canvas.inner
    square = F.interpolate(maps[:, None], (canvas.size, canvas.size), mode="bilinear", align_corners=False)
    inner = square[:, :, :rows, :columns]
    return F.interpolate(inner, (canvas.height, canvas.width), mode="bilinear", align_corners=False)[:, 0]
