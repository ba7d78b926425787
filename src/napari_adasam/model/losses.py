"""Terms of L = L_cls + λ_s(Dice + CE) + λ_m L_map + λ_i L_iou + w(t) L_u, where L_u is Dice + CE on pseudo-labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def dice_loss(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """1 - soft Dice over the last two axes, (N, h, w) to (N,); ``weight`` (N, h, w) leaves pixels out where it is 0."""
    chance = torch.sigmoid(logits)
    if weight is not None:
        chance, target = chance * weight, target * weight
    overlap = 2 * (chance * target).sum((-2, -1)) + 1
    total = chance.sum((-2, -1)) + target.sum((-2, -1)) + 1
    return 1 - overlap / total


def cross_entropy(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean binary cross-entropy over the last two axes, (N, h, w) to (N,)."""
    each = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    if weight is None:
        return each.mean((-2, -1))
    return (each * weight).sum((-2, -1)) / weight.sum((-2, -1)).clamp_min(1)


def segmentation_loss(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Dice plus cross-entropy, (N, h, w) to (N,)."""
    return dice_loss(logits, target, weight) + cross_entropy(logits, target, weight)


def map_loss(maps: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Class maps (B, K, h, w) against the share of each place that the structure fills, 0 to 1, (B, K, H, W); (B, K).

    Maps are interpolated to the target's places: judged at the decoder's 4h × 4w they are what it gets as dense prompt.
    The Dice term leaves out structures that are absent, where it has nothing to overlap with.
    """
    maps = F.interpolate(maps, target.shape[-2:], mode="bilinear", align_corners=False)
    ce = cross_entropy(maps, target, weight)
    present = (target.flatten(2).amax(-1) > 0).float()
    return ce + present * dice_loss(maps, target, weight)


def iou_of(logits: Tensor, target: Tensor) -> Tensor:
    """Real IoU of thresholded logits (N, h, w) with a binary target, (N,), 0 to 1; 1 where both are empty."""
    found, real = logits > 0, target > 0.5
    union = (found | real).flatten(1).sum(1)
    overlap = (found & real).flatten(1).sum(1)
    return torch.where(union > 0, overlap / union.clamp_min(1), torch.ones_like(union, dtype=torch.float32))
