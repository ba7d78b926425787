"""MA-SAM (Chen et al. 2023, arXiv 2309.08842): FacT on queries and values, 3D adapters, progressive upsampling.

FacT-TT: ΔW = s·U·S_l·V, U and V shared by all blocks, S_l a block and a projection; rank 32, V = 0 [code]. TinyViT's
blocks have several widths, so U and V are shared by the blocks of one width [ours]. A 3D adapter stands before the
attention and before the MLP: x + Up(GELU(Conv3×1×1(Down(LN x)))), the convolution along depth only [paper]; 64 wide,
depthwise, Up = 0, and the stack's ends repeated rather than padded with zeros [ours], so that one slice is the same as
a stack of it. The decoder's part is in :mod:`.upsampling`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from napari_adasam.model.adapters import blocks, skips, upsampling
from napari_adasam.model.adapters.lora import UpdatedQV
from napari_adasam.model.adapters.parts import HEADS, Added, AlongDepth, unit_names

if TYPE_CHECKING:
    from napari_adasam.model.adasam import AdaSam
    from napari_adasam.model.encoders import Encoder


@dataclass(frozen=True, slots=True)
class MaSamSettings:
    """MA-SAM.

    Parameters
    ----------
    slices
        D, neighbouring slices or frames that are encoded together.
    rank, scale
        Of FacT.
    width
        Of the 3D adapters.
    adapt_from
        The first adapted unit of the encoder, see :meth:`Encoder.adapt_index`; ``None`` is every block.
    tuned, skip
        As LoRA has them [ours]: units whose own weights learn, too, and the encoder's finer features for the decoder.
    """

    kind: ClassVar[str] = "masam"
    slices: int = 1
    rank: int = 32
    scale: float = 1.0
    width: int = 64
    adapt_from: int | None = None
    tuned: tuple[int, ...] = ()
    skip: bool = False

    @property
    def trains(self) -> tuple[str, ...]:
        """SAM's decoder, the classifier, the tuned units and the skip."""
        return (*HEADS, *unit_names(self.tuned), skips.NAME)

    def insert(self, net: AdaSam) -> None:
        """3D adapters and FacT into the encoder, finer masks and structure tokens into the decoder."""
        encoder = net.sam.encoder
        since = encoder.adapt_index(self.adapt_from or 0)
        blocks.replace_blocks(encoder, since, lambda block: MaSamBlock(block, self))
        insert_fact(encoder, since, self)
        upsampling.insert(net)
        if self.skip:
            skips.insert(encoder)


class FactShared(Added):
    """U (C, rank) and V (rank, C), which all blocks of one width share."""

    kind = MaSamSettings.kind

    def __init__(self, channels: int, rank: int) -> None:
        super().__init__()
        self.u = nn.Parameter(torch.randn(channels, rank) * channels**-0.5)
        self.v = nn.Parameter(torch.zeros(rank, channels))


class FactQV(UpdatedQV):
    """A frozen ``qkv`` linear with FacT on its q and v rows."""

    kind = MaSamSettings.kind

    def __init__(self, attention: nn.Module, shared: FactShared, scale: float) -> None:
        super().__init__(attention)
        rank = len(shared.v)
        self.shared, self.scale = shared, scale
        self.s = nn.Parameter(torch.randn(2, rank, rank) * rank**-0.5)

    def update(self) -> Tensor:
        """(2, out, in): s·(U·S·V)ᵀ."""
        return (self.shared.u @ self.s @ self.shared.v).mT * self.scale


def insert_fact(encoder: Encoder, since: int, settings: MaSamSettings) -> None:
    """Put FacT into every attention of the units from ``since`` on."""
    shared: dict[int, FactShared] = {}
    attention: Any
    for attention in encoder.attentions(since):
        channels = int(attention.qkv.in_features)
        if channels not in shared:
            shared[channels] = FactShared(channels, settings.rank)
        attention.qkv = FactQV(attention, shared[channels], settings.scale)


class DepthAdapter(AlongDepth):
    """x + Up(GELU(Conv3×1×1(Down(LN x)))), see :class:`AlongDepth`."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(channels, width, MaSamSettings.kind)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x + super().forward(x)


class MaSamBlock(Added):
    """A frozen transformer block with a 3D adapter before its attention and one before its MLP."""

    kind = MaSamSettings.kind

    def __init__(self, block: nn.Module, settings: MaSamSettings) -> None:
        super().__init__()
        channels = blocks.width_of(block)
        self.base = block
        self.before_attention = DepthAdapter(channels, settings.width)
        self.before_mlp = DepthAdapter(channels, settings.width)

    def forward(self, x: Tensor) -> Tensor:
        """(B·D, h, w, C) to the same."""
        x = self.before_attention(x)
        x = self.before_mlp(blocks.between(self.base, x + blocks.attend(self.base, x)))
        return x + blocks.think(self.base, x)
