"""Image encoders as chains of units, so that the frozen front can be computed once and kept.

An encoder maps (B, 3, S, S) to an embedding (B, 256, S/16, S/16). ``front(x, k)`` runs the first k units and
``back(a, k)`` the rest; ``back(front(x, k), k)`` equals ``forward(x)`` for every k. An encoder with a skip gives 256
channels more, which are finer features folded to the same grid: :func:`coarse` and :func:`finer` tell them apart.
"""

from __future__ import annotations

from typing import Any

import timm
import torch
from segment_anything.modeling import ImageEncoderViT
from segment_anything.modeling.common import LayerNorm2d
from timm.models.tiny_vit import ConvNorm, TinyVitBlock
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.errors import InputError
from napari_adasam.model import precision
from napari_adasam.model.windows import attend_in_windows

EMBEDDING = 256
FINER = EMBEDDING // 4
"""Channels behind the decoder's first step of upsampling, at twice the embedding's resolution."""


class Encoder(nn.Module):
    """A chain of units. ``blocks(k)`` gives the attention blocks that belong to the units from k on."""

    default_adapt_from: int
    default_tuned = 0
    """How many of its last units learn with all their weights, beside what is inserted in them."""
    channels_last = False
    """Whether activations between its units are (B, h, w, C)."""
    finer: tuple[int, int] | None = None
    """Of its finer features, (B, C, S/8, S/8): the unit that they go into, and C; ``None`` where it has none."""
    skip: nn.Module | None
    """What makes (B, 256, S/16, S/16) of them for the decoder; ``None``: the decoder does not get them."""

    def __init__(self, units: list[nn.Module]) -> None:
        super().__init__()
        self.units = nn.ModuleList(units)
        self.skip = None

    def front(self, x: Tensor, until: int) -> Tensor:
        """Run the units before ``until``."""
        return self._run(x, 0, until)

    def back(self, activations: Tensor, since: int) -> Tensor:
        """Run the units from ``since`` on. Raises ValueError if ``since`` lies behind the features that are skipped."""
        if self.skip is None or self.finer is None:
            return self._run(activations, since, len(self.units))
        at, _ = self.finer
        if since > at:
            raise ValueError(f"expected activations in front of unit {at} at the latest, got those of {since}")
        finer = self._run(activations, since, at)
        return torch.cat([self._run(finer, at, len(self.units)), self.skip(finer)], dim=1)

    def _run(self, x: Tensor, since: int, until: int) -> Tensor:
        with precision.mixed(x.device):
            for unit in self.units[since:until]:
                x = unit(x)
        return x.float()

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) normalised to (B, 256, S/16, S/16), with a skip (B, 512, S/16, S/16)."""
        return self.back(x, 0)

    def attentions(self, since: int) -> list[nn.Module]:
        """The attention modules (each with a ``qkv``) in the units from ``since`` on, in order."""
        return [m for unit in self.units[since:] for m in unit.modules() if hasattr(m, "qkv")]

    def adapt_index(self, adapt_from: int | None) -> int:
        """The unit index for a setting: ``None`` is the encoder's default, negatives count from the end. InputError."""
        index = self.default_adapt_from if adapt_from is None else adapt_from
        index = index + len(self.units) if index < 0 else index
        if not 0 <= index < len(self.units):
            count = len(self.units)
            raise InputError(
                f"This model's encoder has {count} units, so adapt_from={adapt_from} is not possible. Nothing was "
                f"changed. Give 0 to {count - 1}, or -{count} to -1 to count from the end."
            )
        return index

    def last_units(self, count: int | None) -> tuple[int, ...]:
        """Indices of so many of the last units, ``None`` for the default number; InputError where there are fewer."""
        count = self.default_tuned if count is None else count
        if not 0 <= count < len(self.units):
            raise InputError(
                f"This model's encoder has {len(self.units)} units, so tuned={count} is not possible. Nothing was "
                f"changed. Give 0 to {len(self.units) - 1}."
            )
        return tuple(range(len(self.units) - count, len(self.units)))


def coarse(embedding: Tensor) -> Tensor:
    """(B, 256, h, w): an embedding without the finer features that may be folded behind it."""
    return embedding[:, :EMBEDDING]


def finer(embedding: Tensor) -> Tensor | None:
    """(B, 64, 2h, 2w): the finer features behind an embedding, unfolded; ``None`` where there are none."""
    rest = embedding[:, EMBEDDING:]
    return F.pixel_shuffle(rest, 2) if rest.shape[1] else None


def drop_channels(embedding: Tensor, share: float) -> Tensor:
    """Without a share of its channels, drawn at random; all finer features stay."""
    dropped = F.dropout2d(coarse(embedding), share)
    return torch.cat([dropped, embedding[:, EMBEDDING:]], dim=1)


class _ConvNorm(nn.Module):
    """A convolution and its frozen BatchNorm as one convolution; the same figures but for the order of rounding.

    The product of the weights is made anew in each call: that costs nothing beside the picture, and cannot go stale.
    """

    def __init__(self, pair: Any) -> None:
        super().__init__()
        self.conv: nn.Conv2d = pair.conv
        self.bn: nn.BatchNorm2d = pair.bn

    def forward(self, x: Tensor) -> Tensor:
        conv, bn = self.conv, self.bn
        mean, variance = bn.running_mean, bn.running_var
        assert mean is not None
        assert variance is not None
        gain = bn.weight * torch.rsqrt(variance + bn.eps)
        weight, bias = conv.weight * gain[:, None, None, None], bn.bias - mean * gain
        stride, padding, dilation = conv.stride, conv.padding, conv.dilation
        return F.conv2d(x, weight, bias, stride, padding, dilation, conv.groups)


