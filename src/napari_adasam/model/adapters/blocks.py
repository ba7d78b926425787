"""The steps of a transformer block, for segment-anything's ViT and for timm's TinyViT, with the block's own modules.

A block of either is x + attention, [TinyViT: a depthwise convolution,] x + MLP, on (N, h, w, C) tokens. Adaptations put
modules between these steps, so they take the steps one by one; with nothing between, the numbers are the block's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from segment_anything.modeling.image_encoder import Block, window_partition, window_unpartition
from timm.models.tiny_vit import TinyVitBlock
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from napari_adasam.model.adapters.parts import by_stack
from napari_adasam.model.encoders import Encoder
from napari_adasam.model.windows import attend_in_windows

BLOCKS = (Block, TinyVitBlock)


def width_of(block: nn.Module) -> int:
    """Channels of a block's tokens."""
    norm: Any = block.attn.norm if isinstance(block, TinyVitBlock) else block.norm1
    return int(norm.normalized_shape[0])


def replace_blocks(encoder: Encoder, since: int, make: Callable[[nn.Module], nn.Module]) -> None:
    """Put what ``make`` gives for it in the place of every transformer block in the units from ``since`` on."""
    for index in range(since, len(encoder.units)):
        unit = encoder.units[index]
        if isinstance(unit, BLOCKS):
            encoder.units[index] = make(unit)
            continue
        for parent in list(unit.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, BLOCKS):
                    setattr(parent, name, make(child))


def attend(block: Any, x: Tensor) -> Tensor:
    """Norm and attention within the block's windows, before the residual is added: (N, h, w, C) to the same."""
    out: Tensor
    if isinstance(block, TinyVitBlock):
        out = block.drop_path1(attend_in_windows(block.attn, x, block.window_size))
        return out
    x = block.norm1(x)
    if block.window_size == 0:
        out = block.attn(x)
        return out
    windows, padded = window_partition(x, block.window_size)
    out = window_unpartition(block.attn(windows), block.window_size, padded, x.shape[1:3])
    return out


def attend_along_depth(block: Any, x: Tensor, slices: int) -> Tensor:
    """The block's attention over the slices at each place, with its own weights but no positions.

    (B·D, h, w, C) to the same. No window is cut: token (h, w) of a slice sees (h, w) of its stack alone.
    """
    attention = block.attn
    tokens = by_stack(attention.norm(x) if isinstance(block, TinyVitBlock) else block.norm1(x), slices)
    places = tokens.permute(0, 2, 3, 1, 4)  # B, h, w, D, C
    query, key, value = _heads(attention, attention.qkv(places.flatten(0, 2)))
    mixed = F.scaled_dot_product_attention(query, key, value, scale=attention.scale)
    out: Tensor = attention.proj(mixed.transpose(1, 2).flatten(2))
    return out.view(places.shape).permute(0, 3, 1, 2, 4).flatten(0, 1)


def _heads(attention: Any, qkv: Tensor) -> list[Tensor]:
    """(N, D, 3·C) to queries, keys and values, each (N, heads, D, C/heads); :func:`.lora.qv_rows` tells the orders."""
    if hasattr(attention, "key_dim"):
        split = torch.unflatten(qkv, -1, (attention.num_heads, -1))
        widths = [attention.key_dim, attention.key_dim, attention.val_dim]
        return [part.transpose(1, 2) for part in torch.split(split, widths, dim=-1)]
    split = torch.unflatten(qkv, -1, (3, attention.num_heads, -1))
    return [part.transpose(1, 2) for part in split.unbind(2)]


def between(block: Any, x: Tensor) -> Tensor:
    """What stands between attention and MLP: TinyViT's convolution, nothing in ViT."""
    if not isinstance(block, TinyVitBlock):
        return x
    out: Tensor = block.local_conv(x.permute(0, 3, 1, 2))
    return out.permute(0, 2, 3, 1)


def normed_for_mlp(block: Any, x: Tensor) -> Tensor:
    """The tokens as the MLP's first linear sees them."""
    out: Tensor = block.mlp.norm(x) if isinstance(block, TinyVitBlock) else block.norm2(x)
    return out


def think(block: Any, x: Tensor) -> Tensor:
    """Norm and MLP, before the residual is added: (N, h, w, C) to the same."""
    out: Tensor = block.drop_path2(block.mlp(x)) if isinstance(block, TinyVitBlock) else block.mlp(block.norm2(x))
    return out
