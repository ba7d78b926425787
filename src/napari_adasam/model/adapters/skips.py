"""A skip: finer features of the encoder, to where the decoder's masks get finer.

SAM's decoder sees the picture at 1/16, and makes masks at 1/4 of that alone: thin structures suffer. SAM 2 (Ravi et al.
2024, arXiv 2408.00714) adds the encoder's features at 1/8 and 1/4 between the decoder's two steps of upsampling; here
those at 1/8, which a round keeps anyway, behind a 1×1 convolution that gives 0 until it has learned [ours].
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from napari_adasam.model.adapters.parts import Added
from napari_adasam.model.encoders import FINER, Encoder

NAME = "sam.encoder.skip."
"""How the names of its parameters begin in a whole model."""


class Skip(Added):
    """From an encoder's finer features to the decoder's channels there."""

    kind = "skip"

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, FINER, 1)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)  # type: ignore[arg-type]

    def forward(self, finer: Tensor) -> Tensor:
        """(B, C, 2h, 2w) to (B, 256, h, w): 64 channels, each 2 × 2 of their places folded into four channels."""
        return F.pixel_unshuffle(self.project(finer), 2)


def insert(encoder: Encoder) -> None:
    """Let the encoder give its finer features too. Raises ValueError where it has none."""
    if encoder.finer is None:
        raise ValueError("expected an encoder with finer features, got one that has none")
    if encoder.skip is None:
        device = next(encoder.parameters()).device
        encoder.skip = Skip(encoder.finer[1]).to(device)
