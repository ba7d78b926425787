"""LoRA on the queries and values of attention (Hu et al. 2021, arXiv 2106.09685; as ADA-SAM uses it).

W' = W + (alpha / rank)·B·A on the rows of ``qkv`` that make q and v. A ~ N(0, 0.01), B = 0: untrained, the encoder
is unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from napari_adasam.model.adapters import skips
from napari_adasam.model.adapters.parts import HEADS, Added, added, unit_names
from napari_adasam.model.encoders import Encoder

if TYPE_CHECKING:
    from napari_adasam.model.adasam import AdaSam


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """Rank, scale numerator and the first adapted unit (see :meth:`Encoder.adapt_index`).

    ``tuned`` are the encoder's units whose own weights learn, too: LoRA is made for large encoders, and the last
    stages of a small one have to learn more than their queries and values. With ``skip`` the decoder gets the encoder's
    finer features too (:mod:`.skips`).
    """

    kind: ClassVar[str] = "lora"
    rank: int = 8
    alpha: float = 8.0
    adapt_from: int | None = None
    tuned: tuple[int, ...] = ()
    skip: bool = False

    @property
    def trains(self) -> tuple[str, ...]:
        """SAM's decoder, the classifier, the tuned units and the skip."""
        return (*HEADS, *unit_names(self.tuned), skips.NAME)

    @property
    def slices(self) -> int:
        """LoRA sees every slice for itself."""
        return 1

    def insert(self, net: AdaSam) -> None:
        """Into the attention of the encoder, and the skip beside it."""
        insert(net.sam.encoder, self)
        if self.skip:
            skips.insert(net.sam.encoder)


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


class UpdatedQV(Added):
    """A frozen ``qkv`` linear with an update of its q and v rows.

    It has a linear's ``weight`` and ``bias``, so that one update can be laid over another.
    """

    rows: Tensor

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        base: Any = attention.qkv
        self.base = base
        self.in_features, self.out_features = int(base.in_features), int(base.out_features)
        self.register_buffer("rows", torch.cat(qv_rows(attention)), persistent=False)

    def update(self) -> Tensor:
        """(2, out, in): what is added to the rows of q and of v."""
        raise NotImplementedError

    @property
    def weight(self) -> Tensor:
        """(3·out, in), updated."""
        base: Tensor = self.base.weight
        return base.index_add(0, self.rows, self.update().flatten(0, 1).to(base.dtype))  # under autocast it is shorter

    @property
    def bias(self) -> Tensor | None:
        """(3·out,), frozen."""
        found: Tensor | None = self.base.bias
        return found

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) to (…, 3·out): one product with the updated weight."""
        return F.linear(x, self.weight, self.bias)


class LoraQV(UpdatedQV):
    """Low-rank update of q and v."""

    kind = "lora"

    def __init__(self, attention: nn.Module, settings: LoraSettings) -> None:
        super().__init__(attention)
        rank = settings.rank
        self.scale = settings.alpha / rank
        self.a = nn.Parameter(torch.randn(2, rank, self.in_features) * 0.01)
        self.b = nn.Parameter(torch.zeros(2, len(self.rows) // 2, rank))

    def update(self) -> Tensor:
        """(2, out, in): (alpha / rank)·B·A."""
        return (self.b @ self.a) * self.scale


def insert(encoder: Encoder, settings: LoraSettings) -> int:
    """Freeze the encoder and put LoRA into its attention from ``adapt_from`` on; returns the first adapted unit."""
    since = encoder.adapt_index(settings.adapt_from)
    encoder.requires_grad_(False)
    for attention in encoder.attentions(since):
        if not added(attention, LoraQV.kind):
            attention.qkv = LoraQV(attention, settings)
    return since


def parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """The LoRA parameters of a module, by name."""
    return added(module, LoraQV.kind)
