"""Encoders as chains of units."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.models.tiny_vit import ConvNorm, TinyVitBlock
from tiny import SIZE, BrightnessEncoder, tiny_vit
from torch import nn

from napari_adasam.domain.errors import InputError
from napari_adasam.model import encoders
from napari_adasam.model.encoders import Encoder, TinyVit, from_mobile, mobile_key
from napari_adasam.model.windows import attend_in_windows

SMALL = 128
"""Input side in pixels that every stage of TinyViT takes, and that is quick."""


@pytest.fixture(scope="module")
def mobile() -> TinyVit:
    torch.manual_seed(0)
    net = TinyVit()
    for name, parameter in net.named_parameters():
        if "attention_biases" in name:
            nn.init.normal_(parameter)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)  # timm starts some at zero
            nn.init.normal_(module.bias, std=0.1)
    return net.requires_grad_(False).eval()


def noise(side: int = SIZE) -> torch.Tensor:
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def assert_every_cut_gives_the_whole(encoder: Encoder, image: torch.Tensor) -> None:
    whole = encoder(image)
    side = image.shape[-1] // 16
    assert whole.shape == (1, 256, side, side)
    assert whole.std() > 0
    for cut in range(len(encoder.units) + 1):
        assert torch.equal(encoder.back(encoder.front(image, cut), cut), whole), cut
    assert not torch.equal(encoder.front(image, 1), image)


def test_vit_can_be_cut_anywhere() -> None:
    assert_every_cut_gives_the_whole(tiny_vit(depth=2).eval(), noise())


def test_tiny_vit_can_be_cut_anywhere(mobile: TinyVit) -> None:
    assert_every_cut_gives_the_whole(mobile, noise(SMALL))


def test_vit_in_units_is_segment_anythings_own_forward() -> None:
    encoder = tiny_vit(depth=2).eval()
    patches, *blocks, neck = encoder.units
    with torch.no_grad():
        tokens = patches.patch_embed(noise()) + patches.pos_embed
        for block in blocks:
            tokens = block(tokens)
        expected = neck.neck(tokens.permute(0, 3, 1, 2))
        torch.testing.assert_close(encoder(noise()), expected, rtol=0, atol=0)


@pytest.mark.parametrize("side", [96, 128])
def test_vit_takes_other_input_sizes(side: int) -> None:
    encoder = tiny_vit(depth=2).eval()
    with torch.no_grad():
        assert encoder(noise(side)).shape == (1, 256, side // 16, side // 16)
        flat = torch.full((1, 1, 1, 16), 0.3)
        encoder.units[0].pos_embed.copy_(flat.expand_as(encoder.units[0].pos_embed))
        without = encoder.units[0].patch_embed(noise(side))
        torch.testing.assert_close(encoder.units[0](noise(side)) - without, torch.full_like(without, 0.3))


@torch.no_grad()
def test_positions_are_stretched_over_another_input_size() -> None:
    """A ramp down the rows and one along the columns stay such, each place at the share of the picture that it had."""
    unit = tiny_vit().units[0]
    ramp = torch.arange(4.0).expand(4, 4)
    unit.pos_embed.copy_(torch.stack([ramp.T, ramp] * 8, dim=-1))
    found = (unit(noise(128)) - unit.patch_embed(noise(128)))[0, 2:6, 2:6]
    expected = ((torch.arange(2, 6) + 0.5) / 2 - 0.5).expand(4, 4)
    torch.testing.assert_close(found[..., 0], expected.T, atol=0.15, rtol=0)
    torch.testing.assert_close(found[..., 1], expected, atol=0.15, rtol=0)


def test_the_batch_norms_stay_as_they_were_folded(mobile: TinyVit) -> None:
    """A picture must not be normalised by its own statistics, nor change those that are kept."""
    net = copy.deepcopy(mobile).train()
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    for mode in (True, False):
        net.train(mode)
        assert not any(norm.training for norm in norms)
        with torch.no_grad():
            net(noise(SMALL))
    assert all(torch.equal(buffer, before[name]) for name, buffer in net.named_buffers())
    assert not any(m.training for m in TinyVit().modules() if isinstance(m, nn.BatchNorm2d))


def test_a_batch_is_its_pictures_one_by_one(mobile: TinyVit) -> None:
    bright = noise(SMALL) + 2
    with torch.no_grad():
        both = mobile(torch.cat([noise(SMALL), bright]))
        torch.testing.assert_close(both, torch.cat([mobile(noise(SMALL)), mobile(bright)]), rtol=1e-4, atol=1e-4)


def test_training_mode_reaches_all_but_the_batch_norms(mobile: TinyVit) -> None:
    net = copy.deepcopy(mobile)
    assert not any(m.training for m in net.modules())
    net.train()
    assert all(m.training != isinstance(m, nn.BatchNorm2d) for m in net.modules())


def test_the_attention_bias_cache_does_not_go_stale(mobile: TinyVit) -> None:
    net = copy.deepcopy(mobile)
    image = noise(SMALL)
    with torch.no_grad():
        first = net(image)  # fills timm's cache
        net.train()
        for name, parameter in net.named_parameters():
            if "attention_biases" in name:
                parameter.mul_(-1)
        in_training = net(image)
        net.eval()
        after = net(image)
    assert not torch.allclose(first, after)
    torch.testing.assert_close(after, in_training)


def test_mobile_sams_names_are_understood(mobile: TinyVit) -> None:
    """Ours renamed to MobileSAM's by the rules of its own repository, and back, is what we began with."""
    foreign = {}
    for name, tensor in mobile.state_dict().items():
        unit, tail = name.removeprefix("units.").split(".", 1)
        if unit == "4":
            key = f"neck.{tail}"
        elif unit == "0" and tail.startswith("0."):
            key = "patch_embed.seq." + tail[2:].replace("conv1", "0").replace("conv2", "2").replace(".conv.", ".c.")
        else:
            stage = 0 if unit == "0" else int(unit)
            tail = tail.removeprefix("1.") if unit == "0" else tail
            tail = tail.replace(".conv.", ".c.")
            key = f"layers.{stage - 1 if tail.startswith('downsample') else stage}.{tail}"
        foreign[key] = tensor
    foreign |= {"norm_head.weight": torch.zeros(1), "head.bias": torch.zeros(1)}
    foreign["layers.1.blocks.0.attn.attention_bias_idxs"] = torch.zeros(1)
    back = from_mobile(foreign)
    assert set(back) == set(mobile.state_dict())
    assert all(torch.equal(back[name], tensor) for name, tensor in mobile.state_dict().items())


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("patch_embed.seq.0.c.weight", "units.0.0.conv1.conv.weight"),
        ("patch_embed.seq.2.bn.bias", "units.0.0.conv2.bn.bias"),
        ("layers.0.blocks.1.conv2.c.weight", "units.0.1.blocks.1.conv2.conv.weight"),
        ("layers.0.downsample.conv1.c.weight", "units.1.downsample.conv1.conv.weight"),
        ("layers.2.downsample.conv3.bn.weight", "units.3.downsample.conv3.bn.weight"),
        ("layers.3.blocks.0.attn.qkv.weight", "units.3.blocks.0.attn.qkv.weight"),
        ("neck.3.bias", "units.4.3.bias"),
        ("norm_head.weight", None),
        ("head.weight", None),
    ],
)
def test_each_kind_of_name(theirs: str, ours: str | None) -> None:
    assert mobile_key(theirs) == ours


