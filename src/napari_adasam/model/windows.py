"""Attention within windows of a map that they do not fill, without working on what is not there.

TinyViT pads a map of tokens with zeros to whole windows. Its norm and ``qkv`` make the same key and value of every
padded place, so one such token is worked out for all of them, and no queries. Of 32 × 32 tokens in windows of 14 × 14
that saves two fifths; the numbers are those of timm's block but for rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


def attend_in_windows(attention: Any, x: Tensor, side: int) -> Tensor:
    """Norm, attention within windows, projection: (B, h, w, C) to the same.

    Parameters
    ----------
    attention
        timm's TinyViT ``Attention``; its ``qkv`` may be adapted.
    side
        Of a window, in tokens.
    """
    height, width = x.shape[1:3]
    widths = [attention.key_dim, attention.key_dim, attention.val_dim]
    query, key, value = torch.split(_windows(attention, x, side), widths, dim=-1)
    key, value = key.flatten(4, 5).mT, value.flatten(4, 5)
    bias: Tensor = attention.get_attention_biases(x.device).unflatten(1, (side, side))
    bands = []
    for rows, high in _bands(height, side):
        parts = []
        for columns, wide in _bands(width, side):
            asked = query[:, rows, columns, :, :high, :wide].flatten(4, 5) * attention.scale
            near = asked @ key[:, rows, columns] + bias[:, :high, :wide].flatten(1, 2)
            seen = (near.softmax(dim=-1) @ value[:, rows, columns]).unflatten(4, (high, wide))
            parts.append(seen.permute(0, 1, 4, 2, 5, 3, 6).flatten(5, 6).flatten(3, 4).flatten(1, 2))
        bands.append(torch.cat(parts, dim=2))
    out: Tensor = attention.proj(torch.cat(bands, dim=1))
    return out


def _windows(attention: Any, x: Tensor, side: int) -> Tensor:
    """Queries, keys and values as (B, rows, columns, heads, side, side, 3·d), the padded places' ones alike."""
    batch, height, width, channels = x.shape
    tokens = torch.cat([x.reshape(-1, channels), x.new_zeros(1, channels)])
    made: Tensor = attention.qkv(attention.norm(tokens))
    found = made[:-1].view(batch, height, width, -1)
    rows, columns = -(-height // side), -(-width // side)
    if (rows * side, columns * side) != (height, width):
        whole = made[-1].expand(batch, rows * side, columns * side, -1).clone()
        whole[:, :height, :width] = found
        found = whole
    found = found.view(batch, rows, side, columns, side, attention.num_heads, -1)
    return found.permute(0, 1, 3, 5, 2, 4, 6)


def _bands(length: int, side: int) -> Iterator[tuple[slice, int]]:
    """Which windows along a length are full, and which is the rest; with how many tokens each."""
    full, rest = divmod(length, side)
    if full:
        yield slice(0, full), side
    if rest:
        yield slice(full, full + 1), rest
