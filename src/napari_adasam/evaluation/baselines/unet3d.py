"""A 3D U-Net from scratch (Çiçek et al. 2016; MONAI's, with residual units), supervised, on whole volumes.

Volumes are padded to sides that its levels divide. Views are those of the other baselines, one geometry and tone for
all slices, and in depth a zoom and a shift of the same kinds [ours]. Slices without labels do not count.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Mask
from napari_adasam.evaluation.baselines.lessons import Course, Fitted, Lessons, OnStep, follow
from napari_adasam.evaluation.baselines.unet import average
from napari_adasam.model import augment
from napari_adasam.model.losses import segmentation_loss
from napari_adasam.services.neighbours import Neighbours, Slices

LEVELS = 4


@dataclass(frozen=True, slots=True)
class Unet3dSettings:
    """Width of the first level, and the training's figures; ``batch`` volumes a step."""

    width: int = 16
    steps: int = 300
    batch: int = 2
    lr: float = 2e-3
    ema: float = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Grey (D, H, W) in 0 to 255, labels (D, H, W) and where they count (D, H, W), float32."""

    grey: Tensor
    labels: Tensor
    counts: Tensor


def build(width: int, structures: int) -> nn.Module:
    """A U-Net of four levels, (B, 1, D, H, W) to (B, K, D, H, W); sides are multiples of 8."""
    from monai.networks.nets.unet import UNet  # importing it takes seconds

    channels = tuple(width * 2**level for level in range(LEVELS))
    net: nn.Module = UNet(3, 1, structures, channels, (2,) * (LEVELS - 1), num_res_units=2, norm="instance")
    return net


def fit(lessons: Lessons, neighbours: Neighbours, settings: Unet3dSettings, on_step: OnStep) -> Fitted:
    """Train from scratch; answers come from the moving average of the weights. Raises InputError without volumes."""
    torch.manual_seed(lessons.seed)
    rng = np.random.default_rng(lessons.seed)
    net = build(settings.width, len(lessons.structures)).train()
    mean = copy.deepcopy(net).requires_grad_(False)
    volumes = volumes_of(lessons, neighbours)
    values = [one.value for one in lessons.structures]

    def loss(step: int) -> Tensor:
        average(mean, net, min(settings.ema, step / (step + 10)))
        views = [drawn(volumes[int(rng.integers(len(volumes)))], rng) for _ in range(settings.batch)]
        losses = [_loss(net, view, values) for view in views]  # volumes differ in size
        return torch.stack(losses).mean()

    trained = follow(Course(settings.steps, settings.lr), net.parameters(), loss, on_step)
    average(mean, net, settings.ema)
    mean.eval()
    last: dict[str, dict[str, Tensor]] = {}

    @torch.no_grad()
    def answer(frame_id: str, pixels: NDArray[np.uint8]) -> dict[int, Mask]:
        if frame_id not in last.get("masks", {}):
            stack = _whole(neighbours, frame_id)
            found = _masks(mean, stack)
            last["masks"] = {one.frame_id: found[:, i] for i, one in enumerate(stack)}
        masks = last["masks"][frame_id].numpy()
        return {value: masks[i] for i, value in enumerate(values)}

    return answer, trained


def volumes_of(lessons: Lessons, neighbours: Neighbours) -> list[Volume]:
    """The volumes that labelled slices are from. Raises InputError where one is a picture by itself."""
    labels = {one.frame_id: one.labels for one in lessons.labelled}
    stacks = {stack[0].frame_id: stack for stack in (_whole(neighbours, frame_id) for frame_id in labels)}
    volumes = []
    for stack in stacks.values():
        grey = np.stack([one.pixels for one in stack]).astype(np.float32)
        nothing = np.zeros(grey.shape[1:], np.uint8)
        truth = np.stack([labels.get(one.frame_id, nothing) for one in stack]).astype(np.float32)
        known = torch.tensor([float(one.frame_id in labels) for one in stack])
        counts = known[:, None, None].expand(grey.shape)
        volumes.append(Volume(torch.from_numpy(grey), torch.from_numpy(truth), counts))
    return volumes


def drawn(volume: Volume, rng: np.random.Generator) -> Volume:
    """A view of a volume: one time in three as it is, else through a random geometry and tone."""
    if rng.random() < 1 / 3:
        return volume
    geometry, tone = augment.draw_geometry(rng), augment.draw_tone(rng, chrome=False)
    zoom, shift = math.exp(rng.uniform(-0.25, 0.3)), rng.normal(0, 0.06)
    (a, b, x), (c, d, y) = augment.rows_of(geometry)
    rows = [[a, b, 0.0, x], [c, d, 0.0, y], [0.0, 0.0, 1 / zoom, shift]]
    grid = F.affine_grid(torch.tensor([rows]), [1, 1, *volume.grey.shape], align_corners=False)
    grey, labels, counts = (
        F.grid_sample(one[None, None], grid, mode=mode, align_corners=False)[0, 0]
        for one, mode in ((volume.grey, "bilinear"), (volume.labels, "nearest"), (volume.counts, "nearest"))
    )
    return Volume(augment.tone(grey, tone), labels, counts)


def _loss(net: nn.Module, view: Volume, values: Sequence[int]) -> Tensor:
    depth, height, width = view.grey.shape
    logits = net(padded(view.grey))[0, :, :depth, :height, :width]
    target = torch.stack([(view.labels == value).float() for value in values])
    counts = view.counts.expand_as(target)
    return segmentation_loss(*(one.flatten(1, 2) for one in (logits, target, counts))).mean()


def padded(grey: Tensor) -> Tensor:
    """(D, H, W) in 0 to 255 to (1, 1, D', H', W') with mean 0 and deviation 1, 0 in the padding behind each axis."""
    scaled = (grey - grey.mean()) / grey.std().clamp_min(1e-3)
    unit = 2 ** (LEVELS - 1)
    sides = [0 if size % unit == 0 else unit - size % unit for size in reversed(grey.shape)]
    return F.pad(scaled, [edge for side in sides for edge in (0, side)])[None, None]


def _masks(net: nn.Module, stack: Slices) -> Tensor:
    """(K, D, H, W) bool."""
    grey = torch.from_numpy(np.stack([one.pixels for one in stack]).astype(np.float32))
    depth, height, width = grey.shape
    return net(padded(grey))[0, :, :depth, :height, :width] > 0  # type: ignore[no-any-return]


def _whole(neighbours: Neighbours, frame_id: str) -> Slices:
    stack = neighbours.whole(frame_id)
    if stack is None:
        raise InputError("A 3D U-Net learns from volumes, and here is a single picture. Nothing was measured.")
    return stack