def test_half_precision_weights_become_single() -> None:
    assert from_mobile({"neck.0.weight": torch.ones(2).half()})["units.4.0.weight"].dtype == torch.float32


def test_adapt_from_counts_from_either_end() -> None:
    encoder = tiny_vit(depth=2)  # patches, 2 blocks, neck
    assert [encoder.adapt_index(i) for i in (None, 0, 3, -1, -4)] == [1, 0, 3, 3, 0]
    for wrong in (4, -5):
        with pytest.raises(InputError, match=r"has 4 units.*Give 0 to 3, or -4 to -1"):
            encoder.adapt_index(wrong)
    assert len(encoder.attentions(0)) == 2
    assert len(encoder.attentions(2)) == 1


def test_the_brightness_of_a_cell_is_channel_0() -> None:
    image = torch.zeros(1, 3, 64, 64)
    image[..., 16:32, 32:48] = 1.5
    embedding = BrightnessEncoder()(image)
    expected = torch.zeros(4, 4)
    expected[1, 2] = 1.5
    assert torch.equal(embedding[0, 0], expected)


def test_folding_changes_nothing_but_the_rounding(mobile: TinyVit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against timm's own convolutions, BatchNorms and attention, with the same weights under the same names."""
    with monkeypatch.context() as patch:
        patch.setattr(encoders, "_make_lean", lambda module: None)
        plain = TinyVit()
    assert any(isinstance(m, ConvNorm) for m in plain.modules())
    assert not any(isinstance(m, ConvNorm) for m in mobile.modules())
    folded = copy.deepcopy(mobile)
    generator = torch.Generator().manual_seed(3)
    for module in folded.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean):
                tensor += 0.1 * torch.randn(tensor.shape, generator=generator)
            module.running_var *= 1 + torch.rand(module.running_var.shape, generator=generator)
    plain.load_state_dict(folded.state_dict())
    image = noise(SMALL)
    with torch.no_grad():
        found, expected = folded(image), plain.eval()(image)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(7, 7), (14, 21), (16, 16), (5, 9), (3, 30)])
def test_windows_give_what_timms_padded_ones_give(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    block = TinyVitBlock(dim=32, num_heads=2, window_size=7)
    block.local_conv.eval()  # BatchNorm
    for name, parameter in block.named_parameters():
        if "bias" in name:
            nn.init.normal_(parameter)  # a padded place is not zero behind the norm
    x = torch.randn(2, *size, 32, requires_grad=True)
    theirs = block(x)
    ours = x + attend_in_windows(block.attn, x, 7)
    ours = block.local_conv(ours.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    ours = ours + block.mlp(ours)
    assert (ours - theirs).abs().max() < 1e-5
    aim = torch.randn_like(theirs)
    slopes = [torch.autograd.grad((out * aim).sum(), [x, *block.parameters()])[0] for out in (theirs, ours)]
    assert (slopes[1] - slopes[0]).abs().max() < 1e-4 * slopes[0].abs().max()
