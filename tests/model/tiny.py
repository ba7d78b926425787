"""Models small enough for tests: a random SAM of one block, and an encoder whose embedding is the picture itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from segment_anything.modeling import ImageEncoderViT
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.settings import ClassifierForm
from napari_adasam.domain.structures import Structure
from napari_adasam.model.adasam import AdaSam, ModelCard
from napari_adasam.model.canvas import grey_canvas, normalise
from napari_adasam.model.classifier import ClassMap, build
from napari_adasam.model.encoders import EMBEDDING, Encoder, Vit
from napari_adasam.model.sam import PATCH, SamNet

SIZE = 64
BELLY = Structure(1, "muscle belly")
APONEUROSIS = Structure(2, "aponeurosis", several_parts=True)


def tiny_vit(depth: int = 1) -> Vit:
    """segment-anything's ViT, 16 wide: the first block with windows of 2 cells, the last one global."""
    vit = ImageEncoderViT(
        img_size=SIZE,
        patch_size=PATCH,
        embed_dim=16,
        depth=depth,
        num_heads=2,
        mlp_ratio=2,
        out_chans=EMBEDDING,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=2,
        global_attn_indexes=(depth - 1,),
    )
    for name, parameter in vit.named_parameters():  # segment-anything starts them at zero
        if "pos" in name:
            nn.init.normal_(parameter, std=0.1)
    return Vit(vit)


class _CellBrightness(nn.Module):
    """(B, 3, S, S) normalised to (B, 256, S/16, S/16): mean brightness, then that of the 4 × 4 parts of the cell."""

    def forward(self, x: Tensor) -> Tensor:
        parts = F.pixel_unshuffle(F.avg_pool2d(x[:, :1], PATCH // 4), 4)
        both = torch.cat([parts.mean(1, keepdim=True), parts], dim=1)
        return F.pad(both, (0, 0, 0, 0, 0, EMBEDDING - both.shape[1]))


class BrightnessEncoder(Encoder):
    """Channel 0 of its embedding is each cell's mean brightness, in SAM's normalised units."""

    default_adapt_from = 1

    def __init__(self) -> None:
        super().__init__([_CellBrightness(), nn.Identity()])


def tiny_net(
    structures: Sequence[Structure] = (BELLY,),
    encoder: Encoder | None = None,
    form: ClassifierForm = "classmap",
    size: int = SIZE,
    seed: int = 0,
) -> AdaSam:
    """A whole model with random weights, in eval mode; the same seed gives the same weights."""
    torch.manual_seed(seed)
    sam = SamNet(encoder or tiny_vit(), size)
    card = ModelCard("tiny", "tiny", size, tuple(structures), form, ambiguous_points=False, licence="none")
    return AdaSam(sam, build(form, len(structures)), card).eval()


def see_brightness(net: AdaSam, gain: float = 4.0) -> AdaSam:
    """Make every class map of a net on :class:`BrightnessEncoder` positive where a cell is brighter than mid-grey."""
    assert isinstance(net.head, ClassMap)
    with torch.no_grad():
        net.head.maps.weight.zero_()
        net.head.maps.weight[:, 0] = gain
        net.head.maps.bias.zero_()
        net.head.shift.fill_(5.0)
    return net


def embed(net: AdaSam, pixels: np.ndarray) -> Tensor:
    """The embedding (1, 256, h, w) of (H, W) uint8 pixels."""
    grey, valid, _ = grey_canvas(pixels, net.sam.size)
    with torch.no_grad():
        found: Tensor = net.sam.encoder(normalise(grey[None], valid[None]))
    return found


def blob(seed: int, shape: tuple[int, int] = (64, 64), radius: int = 15) -> tuple[np.ndarray, np.ndarray]:
    """A bright disc on a dark, noisy ground: pixels and labels (1 in the disc), (H, W) uint8."""
    rng = np.random.default_rng(seed)
    y, x = (rng.uniform(radius, side - radius) for side in shape)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    inside = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    pixels = np.where(inside, 210, 40) + rng.normal(0, 8, shape)
    return pixels.clip(0, 255).astype(np.uint8), inside.astype(np.uint8)


def picture(seed: int, shape: tuple[int, int] = (48, 64)) -> np.ndarray:
    """Noise (H, W) uint8."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
