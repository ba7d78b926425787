"""What a labelled view teaches: targets, the prompts that it is asked with, and the loss of the answers.

Prompts for training are drawn from the CAM, as at use, mixed with what people give: boxes jittered by hand-like error,
points inside the structure, and corrections on the largest error of the first answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.settings import LossWeights, PromptSettings
from napari_adasam.domain.simulated import next_click, parts
from napari_adasam.domain.structures import Structure
from napari_adasam.model import cam
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.classifier import ClassScores
from napari_adasam.model.losses import iou_of, map_loss, segmentation_loss
from napari_adasam.model.prompting import prompts_from_cam
from napari_adasam.model.sam import batch_prompts, decode

Mask = NDArray[np.bool_]
NO_IMAGE = -1
"""The label of a view's pixels that show nothing of the image: padding, or what a turn or shift brought in."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A prompt in input pixels with the mask (S, S) that it should bring."""

    prompt: Prompt
    target: Mask


def masks_of(labels: Tensor, structures: Sequence[Structure]) -> Tensor:
    """(S, S) int64 to (K, S, S) float32, one plane a structure."""
    return torch.stack([(labels == s.value).float() for s in structures])


def jittered_box(mask: Mask, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """A box around a mask as a hand draws it: each edge off by a normal error of 5 % of the side, at least 2 px."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    y0, y1, x0, x1 = rows[0], rows[-1], columns[0], columns[-1]
    dy, dx = max(2.0, 0.05 * (y1 - y0)), max(2.0, 0.05 * (x1 - x0))
    limit = mask.shape[0] - 1
    ys = np.sort(np.clip([y0 + rng.normal(0, dy), y1 + rng.normal(0, dy)], 0, limit))
    xs = np.sort(np.clip([x0 + rng.normal(0, dx), x1 + rng.normal(0, dx)], 0, limit))
    return float(ys[0]), float(xs[0]), float(ys[1]), float(xs[1])


def inner_point(mask: Mask, rng: np.random.Generator) -> Point:
    """A point inside a mask: half the time its innermost pixel, else any of its pixels."""
    if rng.random() < 0.5:
        depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
        y, x = np.unravel_index(int(depth.argmax()), mask.shape)
    else:
        ys, xs = np.nonzero(mask)
        pick = rng.integers(len(ys))
        y, x = ys[pick], xs[pick]
    return Point(float(y), float(x))


def by_hand(mask: Mask, structure: Structure, rng: np.random.Generator) -> Asked | None:
    """A person's first prompt for one part of a structure: a box, a point, or both."""
    found = parts(mask, structure)
    if not found:
        return None
    part = found[int(rng.integers(len(found)))]
    kind = rng.random()
    points = (inner_point(part, rng),) if kind > 0.4 else ()
    box = jittered_box(part, rng) if kind < 0.6 else None
    return Asked(Prompt(points=points, box=box), part)


def by_cam(maps: NDArray[np.float32], mask: Mask, structure: Structure, rng: np.random.Generator) -> list[Asked]:
    """The CAM's own prompts with the parts that each of them means; now and then without its box or point."""
    size = mask.shape[0]
    canvas = Canvas(size, size, size)
    settings = PromptSettings(use_box=bool(rng.random() < 0.8), use_point=bool(rng.random() < 0.8))
    asked = []
    separate = parts(mask, structure)
    prompts = prompts_from_cam(maps, canvas, settings, structure.several_parts)[:3]
    for prompt in prompts:
        assert prompt.dense is not None
        lit = np.kron(prompt.dense > 0, np.ones((size // maps.shape[0],) * 2, dtype=bool))
        meant = [p for p in separate if (p & lit).any()] if len(prompts) > 1 else separate
        if meant:
            asked.append(Asked(prompt, np.any(meant, axis=0)))
    return asked


def correct(asked: Asked, low: Tensor) -> Asked | None:
    """The next round of an interactive correction: one click on the largest error, the last answer as dense map."""
    size = asked.target.shape[0]
    shown = F.interpolate(low[None, None], (size, size), mode="bilinear", align_corners=False)[0, 0] > 0
    point = next_click(shown.cpu().numpy(), asked.target)
    if point is None:
        return None
    dense = np.asarray(low.clamp(-cam.LOGIT_LIMIT, cam.LOGIT_LIMIT).cpu().numpy(), dtype=np.float32)
    prompt = Prompt(points=(*asked.prompt.points, point), box=asked.prompt.box, dense=dense)
    return Asked(prompt, asked.target)


def answer_loss(net: AdaSam, embedding: Tensor, asked: Sequence[Asked], weights: LossWeights) -> tuple[Tensor, Tensor]:
    """Loss of the answers to a list of prompts on one embedding (1, 256, h, w), and their logits (N, 4h, 4w)."""
    size = net.sam.size
    batch = batch_prompts([a.prompt for a in asked], Canvas(size, size, size), net.sam.cells, net.device)
    logits, iou = decode(net.sam, embedding.expand(len(asked), -1, -1, -1), batch)
    side = max(8 * net.sam.cells, logits.shape[-1])
    fine = F.interpolate(logits[:, :1], (side, side), mode="bilinear", align_corners=False)[:, 0]
    target = torch.from_numpy(np.stack([a.target for a in asked])).float().to(net.device)
    target = F.interpolate(target[:, None], fine.shape[-2:], mode="area")[:, 0]
    off = F.mse_loss(iou[:, 0], iou_of(fine.detach(), target))
    loss = weights.segmentation * segmentation_loss(fine, target).mean() + weights.iou * off
    return loss, logits[:, 0].detach()


def class_loss(scores: ClassScores, masks: Tensor, weights: LossWeights) -> Tensor:
    """Presence and map terms for one labelled view: scores (1, K, …) against masks (K, S, S)."""
    share = F.interpolate(masks[None], scores.maps.shape[-2:], mode="area")
    present = (masks.flatten(1).sum(1) > 0).float()[None]
    presence = F.binary_cross_entropy_with_logits(scores.presence, present)
    return weights.presence * presence + weights.map * map_loss(scores.maps, share).mean()


def visible_maps(maps: Tensor, labels: Tensor) -> NDArray[np.float32]:
    """CAM logits (K, h, w) with the cells put out that see nothing of the image, by the labels (S, S) of the view."""
    seen = F.adaptive_max_pool2d((labels >= 0).float()[None], maps.shape[-2:]) > 0
    put_out = torch.where(seen.to(maps.device), maps, torch.full_like(maps, -cam.LOGIT_LIMIT))
    return np.asarray(put_out.cpu().numpy(), dtype=np.float32)


def labelled_loss(
    net: AdaSam,
    embedding: Tensor,
    labels: Tensor,
    rng: np.random.Generator,
    weights: LossWeights,
    most: int | None = None,
) -> Tensor:
    """The supervised loss of one view: embedding (1, 256, h, w), labels (S, S); ``most`` prompts at most.

    Labels are :data:`NO_IMAGE` where the view shows none: as at use, no CAM prompt comes from cells that see nothing.
    """
    masks = masks_of(labels, net.card.structures).to(net.device)
    scores = net.head(embedding)
    loss = class_loss(scores, masks, weights)
    planes = masks.cpu().numpy().astype(bool)
    maps = visible_maps(scores.maps[0].detach().float(), labels)
    asked: list[Asked] = []
    own: list[Asked] = []
    for index, structure in enumerate(net.card.structures):
        if planes[index].sum() < 20:
            continue
        if net.sam.structure_tokens is not None:
            own.append(Asked(Prompt(token=index, source="token"), planes[index]))
        asked += by_cam(maps[index], planes[index], structure, rng)
        hand = by_hand(planes[index], structure, rng)
        asked += [hand] if hand else []
    if most is not None and len(own) + len(asked) > most:
        asked = [asked[i] for i in rng.permutation(len(asked))[: max(0, most - len(own))]]
    asked = own + asked
    if not asked:
        return loss
    first, low = answer_loss(net, embedding, asked, weights)
    picks = rng.choice(len(asked), size=min(2, len(asked)), replace=False)
    again = [c for c in (correct(asked[i], low[i]) for i in picks) if c is not None]
    if not again:
        return loss + first
    second, _ = answer_loss(net, embedding, again, weights)
    return loss + 0.5 * (first + second)
