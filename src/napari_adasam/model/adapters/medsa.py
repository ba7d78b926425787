"""Medical SAM Adapter (Wu et al. 2023, arXiv 2304.12620): a frozen SAM with small adapters.

In each encoder block one adapter behind the attention and one, scaled, beside the MLP [paper]; 64 wide, with an up
projection that starts at zero [ours]. For stacks of D > 1 slices SD-Trans adds a depth branch: the same attention
weights over the slices at each place, through an adapter of its own [paper]; it has no positions, and only what its
adapter makes of it is added, so that untrained the model is SAM [ours]. In the decoder HyP-Adpt, see :mod:`.hyper`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

from napari_adasam.domain.settings import DepthBranch
from napari_adasam.model.adapters import blocks, hyper
from napari_adasam.model.adapters.parts import CLASSIFIER, AlongDepth, Bottleneck, OfStacks

if TYPE_CHECKING:
    from napari_adasam.model.adasam import AdaSam


@dataclass(frozen=True, slots=True)
class MedSaSettings:
    """Med-SA.

    Parameters
    ----------
    slices
        D, neighbouring slices or frames that are encoded together; the depth branch is left out at 1.
    width
        Of the encoder's adapters.
    scale
        Of the adapter beside the MLP.
    hyper
        Width of HyP-Adpt in the decoder.
    depth
        The depth branch: ``"attention"`` is SD-Trans; ``"convolution"`` has in its place the convolution over three
        slices of MA-SAM's 3D adapter, to compare them.
    hyper_maps
        Whether the prompt makes the weights between its projections; without them it is a plain adapter.
    adapt_from
        The first adapted unit of the encoder, see :meth:`Encoder.adapt_index`; ``None`` is every block.
    """

    kind: ClassVar[str] = "medsa"
    trains: ClassVar[tuple[str, ...]] = CLASSIFIER
    slices: int = 1
    width: int = 64
    scale: float = 0.5
    depth: DepthBranch = "attention"
    hyper: int = 32
    hyper_maps: bool = True
    adapt_from: int | None = None

    def insert(self, net: AdaSam) -> None:
        """Adapters into every block of the encoder, and into the decoder."""
        encoder = net.sam.encoder
        since = encoder.adapt_index(self.adapt_from or 0)
        blocks.replace_blocks(encoder, since, lambda block: MedSaBlock(block, self))
        hyper.insert(net.sam, self.hyper, self.hyper_maps, self.kind)


class MedSaBlock(OfStacks):
    """A frozen transformer block with Med-SA's adapters; (B·D, h, w, C) to the same."""

    kind = MedSaSettings.kind

    def __init__(self, block: nn.Module, settings: MedSaSettings) -> None:
        super().__init__()
        channels = blocks.width_of(block)
        self.base = block
        self.scale = settings.scale
        self.behind = Bottleneck(channels, settings.width, self.kind)
        self.along: nn.Module | None = None
        if settings.slices > 1 and settings.depth == "attention":
            self.along = Bottleneck(channels, settings.width, self.kind)
        elif settings.slices > 1:
            self.along = AlongDepth(channels, settings.width, self.kind)
        self.beside = Bottleneck(channels, settings.width, self.kind)

    def space(self, x: Tensor) -> Tensor:
        """The space branch: attention within a slice, and the adapter behind it."""
        out = blocks.attend(self.base, x)
        behind: Tensor = self.behind(out)
        return out + behind

    def depth(self, x: Tensor) -> Tensor:
        """The depth branch: attention over the slices at each place, through its adapter."""
        assert self.along is not None
        if isinstance(self.along, AlongDepth):
            return self.along(x)  # type: ignore[no-any-return]
        out: Tensor = self.along(blocks.attend_along_depth(self.base, x, self.slices))
        return out

    def forward(self, x: Tensor) -> Tensor:
        """Space and depth are added; then the MLP and the adapter beside it."""
        attended = self.space(x)
        if self.along is not None:
            attended = attended + self.depth(x)
        x = blocks.between(self.base, x + attended)
        beside: Tensor = self.beside(blocks.normed_for_mlp(self.base, x))
        return x + blocks.think(self.base, x) + self.scale * beside
