"""What IoU a mask could have at all: through the decoder's grid, and with a border that is one pixel off."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.overlap import iou
from napari_adasam.model.canvas import Canvas, to_image_size

Mask = NDArray[np.bool_]


def through_grid(truth: Mask, size: int) -> float:
    """IoU of a true mask (H, W) with itself, once averaged over the cells of the logits' grid and brought back.

    The grid has a quarter of the input's ``size`` a side. Where it is low, no answer of such a model can be good.
    """
    canvas = Canvas(truth.shape[0], truth.shape[1], size)
    rows, columns = canvas.inner
    shares = torch.from_numpy(truth)[None, None].float()
    inner = F.interpolate(shares, (rows, columns), mode="bilinear", align_corners=False, antialias=True)
    square = F.pad(inner, (0, size - columns, 0, size - rows))
    grid = F.avg_pool2d(square, 4)[0]
    return iou((to_image_size(grid - 0.5, canvas)[0] > 0).numpy(), truth)


def a_pixel_off(truth: Mask) -> float:
    """IoU of a true mask with itself one image pixel larger, and one smaller, all around: the mean of both."""
    larger, smaller = ndimage.binary_dilation(truth), ndimage.binary_erosion(truth, border_value=1)
    return (iou(larger, truth) + iou(smaller, truth)) / 2
