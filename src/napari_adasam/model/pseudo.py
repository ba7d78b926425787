"""Learning from frames without a mask: the teacher's pseudo-labels and the loss against them [ours].

The teacher (an average of the student's weights) answers on the frame as it is, prompted by its own CAM in two ways:
with everything, and with the dense map alone (without one, the box alone). A pixel counts where the first answer is
confident and both agree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.prompts import Prompt
from napari_adasam.domain.settings import LossWeights, PromptSettings, TrainSettings
from napari_adasam.model import cam
from napari_adasam.model.adasam import AdaSam, Sight, refined
from napari_adasam.model.augment import Patch, paste
from napari_adasam.model.canvas import Canvas, label_canvas
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
    cells
        (h, w) float32: the teacher's map that the prompts come from.
    """

    index: int
    prompts: tuple[Prompt, ...]
    target: Tensor
    weight: Tensor
    cells: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Doubt:
    """When a pseudo-label's pixel counts: from this confidence on, and (``agreement``) where two prompts agree."""

    confidence: float = 0.95
    agreement: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What of the square a frame fills: its geometry, and which of its pixels (H, W) count; ``None`` for all."""

    canvas: Canvas
    region: NDArray[np.bool_] | None = None


def ramp(share: float) -> float:
    """w(t) = exp(-5·(1 - t)²) for t from 0 to 1 (Laine and Aila 2017)."""
    return math.exp(-5.0 * (1.0 - min(max(share, 0.0), 1.0)) ** 2)


def unlabelled_weight(settings: TrainSettings, share: float) -> float:
    """What an unlabelled frame weighs when this share of the steps is done: 0 in the warm-up, then the ramp."""
    if share < settings.warm_up:
        return 0.0
    grown = ramp((share - settings.warm_up) / (1 - settings.warm_up)) if settings.recipe.ramp else 1.0
    return grown * settings.weights.unlabelled


def ema_decay(settings: TrainSettings, step: int) -> float:
    """How much of the teacher stays at a step: rising to ``ema_end``, less in the first steps; 0 without averaging."""
    if not settings.recipe.ema_teacher:
        return 0.0
    decay = settings.ema + (settings.ema_end - settings.ema) * step / settings.steps
    return min(decay, (1 + step) / (6 + step))


def _chance(net: AdaSam, embedding: Tensor, prompts: tuple[Prompt, ...]) -> Tensor:
    size = net.sam.size
    batch = batch_prompts(prompts, Canvas(size, size, size), net.sam.cells, net.device)
    logits, _ = decode(net.sam, embedding.expand(len(prompts), -1, -1, -1), batch)
    return torch.sigmoid(logits[:, 0].float()).amax(0)


@torch.no_grad()
def pseudo_labels(
    teacher: AdaSam, embedding: Tensor, settings: PromptSettings, doubt: Doubt, seen: Seen | None = None
) -> list[PseudoLabel]:
    """The teacher's labels for one frame from its embedding (1, 256, h, w); none for a structure it finds absent.

    As at use, no prompt comes from cells that see padding or the outside of a region only, and there no pixel counts
    (without ``seen``, all of the square does); a model that uses feedback answers from the refined embedding.
    """
    size = teacher.sam.size
    canvas = Canvas(size, size, size)
    tokens = teacher.sam.structure_tokens is not None
    region, image = (None, None) if seen is None else (seen.region, seen.canvas)
    sight = Sight(canvas, settings, region, image, tokens)
    embedding, scores = refined(teacher, embedding, sight)
    labels = []
    for index, structure in enumerate(teacher.card.structures):
        prompts = sight.prompts(scores, index, structure)
        if not prompts:
            continue
        first = _chance(teacher, embedding, prompts)
        by_cam = replace(sight, tokens=False).prompts(scores, index, structure)
        less = _asked_by_less(by_cam)
        second = _chance(teacher, embedding, less) if less and doubt.agreement else first
        sure = (first >= doubt.confidence) | (first <= 1 - doubt.confidence)
        agree = (first > 0.5) == (second > 0.5)
        counts = (sure & agree).float() * _inside(seen, first)
        cells = np.asarray(sight.visible(scores.maps[0, index]).cpu().numpy(), dtype=np.float32)
        labels.append(PseudoLabel(index, prompts, (first > 0.5).float(), counts, cells))
    return labels


def _asked_by_less(prompts: tuple[Prompt, ...]) -> tuple[Prompt, ...]:
    """The same prompts by their dense maps alone, or, where there are none, their boxes alone; none if that is all."""
    dense = tuple(Prompt(dense=p.dense, source="cam") for p in prompts if p.dense is not None)
    return dense or tuple(replace(p, points=()) for p in prompts if p.box is not None and p.points)


def _inside(seen: Seen | None, chance: Tensor) -> Tensor:
    """1 where a map (4h, 4w) over the square lies within the picture and the region, for more than a half."""
    if seen is None:
        return torch.ones_like(chance)
    whole = np.ones((seen.canvas.height, seen.canvas.width), np.bool_)
    counted = whole if seen.region is None else seen.region
    square = label_canvas(counted.astype(np.uint8), seen.canvas.size)[None, None].float()
    return (F.interpolate(square, chance.shape[-2:], mode="area")[0, 0] > 0.5).float().to(chance.device)


def cut_in(
    teacher: AdaSam,
    labels: list[PseudoLabel],
    other: list[PseudoLabel],
    patch: Patch,
    settings: PromptSettings,
) -> list[PseudoLabel]:
    """The labels of a view that another one's patch was cut into (CutMix, Yun et al. 2019), prompts from the cut map.

    A structure that the teacher finds in one of the two frames only does not count in the other one's part.
    """
    size = teacher.sam.size
    canvas = Canvas(size, size, size)
    ours, theirs = ({one.index: one for one in found} for found in (labels, other))
    mixed = []
    for index in sorted({*ours, *theirs}):
        mine = ours[index] if index in ours else _nothing(theirs[index])
        foreign = theirs[index] if index in theirs else _nothing(ours[index])
        cells = paste(torch.from_numpy(mine.cells), torch.from_numpy(foreign.cells), patch).numpy()
        prompts = mine.prompts or foreign.prompts
        if prompts[0].token is None:
            prompts = prompts_from_cam(cells, canvas, settings, teacher.card.structures[index].several_parts)
        if prompts:
            target, weight = paste(mine.target, foreign.target, patch), paste(mine.weight, foreign.weight, patch)
            mixed.append(PseudoLabel(index, prompts, target, weight, cells))
    return mixed


def _nothing(like: PseudoLabel) -> PseudoLabel:
    dark = np.full_like(like.cells, -cam.LOGIT_LIMIT)
    return PseudoLabel(like.index, (), torch.zeros_like(like.target), torch.zeros_like(like.weight), dark)


def unlabelled_loss(
    net: AdaSam, embedding: Tensor, labels: list[PseudoLabel], weights: LossWeights, masks: bool = True
) -> Tensor:
    """The student's loss on a strong view (1, 256, h, w) of a frame against the teacher's labels: masks and maps.

    ``masks``: whether masks are asked for; where nothing that makes them learns, they teach nothing.
    """
    scores = net.head(embedding)
    total = embedding.new_zeros(())
    for label in labels:
        own = scores.maps[:, label.index : label.index + 1]
        maps = map_loss(own, label.target[None, None], label.weight[None, None])
        total = total + weights.map * maps.mean()
        if masks:
            total = total + _mask_loss(net, embedding, label)
    return total / max(1, len(labels))


def _mask_loss(net: AdaSam, embedding: Tensor, label: PseudoLabel) -> Tensor:
    size = net.sam.size
    batch = batch_prompts(label.prompts, Canvas(size, size, size), net.sam.cells, net.device)
    logits, _ = decode(net.sam, embedding.expand(len(label.prompts), -1, -1, -1), batch)
    union = logits[:, 0].amax(0)[None]
    return segmentation_loss(union, label.target[None], label.weight[None]).mean()
