"""segment-anything's own ViT-B at its real width, with random weights."""

from __future__ import annotations

import pytest
import torch
from segment_anything import sam_model_registry

from napari_adasam.model import checkpoints
from napari_adasam.model.adapters import lora
from napari_adasam.model.sam import SamNet

SIDE = 256
"""Small, so that the test is quick; the positions are resized to it."""


@pytest.fixture(scope="module")
def loaded() -> tuple[SamNet, dict[str, torch.Tensor]]:
    """The model as this program loads it, and the published names and shapes that it is loaded from."""
    torch.manual_seed(0)
    weights = sam_model_registry["vit_b"]().state_dict()
    return checkpoints.from_sam_weights(weights, SIDE), weights


def test_every_weight_of_vit_b_finds_its_place(loaded: tuple[SamNet, dict[str, torch.Tensor]]) -> None:
    net, weights = loaded
    assert checkpoints.architecture(weights) == "vit_b"
    left = {name for name in weights if not name.startswith(("pixel_mean", "pixel_std"))}
    assert sum(weights[name].numel() for name in left) == sum(tensor.numel() for tensor in net.state_dict().values())
    pairs = (
        ("image_encoder.pos_embed", "encoder.units.0.pos_embed"),
        ("image_encoder.blocks.0.attn.rel_pos_h", "encoder.units.1.attn.rel_pos_h"),
        ("image_encoder.blocks.11.attn.qkv.weight", "encoder.units.12.attn.qkv.weight"),
        ("image_encoder.neck.2.weight", "encoder.units.13.neck.2.weight"),
        ("mask_decoder.iou_token.weight", "mask_decoder.iou_token.weight"),
    )
    own = net.state_dict()
    assert all(torch.equal(own[ours], weights[theirs]) for theirs, ours in pairs)


@torch.no_grad()
def test_lora_on_vit_b_has_the_published_size_and_changes_nothing_untrained(
    loaded: tuple[SamNet, dict[str, torch.Tensor]],
) -> None:
    net, _ = loaded
    image = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    plain = net.encoder(image)
    assert plain.shape == (1, 256, SIDE // 16, SIDE // 16)
    for rank, count in ((4, 147_456), (8, 294_912), (16, 589_824)):
        for unit in net.encoder.units[1:-1]:
            unit.attn.qkv = getattr(unit.attn.qkv, "base", unit.attn.qkv)
        lora.insert(net.encoder, lora.LoraSettings(rank=rank, adapt_from=0))
        assert sum(p.numel() for p in lora.parameters(net.encoder).values()) == count
    assert torch.equal(net.encoder(image), plain)
    for name, parameter in lora.parameters(net.encoder).items():
        if name.endswith(".b"):
            parameter.fill_(0.1)
    assert not torch.allclose(net.encoder(image), plain)
