"""A U-Net from scratch (Ronneberger et al. 2015; MONAI's, with residual units), supervised or with a mean teacher.

The mean teacher (Tarvainen and Valpola 2017) is the moving average of the student; on unlabelled frames the student,
who sees another tone, is drawn to its probabilities, at a weight that rises by exp(-5·(1 - t)²).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.records import Mask
from napari_adasam.evaluation.baselines.lessons import Course, Fitted, Lessons, OnStep, drawn, follow, square
from napari_adasam.evaluation.baselines.lessons import masks_from as masks
from napari_adasam.model import augment
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.losses import segmentation_loss
from napari_adasam.model.pseudo import ramp
from napari_adasam.model.supervision import masks_of


@dataclass(frozen=True, slots=True)
class UnetSettings:
    """Side of the square input, width of the first level, and the training's figures.

    ``consistency`` is the weight of the mean teacher's term; 0 is supervised learning.
    """

    size: int = 256
    width: int = 16
    steps: int = 300
    batch: int = 4
    lr: float = 2e-3
    ema: float = 0.99
    consistency: float = 0.0


def build(width: int, structures: int) -> nn.Module:
    """A U-Net of five levels, (B, 1, S, S) to (B, K, S, S)."""
    from monai.networks.nets.unet import UNet  # importing it takes seconds

    channels = tuple(width * 2**level for level in range(5))
    net: nn.Module = UNet(2, 1, structures, channels, (2, 2, 2, 2), num_res_units=2, norm="instance")
    return net


def fit(lessons: Lessons, settings: UnetSettings, on_step: OnStep) -> Fitted:
    """Train from scratch; answers come from the moving average of the weights."""
    torch.manual_seed(lessons.seed)
    rng = np.random.default_rng(lessons.seed)
    net = build(settings.width, len(lessons.structures)).train()
    mean = copy.deepcopy(net).requires_grad_(False)
    labelled = [square(f.pixels, f.labels, settings.size) for f in lessons.labelled]
    others = [square(f.pixels, None, settings.size) for f in lessons.unlabelled] if settings.consistency else []

    def loss(step: int) -> Tensor:
        average(mean, net, min(settings.ema, step / (step + 10)))
        views = [drawn(labelled[int(rng.integers(len(labelled)))], rng) for _ in range(settings.batch)]
        target = torch.stack([masks_of(v.labels, lessons.structures) for v in views if v.labels is not None])
        seen = torch.stack([v.valid for v in views]).expand_as(target).flatten(0, 1)
        total = segmentation_loss(net(_input(views)).flatten(0, 1), target.flatten(0, 1), seen).mean()
        if not others:
            return total
        weak = [others[int(rng.integers(len(others)))] for _ in range(settings.batch)]
        strong = [augment.apply(v, augment.Geometry(), augment.draw_tone(rng, 1.3, chrome=False)) for v in weak]
        with torch.no_grad():
            word = torch.sigmoid(mean(_input(weak)))
        apart = F.mse_loss(torch.sigmoid(net(_input(strong))), word)
        return total + settings.consistency * ramp(step / settings.steps) * apart

    trained = follow(Course(settings.steps, settings.lr), net.parameters(), loss, on_step)
    average(mean, net, settings.ema)
    mean.eval()

    @torch.no_grad()
    def answer(frame_id: str, pixels: NDArray[np.uint8]) -> dict[int, Mask]:
        logits = mean(_input([square(pixels, None, settings.size)]))[0]
        return masks(logits, Canvas(pixels.shape[0], pixels.shape[1], settings.size), lessons.structures)

    return answer, trained


def _input(views: list[augment.View]) -> Tensor:
    """(B, 1, S, S), -1 to 1, 0 where there is no image."""
    return torch.stack([(v.grey / 127.5 - 1) * v.valid for v in views])


@torch.no_grad()
def average(mean: nn.Module, net: nn.Module, decay: float) -> None:
    """Move the mean's weights towards the net's."""
    for slow, fast in zip(mean.parameters(), net.parameters(), strict=True):
        slow.lerp_(fast, 1 - decay)
