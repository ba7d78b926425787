"""HyP-Adpt of Med-SA (Wu et al. 2023): an adapter in the decoder whose inner weights come from the prompt.

It stands behind the prompt tokens' attention to the image. Its down projection e is multiplied by a weight map W that
an MLP makes of the prompt: e ← ReLU(Norm(e ⊗ W)), then up [paper]. No public code of it exists; that W = 1 +
MLP(prompt), that a prompt is the mean of its tokens plus the mean of its dense map's embedding, and the widths are
ours [ours].
Without a prompt W = 1: a plain adapter.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_adasam.model.adapters.parts import Added, passing, silent

HIDDEN = 64


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What N prompts are, in one vector each (N, C), and whether there is one at all (N,) bool."""

    vector: Tensor
    given: Tensor


def summary(sparse: Tensor, known: Tensor, dense: Tensor, has_dense: Tensor) -> Asked:
    """Prompts in one vector each.

    Parameters
    ----------
    sparse, known
        (N, P, C) prompt tokens, and (N, P) bool where they are points or corners of a box.
    dense, has_dense
        (N, C, h, w) dense prompt embeddings, and (N,) bool where they are given.
    """
    count = known.sum(1, keepdim=True)
    tokens = (sparse * known[..., None]).sum(1) / count.clamp_min(1)
    maps = dense.mean((2, 3)) * has_dense[:, None]
    return Asked(tokens + maps, (count[:, 0] > 0) | has_dense)


class HyperAttention(Added):
    """The decoder's frozen token-to-image attention with HyP-Adpt behind it."""

    def __init__(self, attention: nn.Module, channels: int, width: int, maps: bool, kind: str) -> None:
        super().__init__()
        self.base, self.kind, self.width = attention, kind, width  # type: ignore[misc]
        self.down, self.up = nn.Linear(channels, width), silent(width, channels)
        self.norm = nn.LayerNorm(width)
        self.map = (
            nn.Sequential(nn.Linear(channels, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, width * width)) if maps else None
        )
        self.asked: Asked | None = None

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """(N, T, C) tokens, and (N, h·w, C) of the image, to (N, T, C)."""
        out: Tensor = self.base(q=q, k=k, v=v)
        inner = self.down(out)
        if self.map is not None and self.asked is not None:
            inner = inner @ self.weights(self.asked)
        out = out + self.up(torch.relu(self.norm(inner)))
        return out

    def weights(self, asked: Asked) -> Tensor:
        """The weight maps W (N, L, L) of N prompts."""
        assert self.map is not None
        change: Tensor = self.map(asked.vector).view(-1, self.width, self.width) * asked.given[:, None, None]
        return change + torch.eye(self.width, device=change.device)


def insert(sam: nn.Module, width: int, maps: bool, kind: str) -> None:
    """Put HyP-Adpt behind the token-to-image attention of every layer of a SAM's decoder."""
    for layer in sam.mask_decoder.transformer.layers:  # type: ignore[union-attr]
        channels = layer.norm2.normalized_shape[0]
        layer.cross_attn_token_to_image = HyperAttention(layer.cross_attn_token_to_image, channels, width, maps, kind)


@contextmanager
def told(decoder: nn.Module, asked: Asked) -> Iterator[None]:
    """Within, the decoder's adapters know the prompts of the batch; a click may be answered in between."""
    with passing([m for m in decoder.modules() if isinstance(m, HyperAttention)], "asked", asked):
        yield
