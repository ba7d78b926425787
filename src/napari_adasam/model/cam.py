"""The class activation map as a picture: scaled, and laid over the image to the pixel."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from napari_adasam.model.canvas import Canvas, label_canvas

LOGIT_LIMIT = 10.0


def activation(logits: Tensor) -> Tensor:
    """CAM logits to activations in 0 to 1, whatever the classifier's form."""
    return torch.sigmoid(logits)


def inner_cells(canvas: Canvas, cells: int) -> tuple[int, int]:
    """(rows, columns) of the map's cells that touch the image; the others see padding only."""
    rows, columns = canvas.inner
    cell = canvas.size / cells
    return int(np.ceil(rows / cell)), int(np.ceil(columns / cell))


def inside_image(logits: Tensor, canvas: Canvas) -> Tensor:
    """CAM logits (h, w) with the cells that see padding only put out."""
    rows, columns = inner_cells(canvas, logits.shape[0])
    visible = torch.full_like(logits, -LOGIT_LIMIT)
    visible[:rows, :columns] = logits[:rows, :columns]
    return visible


def inside_region(logits: Tensor, region: NDArray[np.bool_], canvas: Canvas) -> Tensor:
    """CAM logits (h, w) with the cells put out that lie outside a region (H, W) of the image by more than a half."""
    square = label_canvas(region.astype(np.uint8), canvas.size)[None, None].float()
    share = F.adaptive_avg_pool2d(square, (logits.shape[0], logits.shape[1]))[0, 0].to(logits.device)
    return torch.where(share >= 0.5, logits, torch.full_like(logits, -LOGIT_LIMIT))


def only_within(level: Tensor, region: NDArray[np.bool_] | None) -> Tensor:
    """Mask logits (H, W) of the image with the least there is out of a region (H, W); as they are for ``None``."""
    if region is None:
        return level
    return level.masked_fill(torch.from_numpy(~region).to(level.device), -LOGIT_LIMIT)


def overlay(logits: Tensor, canvas: Canvas) -> NDArray[np.float32]:
    """CAM logits (h, w) over the square to (H, W) float32 in 0 to 1 over the image.

    Cell (i, j) covers input pixels i·c to (i + 1)·c - 1 (c the cell's side); interpolation is between cell centres.
    """
    square = F.interpolate(
        activation(logits)[None, None], (canvas.size, canvas.size), mode="bilinear", align_corners=False
    )
    rows, columns = canvas.inner
    image = F.interpolate(
        square[:, :, :rows, :columns], (canvas.height, canvas.width), mode="bilinear", align_corners=False
    )
    return np.asarray(image[0, 0].clamp(0, 1).cpu().numpy(), dtype=np.float32)


def dense_side(cells: int) -> int:
    """The side 4h of SAM's dense prompts and masks, for an embedding of h × h cells."""
    return 4 * cells


def dense_prompt(logits: Tensor, cells: int) -> Tensor:
    """CAM logits (h, w) to SAM's mask prompt (4h, 4w), limited to ±10 as low-resolution mask logits are."""
    limited = logits.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
    side = dense_side(cells)
    return F.interpolate(limited[None, None], (side, side), mode="bilinear", align_corners=False)[0, 0]
