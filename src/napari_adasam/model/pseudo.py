"""Learning from frames without a mask: the teacher's pseudo-labels and the loss against them [ours].

The teacher (an average of the student's weights) answers on the frame as it is, prompted by its own CAM in two ways:
with everything, and with the dense map alone. A pixel counts where the first answer is confident and both agree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.prompts import Prompt
from napari_adasam.domain.settings import LossWeights, PromptSettings
from napari_adasam.model import cam
from napari_adasam.model.adasam import AdaSam, own_prompts
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.losses import map_loss, segmentation_loss
from napari_adasam.model.prompting import prompts_from_cam
from napari_adasam.model.sam import batch_prompts, decode


@dataclass(frozen=True, slots=True, eq=False)
class PseudoLabel:
    """A teacher's word on one structure of one frame.

    Parameters
    ----------
    index
        The classifier's output.
    prompts
        The teacher's prompts, in input pixels.
    target, weight
        (4h, 4w) float32: the mask of all parts, and 1 where it counts.
    """

    index: int
    prompts: tuple[Prompt, ...]
    target: Tensor
    weight: Tensor


def ramp(share: float) -> float:
    """w(t) = exp(-5·(1 - t)²) for t from 0 to 1 (Laine and Aila 2017)."""
    return math.exp(-5.0 * (1.0 - min(max(share, 0.0), 1.0)) ** 2)


def _chance(net: AdaSam, embedding: Tensor, prompts: tuple[Prompt, ...]) -> Tensor:
    size = net.sam.size
    batch = batch_prompts(prompts, Canvas(size, size, size), net.sam.cells, net.device)
    logits, _ = decode(net.sam, embedding.expand(len(prompts), -1, -1, -1), batch)
    return torch.sigmoid(logits[:, 0].float()).amax(0)


@torch.no_grad()
def pseudo_labels(
    teacher: AdaSam, embedding: Tensor, settings: PromptSettings, confidence: float, frame: Canvas | None = None
) -> list[PseudoLabel]:
    """The teacher's labels for one frame from its embedding (1, 256, h, w); none for a structure it finds absent.

    As at use, no prompt comes from cells that see padding only; without the ``frame``'s geometry there is no padding.
    """
    scores = teacher.head(embedding)
    size = teacher.sam.size
    canvas = Canvas(size, size, size)
    labels = []
    for index, structure in enumerate(teacher.card.structures):
        if torch.sigmoid(scores.presence[0, index]) < settings.presence:
            continue
        visible = cam.inside_image(scores.maps[0, index].float(), frame or canvas)
        cells = np.asarray(visible.cpu().numpy(), dtype=np.float32)
        from_cam = prompts_from_cam(cells, canvas, settings, structure.several_parts)
        prompts = own_prompts(teacher, index, cells, structure.several_parts, canvas, settings)
        if not prompts:
            continue
        first = _chance(teacher, embedding, prompts)
        dense = tuple(Prompt(dense=p.dense, source="cam") for p in from_cam if p.dense is not None)
        second = _chance(teacher, embedding, dense) if dense else first
        sure = (first >= confidence) | (first <= 1 - confidence)
        agree = (first > 0.5) == (second > 0.5)
        labels.append(PseudoLabel(index, prompts, (first > 0.5).float(), (sure & agree).float()))
    return labels


def unlabelled_loss(net: AdaSam, embedding: Tensor, labels: list[PseudoLabel], weights: LossWeights) -> Tensor:
    """The student's loss on a strong view (1, 256, h, w) of a frame against the teacher's labels: masks and maps."""
    scores = net.head(embedding)
    total = embedding.new_zeros(())
    size = net.sam.size
    for label in labels:
        batch = batch_prompts(label.prompts, Canvas(size, size, size), net.sam.cells, net.device)
        logits, _ = decode(net.sam, embedding.expand(len(label.prompts), -1, -1, -1), batch)
        union = logits[:, 0].amax(0)[None]
        loss = segmentation_loss(union, label.target[None], label.weight[None])
        shape = scores.maps.shape[-2:]
        share = F.interpolate(label.target[None, None], shape, mode="area")
        counted = F.interpolate(label.weight[None, None], shape, mode="area")
        maps = map_loss(scores.maps[:, label.index : label.index + 1], share, counted)
        total = total + loss.mean() + weights.map * maps.mean()
    return total / max(1, len(labels))
