"""Gradient feedback: what the mask got wrong is told to the classifier, through the gradient of the first mask's loss.

Ward et al. 2025: the segmentation gradient is the query, the feature maps are keys and values of a cross-attention
whose output refines the class activation map. The equations are ours::

    G  = dL_seg/dF of the first mask, detached, over its RMS in each image
    Q  = W_q G,  K = W_k F,  V = W_v F          on maps pooled to 32 × 32 cells at most
    F' = F + gamma·W_o·softmax(QKᵀ/√d_k)V       d_k = 64, one to four heads, gamma = 0 at the start

Class scores, map, second prompt and second mask come from F'. At use there is no label and so no loss: the first mask
is its own target (:func:`self_loss`). The gradient goes through the decoder alone: F is a leaf for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.settings import FeedbackMode
from napari_adasam.model.encoders import EMBEDDING, coarse
from napari_adasam.model.losses import dice_loss

KEY = 64
MOST_CELLS = 32
MODES: tuple[FeedbackMode, ...] = get_args(FeedbackMode)


class Feedback(nn.Module):
    """Cross-attention from the gradient to the embedding.

    Parameters
    ----------
    heads
        1 to 4, each with keys and values of 64.
    """

    def __init__(self, heads: int = 1) -> None:
        super().__init__()
        if not 1 <= heads <= 4:
            raise ValueError(f"expected 1 to 4 heads, got {heads}")
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(EMBEDDING, heads * KEY, bias=False) for _ in range(3))
        self.out = nn.Linear(heads * KEY, EMBEDDING)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, embedding: Tensor, gradient: Tensor) -> Tensor:
        """Embedding and gradient, both (B, 256, h, w), to the refined embedding F' (B, 256, h, w).

        Finer features behind an embedding stay as they are, and so does their part of the gradient.
        """
        rest = embedding[:, EMBEDDING:]
        embedding, gradient = coarse(embedding), coarse(gradient)
        cells = (min(embedding.shape[-2], MOST_CELLS), min(embedding.shape[-1], MOST_CELLS))
        pooled, asked = (F.adaptive_avg_pool2d(x, cells) for x in (embedding, unit_rms(gradient)))
        attended = F.scaled_dot_product_attention(
            self._split(self.query(_tokens(asked))),
            self._split(self.key(_tokens(pooled))),
            self._split(self.value(_tokens(pooled))),
        )  # (B, heads, cells, 64)
        told: Tensor = self.out(attended.transpose(1, 2).flatten(2))  # (B, cells, 256)
        told = told.transpose(1, 2).reshape(len(embedding), -1, *cells)
        if told.shape != embedding.shape:
            told = F.interpolate(told, embedding.shape[-2:], mode="bilinear", align_corners=False)
        refined = embedding + self.gamma * told
        return torch.cat([refined, rest], dim=1)

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.reshape(*tokens.shape[:2], self.heads, KEY).transpose(1, 2)


def _tokens(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2)


def unit_rms(gradient: Tensor) -> Tensor:
    """A gradient (B, …) detached and divided by its root mean square in each image; zero stays zero."""
    exact = gradient.detach().float()
    rms = exact.flatten(1).square().mean(1).sqrt().clamp_min(torch.finfo(exact.dtype).tiny)
    return (exact / rms.view(-1, *[1] * (exact.dim() - 1))).nan_to_num(0.0, 0.0, 0.0).to(gradient.dtype)


def self_loss(logits: Tensor) -> Tensor:
    """Mask logits (N, h, w) against their own thresholded selves, (N,): Dice plus entropy. It knows no label."""
    chance = torch.sigmoid(logits)
    entropy = chance * F.softplus(-logits) + (1 - chance) * F.softplus(logits)
    return dice_loss(logits, (logits.detach() > 0).float()) + entropy.mean((-2, -1))


def equip(module: Feedback | None, mode: FeedbackMode, heads: int) -> Feedback | None:
    """What a round needs: none where feedback is off, else what is there already, else a fresh one."""
    if mode == "off":
        return None
    return module if module is not None and module.heads == heads else Feedback(heads)


def of_weights(weights: Mapping[str, Tensor]) -> Feedback | None:
    """The empty module that a file's weights are for; ``None`` for a file without feedback, as older ones are."""
    query = weights.get("feedback.query.weight")
    return None if query is None else Feedback(min(4, max(1, query.shape[0] // KEY)))
