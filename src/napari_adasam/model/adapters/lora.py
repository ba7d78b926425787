"""LoRA on the queries and values of attention (Hu et al. 2021, arXiv 2106.09685; as ADA-SAM uses it).

W' = W + (alpha / rank)·B·A on the rows of ``qkv`` that make q and v. A ~ N(0, 0.01), B = 0: untrained, the encoder
is unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from napari_adasam.model.encoders import Encoder


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """Rank, scale numerator and the first adapted unit (see :meth:`Encoder.adapt_index`)."""

    rank: int = 8
    alpha: float = 8.0
    adapt_from: int | None = None


def qv_rows(attention: nn.Module) -> tuple[Tensor, Tensor]:
    """Rows of ``qkv.weight`` that make the queries and the values.

    segment-anything stacks q, k, v whole; TinyViT interleaves them head by head.
    """
    module: Any = attention
    out = int(module.qkv.out_features)
    if hasattr(module, "key_dim"):
        grid = torch.arange(out).view(int(module.num_heads), 2 * int(module.key_dim) + int(module.val_dim))
        return grid[:, : module.key_dim].reshape(-1), grid[:, 2 * module.key_dim :].reshape(-1)
    return torch.arange(out // 3), torch.arange(2 * out // 3, out)


class LoraQV(nn.Module):
    """A frozen ``qkv`` linear with a low-rank update of its q and v rows."""

    def __init__(self, attention: nn.Module, settings: LoraSettings) -> None:
        super().__init__()
        self.base: nn.Linear = attention.qkv  # type: ignore[assignment]
        self.in_features, self.out_features = self.base.in_features, self.base.out_features
        rows = qv_rows(attention)
        width, rank = self.base.in_features, settings.rank
        self.scale = settings.alpha / rank
        self.a = nn.Parameter(torch.randn(2, rank, width) * 0.01)
        self.b = nn.Parameter(torch.zeros(2, len(rows[0]), rank))
        self.register_buffer("rows", torch.cat(rows), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) to (…, 3·out): one product with the updated weight."""
        update = (self.b @ self.a).flatten(0, 1) * self.scale
        weight = self.base.weight.index_add(0, self.rows, update)  # type: ignore[arg-type]
        return F.linear(x, weight, self.base.bias)


def insert(encoder: Encoder, settings: LoraSettings) -> int:
    """Freeze the encoder and put LoRA into its attention from ``adapt_from`` on; returns the first adapted unit."""
    since = encoder.adapt_index(settings.adapt_from)
    encoder.requires_grad_(False)
    for attention in encoder.attentions(since):
        attention.qkv = LoraQV(attention, settings)
    return since


def first_adapted(encoder: Encoder) -> int:
    """The first unit with LoRA in it; the number of units where there is none."""
    adapted = (i for i, unit in enumerate(encoder.units) if any(isinstance(m, LoraQV) for m in unit.modules()))
    return next(adapted, len(encoder.units))


def parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """The LoRA parameters of a module, by name: what is trained, and what is saved."""
    names = {f"{name}.{key}" for name, m in module.named_modules() if isinstance(m, LoraQV) for key in ("a", "b")}
    return {name: p for name, p in module.named_parameters() if name in names}