class _Block(TinyVitBlock):
    """TinyViT's block with the same modules, on (B, h, w, C); see :mod:`.windows`."""

    def __init__(self, block: Any) -> None:
        nn.Module.__init__(self)
        self.window_size = block.window_size
        for name, module in block.named_children():
            setattr(self, name, module)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path1(attend_in_windows(self.attn, x, self.window_size))
        x = self.local_conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        out: Tensor = x + self.drop_path2(self.mlp(x))
        return out


def _make_lean(module: nn.Module) -> None:
    """Fold convolutions and BatchNorms below a module; blocks that do not work on padded places."""
    for name, child in module.named_children():
        if isinstance(child, ConvNorm):
            setattr(module, name, _ConvNorm(child))
        else:
            _make_lean(child)
            if isinstance(child, TinyVitBlock):
                setattr(module, name, _Block(child))


class _Stem(nn.Sequential):
    """Lays the picture out channels last, which all later units keep: windows and convolutions then copy nothing."""

    def forward(self, x: Tensor) -> Tensor:
        laid_out = x.contiguous(memory_format=torch.channels_last)
        out: Tensor = super().forward(laid_out)  # type: ignore[no-untyped-call]
        return out


class TinyVit(Encoder):
    """MobileSAM's TinyViT-5M: four stages (the last keeps 1/16 of the resolution) and SAM's neck.

    Units: stem and stage 0, stages 1 to 3, neck. Its BatchNorms are folded and stay in eval mode for good.
    """

    default_adapt_from = 3
    default_tuned = 3
    finer = (2, 128)

    def __init__(self) -> None:
        net: Any = timm.create_model("tiny_vit_5m_224", pretrained=False, num_classes=0)
        net.stages[3].downsample.conv2.conv.stride = (1, 1)
        neck = nn.Sequential(
            nn.Conv2d(320, EMBEDDING, 1, bias=False),
            LayerNorm2d(EMBEDDING),
            nn.Conv2d(EMBEDDING, EMBEDDING, 3, padding=1, bias=False),
            LayerNorm2d(EMBEDDING),
        )
        _make_lean(net)
        stem = _Stem(net.patch_embed, net.stages[0])
        super().__init__([stem, net.stages[1], net.stages[2], net.stages[3], neck])
        self.train()

    def train(self, mode: bool = True) -> TinyVit:
        """Set the mode of everything; the folded BatchNorms are in eval mode whatever it is."""
        for module in self.modules():
            module.training = mode and not isinstance(module, nn.BatchNorm2d)
            if hasattr(module, "attention_bias_cache"):  # timm keeps biases in it that training makes stale
                setattr(module, "attention_bias_cache", {})  # noqa: B010
        return self


class _PatchAndPosition(nn.Module):
    """ViT's patch embedding plus its absolute positions, resized to the input's grid."""

    def __init__(self, vit: ImageEncoderViT) -> None:
        super().__init__()
        self.patch_embed = vit.patch_embed
        self.pos_embed = vit.pos_embed

    def forward(self, x: Tensor) -> Tensor:
        tokens: Tensor = self.patch_embed(x)  # (B, h, w, C)
        if self.pos_embed is None:
            return tokens
        position: Tensor = self.pos_embed
        if position.shape[1:3] != tokens.shape[1:3]:
            resized = F.interpolate(
                position.permute(0, 3, 1, 2), tokens.shape[1:3], mode="bicubic", align_corners=False
            )
            position = resized.permute(0, 2, 3, 1)
        return tokens + position


class _ChannelsFirstNeck(nn.Module):
    """SAM's neck behind ViT's channels-last blocks."""

    def __init__(self, neck: nn.Module) -> None:
        super().__init__()
        self.neck = neck

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.neck(tokens.permute(0, 3, 1, 2))
        return out


class Vit(Encoder):
    """segment-anything's ViT (B, L or H), its own modules in units: patches and positions, each block, neck."""

    channels_last = True

    def __init__(self, vit: ImageEncoderViT) -> None:
        super().__init__([_PatchAndPosition(vit), *vit.blocks, _ChannelsFirstNeck(vit.neck)])
        self.default_adapt_from = max(1, len(vit.blocks) - 3)


def mobile_key(name: str) -> str | None:
    """MobileSAM's encoder key (behind ``image_encoder.``) to ours; ``None`` for its unused classification head."""
    if name.startswith(("head.", "norm_head.")):
        return None
    if name.startswith("neck."):
        return name.replace("neck.", "units.4.", 1)
    name = name.replace(".c.", ".conv.")
    if name.startswith("patch_embed.seq."):
        tail = name.removeprefix("patch_embed.seq.")
        conv = {"0": "conv1", "2": "conv2"}[tail.split(".", 1)[0]]
        return f"units.0.0.{conv}.{tail.split('.', 1)[1]}"
    stage, tail = name.removeprefix("layers.").split(".", 1)
    index = int(stage) + 1 if tail.startswith("downsample") else int(stage)
    return f"units.0.1.{tail}" if index == 0 else f"units.{index}.{tail}"


def from_mobile(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename a MobileSAM image encoder's weights for :class:`TinyVit`; derived buffers are left out."""
    renamed = {}
    for name, tensor in weights.items():
        key = mobile_key(name)
        if key is not None and not key.endswith("attention_bias_idxs"):
            renamed[key] = tensor.float() if tensor.is_floating_point() else tensor
    return renamed
