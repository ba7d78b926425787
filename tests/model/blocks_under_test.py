"""Encoders of both kinds for the tests of adaptations, small or by shape only."""

from __future__ import annotations

from functools import partial

import torch
from segment_anything.modeling import ImageEncoderViT
from tiny import BELLY, tiny_vit
from torch import Tensor, nn

from napari_adasam.model.adapters.parts import added
from napari_adasam.model.adasam import AdaSam, ModelCard
from napari_adasam.model.classifier import build
from napari_adasam.model.encoders import Encoder, TinyVit, Vit
from napari_adasam.model.sam import SamNet

KINDS = ("vit", "tiny_vit")
SIDES = {"vit": 96, "tiny_vit": 64}


def encoder_of(kind: str) -> Encoder:
    """A random ViT of two blocks, one with windows, or a random TinyViT with its BatchNorms as they come."""
    torch.manual_seed(0)
    encoder: Encoder = tiny_vit(depth=2) if kind == "vit" else TinyVit()
    return encoder.eval()


def images(kind: str, count: int) -> Tensor:
    """Noise (count, 3, S, S); with 96 px the ViT's windows of two cells fit, TinyViT's of 7 and 14 do not."""
    side = SIDES[kind]
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def scramble(net: nn.Module) -> None:
    """Give everything that was inserted random values, as if it had learned."""
    torch.manual_seed(7)
    for parameter in added(net).values():
        parameter.copy_(torch.randn_like(parameter) * 0.3)


def place_of(tokens: Tensor) -> tuple[int, int]:
    """A place that is not in the first window."""
    return tokens.shape[1] - 1, tokens.shape[2] - 2


def vit_shapes(depth: int, width: int, heads: int) -> AdaSam:
    """A SAM of published shape, without weights."""
    with torch.device("meta"):
        vit = ImageEncoderViT(
            depth=depth,
            embed_dim=width,
            num_heads=heads,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=14,
            global_attn_indexes=(2,),
        )
        card = ModelCard("shapes", "vit", 1024, (BELLY,))
        return AdaSam(SamNet(Vit(vit), 1024), build("classmap", 1), card)
