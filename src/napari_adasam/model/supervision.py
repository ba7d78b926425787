"""What a labelled view teaches: targets, the prompts that it is asked with, and the loss of the answers.

Prompts for training are drawn from the CAM, as at use, mixed with what people give (:mod:`model.asking`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.prompts import Prompt
from napari_adasam.domain.settings import LossWeights, PromptSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.model import cam
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.asking import Asked, by_cam, by_hand, correct, go_on_to_whole
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.classifier import ClassScores
from napari_adasam.model.feedback import self_loss
from napari_adasam.model.losses import iou_of, map_loss, segmentation_loss
from napari_adasam.model.sam import batch_prompts, decode

Asker = Literal["cam", "both"]
FEWEST_PIXELS = 20
NO_IMAGE = -1
"""The label of a view's pixels that show nothing of the image: padding, or what a turn or shift brought in."""


def masks_of(labels: Tensor, structures: Sequence[Structure]) -> Tensor:
    """(S, S) int64 to (K, S, S) float32, one plane a structure."""
    return torch.stack([(labels == s.value).float() for s in structures])


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Answers to N prompts: logits and predicted IoU of the decoder, and their targets.

    With finer masks the logits are (N, 16h, 16w), and the targets too.
    """

    low: Tensor  # (N, 4h, 4w)
    iou: Tensor  # (N,)
    target: Tensor  # (N, 8h, 8w)

    def segmentation(self) -> Tensor:
        """Dice and cross-entropy of each answer, (N,)."""
        return segmentation_loss(self.fine(), self.target)

    def fine(self) -> Tensor:
        """The logits at the targets' resolution."""
        return F.interpolate(self.low[:, None], self.target.shape[-2:], mode="bilinear", align_corners=False)[:, 0]

    def loss(self, weights: LossWeights) -> Tensor:
        """Weighted sum of the mask's term and of the predicted IoU's."""
        off = F.mse_loss(self.iou, iou_of(self.fine().detach(), self.target))
        return weights.segmentation * self.segmentation().mean() + weights.iou * off


def answered(net: AdaSam, embedding: Tensor, asked: Sequence[Asked]) -> Answers:
    """Ask a list of prompts on one embedding (1, 256, h, w)."""
    size = net.sam.size
    batch = batch_prompts([a.prompt for a in asked], Canvas(size, size, size), net.sam.cells, net.device)
    logits, iou = decode(net.sam, embedding.expand(len(asked), -1, -1, -1), batch)
    target = torch.from_numpy(np.stack([a.target for a in asked])).float().to(net.device)
    side = max(8 * net.sam.cells, logits.shape[-1])
    return Answers(logits[:, 0], iou[:, 0], F.interpolate(target[:, None], (side, side), mode="area")[:, 0])


def class_loss(scores: ClassScores, masks: Tensor, weights: LossWeights, known: Tensor | None = None) -> Tensor:
    """Presence and map terms for one labelled view: scores (1, K, …) against masks (K, S, S).

    ``known`` (K,) is 0 for structures that the masks say nothing of; ``None``: they tell of all.
    """
    share = F.adaptive_avg_pool2d(masks[None], cam.dense_side(scores.maps.shape[-1]))
    present = (masks.flatten(1).sum(1) > 0).float()[None]
    presence = F.binary_cross_entropy_with_logits(scores.presence, present, None if known is None else known[None])
    maps = map_loss(scores.maps, share)
    return weights.presence * presence + weights.map * (maps if known is None else maps * known).mean()


