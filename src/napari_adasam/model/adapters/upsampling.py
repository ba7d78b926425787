"""MA-SAM's decoder: masks at full resolution, and masks without any prompt.

Its channels go 256→64→32→16→8 while the sides double four times, and a hyper-MLP gives 8 weights a mask [paper]. Here
SAM's own two steps stay, and what the other two give is added to SAM's mask: the last linear of the hyper-MLP is zero
at first, so that untrained the masks are SAM's, only finer [ours]. MA-SAM has one mask token a class; here a learned
token a structure stands where a prompt's tokens would be, so that boxes and points go on working [ours].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from segment_anything.modeling.common import LayerNorm2d
from segment_anything.modeling.mask_decoder import MLP
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from napari_adasam.model.adapters.parts import Added

if TYPE_CHECKING:
    from napari_adasam.model.adasam import AdaSam

KIND = "masam"


class FineMasks(Added):
    """From SAM's masks at a quarter of the resolution to full resolution."""

    kind = KIND

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = width // 8
        self.upscaling = nn.Sequential(
            nn.ConvTranspose2d(channels, channels // 2, kernel_size=2, stride=2),
            LayerNorm2d(channels // 2),
            nn.GELU(),
            nn.ConvTranspose2d(channels // 2, channels // 4, kernel_size=2, stride=2),
            nn.GELU(),
        )
        self.hyper = MLP(width, width, channels // 4, 3)
        nn.init.zeros_(self.hyper.layers[-1].weight)
        nn.init.zeros_(self.hyper.layers[-1].bias)

    def forward(self, logits: Tensor, upscaled: Tensor, hidden: Tensor) -> Tensor:
        """Finer masks.

        Parameters
        ----------
        logits, upscaled
            (N, K, s, s) SAM's masks, and (N, 32, s, s) the features that they come from.
        hidden
            (N, K, 256) the mask tokens behind the transformer.

        Returns
        -------
        logits
            (N, K, 4s, 4s).
        """
        coarse = F.interpolate(logits, scale_factor=4, mode="bilinear", align_corners=False)
        return coarse + torch.einsum("nkc,nchw->nkhw", self.hyper(hidden), self.upscaling(upscaled))


class StructureTokens(Added):
    """One token (256,) a structure of the classifier, in its order; at first each is SAM's own token for "no point"."""

    kind = KIND

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone())

    def reordered(self, found: Sequence[int | None], fresh: Tensor) -> StructureTokens:
        """Tokens for other structures: each the token at that place of the old, or a fresh one (256,)."""
        rows = [fresh if at is None else self.weight[at] for at in found]
        return StructureTokens(torch.stack(rows) if rows else fresh.new_zeros(0, len(fresh)))


def fresh_token(sam: Any) -> Tensor:
    """What a structure's token is before anything was learned of it: (256,)."""
    weight: Tensor = sam.prompt_encoder.not_a_point_embed.weight
    return weight[0].detach()


def insert(net: AdaSam) -> None:
    """Give a model's decoder finer masks, and a token for each structure of its card."""
    sam = net.sam
    token = fresh_token(sam)
    device = token.device
    sam.fine = FineMasks(len(token)).to(device)
    sam.structure_tokens = StructureTokens(token.expand(len(net.card.structures), -1))