def visible_maps(maps: Tensor, labels: Tensor) -> NDArray[np.float32]:
    """CAM logits (K, h, w) with the cells put out that see nothing of the image, by the labels (S, S) of the view."""
    seen = F.adaptive_max_pool2d((labels >= 0).float()[None], maps.shape[-2:]) > 0
    put_out = torch.where(seen.to(maps.device), maps, torch.full_like(maps, -cam.LOGIT_LIMIT))
    return np.asarray(put_out.cpu().numpy(), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Lesson:
    """How a labelled view is taught: weights, what the CAM's prompts consist of, ``most`` prompts a view at most.

    ``corrections`` is how many times in a row two of the answers are corrected by a click on their largest error.
    ``whole`` is the share of views in which corrections of a pointed-at part go on to all parts of its structure.
    ``judged`` are the values of the structures that the view's labels tell of; ``None`` for all.
    """

    weights: LossWeights
    prompts: PromptSettings = PromptSettings()
    most: int | None = None
    corrections: int = 1
    whole: float = 0.0
    judged: frozenset[int] | None = None


def labelled_loss(net: AdaSam, embedding: Tensor, labels: Tensor, rng: np.random.Generator, lesson: Lesson) -> Tensor:
    """The supervised loss of one view: embedding (1, 256, h, w), labels (S, S).

    Labels are :data:`NO_IMAGE` where the view shows none: as at use, no CAM prompt comes from cells that see nothing.
    """
    weights = lesson.weights
    if net.feedback is not None and not embedding.requires_grad:
        embedding = embedding.detach().requires_grad_(True)  # the gradient ends there
    view = Taught(masks_of(labels, net.card.structures).to(net.device), labels, net.card.structures, lesson.judged)
    scores = net.head(embedding)
    loss = class_loss(scores, view.masks, weights, view.known)
    by_token = net.sam.structure_tokens is not None and lesson.prompts.use_token
    own = view.by_token() if by_token else []
    asked = view.asked(scores, rng, lesson.prompts, "both")
    asked = own + _some(asked, rng, None if lesson.most is None else max(0, lesson.most - len(own)))
    if not asked:
        return loss
    first = answered(net, embedding, asked)
    loss = loss + corrected_loss(net, embedding, (asked, first), rng, lesson)
    if net.feedback is None:
        return loss
    from_cam = [i for i, one in enumerate(asked) if one.prompt.source == "cam"]
    second = feedback_loss(net, embedding, (first, from_cam), view, rng, lesson)
    return (loss + weights.feedback * second) / (1 + weights.feedback)


def _some(asked: list[Asked], rng: np.random.Generator, most: int | None) -> list[Asked]:
    """So many of the prompts at most, drawn at random: the last structures are asked for as often as the first."""
    if most is None or len(asked) <= most:
        return asked
    return [asked[place] for place in rng.permutation(len(asked))[:most]]


def corrected_loss(
    net: AdaSam, embedding: Tensor, first: tuple[list[Asked], Answers], rng: np.random.Generator, lesson: Lesson
) -> Tensor:
    """Mean loss of the first answers and of those that follow, each to corrections of two of the answers before it."""
    asked, answers = first
    losses = [answers.loss(lesson.weights)]
    if lesson.whole and rng.random() < lesson.whole:
        asked = [go_on_to_whole(one) for one in asked]
    for _ in range(lesson.corrections):
        picks = rng.choice(len(asked), size=min(2, len(asked)), replace=False)
        asked = [c for c in (correct(asked[i], answers.low[i].detach()) for i in picks) if c is not None]
        if not asked:
            break
        answers = answered(net, embedding, asked)
        losses.append(answers.loss(lesson.weights))
    return torch.stack(losses).mean()


def prompted_loss(net: AdaSam, embedding: Tensor, labels: Tensor, rng: np.random.Generator, lesson: Lesson) -> Tensor:
    """The loss of a person's prompts, one for each of the regions 1, 2, … of ``labels`` (S, S); no class is taught."""
    planes = ((labels == value).cpu().numpy() for value in range(1, int(labels.max()) + 1))
    hands = (by_hand(plane, Structure(1, "region"), rng) for plane in planes if plane.any())
    asked = [hand for hand in hands if hand is not None]
    if not asked:
        return embedding.sum() * 0
    return corrected_loss(net, embedding, (asked, answered(net, embedding, asked)), rng, lesson)


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """One labelled view: masks (K, S, S) float, labels (S, S), the structures they are of, and which they tell of."""

    masks: Tensor
    labels: Tensor
    structures: Sequence[Structure]
    judged: frozenset[int] | None = None

    @property
    def known(self) -> Tensor | None:
        """(K,) float: 0 for structures that the labels say nothing of; ``None`` where they tell of all."""
        if self.judged is None or self.judged.issuperset(s.value for s in self.structures):
            return None
        return self.masks.new_tensor([float(s.value in self.judged) for s in self.structures])

    def by_token(self) -> list[Asked]:
        """Each structure that is there asked for by its learned token alone."""
        planes = self.masks.cpu().numpy().astype(bool)
        there = (i for i, plane in enumerate(planes) if plane.sum() >= FEWEST_PIXELS)
        return [Asked(Prompt(token=i, source="token"), planes[i]) for i in there]

    def asked(self, scores: ClassScores, rng: np.random.Generator, settings: PromptSettings, by: Asker) -> list[Asked]:
        """What is asked about the structures that are there: by the CAM alone, or by a person too."""
        maps = visible_maps(scores.maps[0].detach().float(), self.labels)
        planes = self.masks.cpu().numpy().astype(bool)
        found: list[Asked] = []
        for index, structure in enumerate(self.structures):
            if planes[index].sum() < FEWEST_PIXELS:
                continue
            found += by_cam(maps[index], planes[index], structure, rng, settings)
            hand = by_hand(planes[index], structure, rng) if by == "both" else None
            found += [hand] if hand else []
        return found


def feedback_loss(
    net: AdaSam,
    embedding: Tensor,
    first: tuple[Answers, Sequence[int]],
    view: Taught,
    rng: np.random.Generator,
    lesson: Lesson,
) -> Tensor:
    """The loss of class scores, maps, second prompts and second masks from the refined embedding F'.

    ``first`` is the first answers and which of them the CAM asked for; their gradient is what is fed back. It is that
    of the label, and, where feedback is meant for use too, half of the time that of the masks against themselves, as it
    will be at use [ours].
    """
    answers, from_cam = first
    assert net.feedback is not None
    if not from_cam:
        return class_loss(net.head(embedding), view.masks, lesson.weights, view.known)
    as_at_use = net.card.feedback == "train+infer" and rng.random() < 0.5
    told = self_loss(answers.low[list(from_cam)]) if as_at_use else answers.segmentation()[list(from_cam)]
    (gradient,) = torch.autograd.grad(told.sum(), embedding, retain_graph=True)
    better = net.feedback(embedding, gradient)
    scores = net.head(better)
    loss = class_loss(scores, view.masks, lesson.weights, view.known)
    asked = _some(view.asked(scores, rng, lesson.prompts, "cam"), rng, lesson.most)
    return loss + answered(net, better, asked).loss(lesson.weights) if asked else loss
