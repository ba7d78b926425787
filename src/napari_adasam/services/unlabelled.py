"""What a round learns from frames without a mask: the teacher's word on a weak view, against the student's on a strong.

With CutMix a patch of the frame of the step before, with what the teacher said of it then, is cut into the strong view.
Views are cached as activations in front of the first adapted unit, so the cut is made there, on the same grid as in the
picture [ours]: a step costs no encoding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.settings import PromptSettings, TrainSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.augment import draw_patch, paste
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.encoders import drop_channels
from napari_adasam.model.pseudo import Doubt, PseudoLabel, Seen, cut_in, pseudo_labels, unlabelled_loss
from napari_adasam.services.ports import UnlabelledFrame
from napari_adasam.services.views import Views

DROPPED_CHANNELS = 0.2
CUTMIX_SHARE = 0.5
"""Of the steps; the other half sees whole frames."""


class Unlabelled:
    """The unlabelled frames of one round."""

    def __init__(
        self,
        frames: Sequence[UnlabelledFrame],
        structures: Sequence[Structure],
        views: Views,
        settings: TrainSettings,
        prompts: PromptSettings,
    ) -> None:
        self.frames, self.structures, self.views = frames, structures, views
        self.settings, self.prompts = settings, prompts
        self._before: tuple[Tensor, list[PseudoLabel]] | None = None

    def loss(self, student: AdaSam, teacher: AdaSam, rng: np.random.Generator, weight: float) -> Tensor:
        """The loss of one frame, drawn at random: ``weight`` times the teacher's labels, and the clinician's ticks."""
        frame = self.frames[int(rng.integers(len(self.frames)))]
        labels = self._taught(teacher, frame)
        front = self.views.strong(frame)
        whole, before = (front, labels), self._before
        self._before = whole
        recipe = self.settings.recipe
        student.train()
        alike = before is not None and len(before[0]) == len(front)  # memory may allow fewer slices than before
        cut = recipe.cutmix and alike and rng.random() < CUTMIX_SHARE
        if cut and before is not None:
            patch = draw_patch(rng, student.sam.cells)
            front = paste(front, before[0], patch, student.sam.encoder.channels_last)
            labels = cut_in(teacher, labels, before[1], patch, self.prompts)
        embedding = drop_channels(self.views.embed(student, front), DROPPED_CHANNELS)
        masks = self.settings.teaches_masks
        loss = weight * unlabelled_loss(student, embedding, labels, self.settings.weights, masks)
        if recipe.image_labels and frame.present:
            own = self.views.embed(student, whole[0]) if cut else embedding
            loss = loss + self.settings.weights.presence * tick_loss(student, own, frame, self.structures)
        return loss

    def capture(self) -> dict[str, Any]:
        """The frame of the step before, if CutMix is on, for :class:`services.resuming.Training`."""
        if self._before is None or not self.settings.recipe.cutmix:
            return {}
        front, labels = self._before
        return {"front": front, "labels": [_captured(one) for one in labels]}

    def restore(self, captured: Mapping[str, Any]) -> None:
        """Go on behind that frame."""
        self._before = None
        if captured:
            self._before = captured["front"], [_restored(one, self.views.device) for one in captured["labels"]]

    def _taught(self, teacher: AdaSam, frame: UnlabelledFrame) -> list[PseudoLabel]:
        with torch.no_grad():  # its weights have moved since: in eval() TinyViT forgets what it has kept of them
            plain = self.views.embed(teacher.eval(), self.views.plain(frame))
        canvas = Canvas(frame.pixels.shape[0], frame.pixels.shape[1], teacher.sam.size)
        doubt = Doubt(self.settings.confidence, self.settings.recipe.cross_prompting)
        return pseudo_labels(teacher, plain, self.prompts, doubt, Seen(canvas, self.views.region(frame)))


def _captured(label: PseudoLabel) -> dict[str, Any]:
    """A teacher's word in plain values and tensors."""
    prompts = [
        {
            "points": [(float(one.y), float(one.x), bool(one.positive)) for one in prompt.points],
            "box": None if prompt.box is None else [float(side) for side in prompt.box],
            "dense": None if prompt.dense is None else torch.from_numpy(prompt.dense),
            "source": prompt.source,
            "token": prompt.token,
        }
        for prompt in label.prompts
    ]
    cells = torch.from_numpy(label.cells)
    return {"index": label.index, "prompts": prompts, "target": label.target, "weight": label.weight, "cells": cells}


def _restored(captured: Mapping[str, Any], device: torch.device) -> PseudoLabel:
    """The same again, its masks on a device."""
    prompts = tuple(
        Prompt(
            points=tuple(Point(*point) for point in one["points"]),
            box=None if one["box"] is None else tuple(one["box"]),
            dense=None if one["dense"] is None else one["dense"].numpy(),
            source=one["source"],
            token=one["token"],
        )
        for one in captured["prompts"]
    )
    target, weight = (captured[name].to(device) for name in ("target", "weight"))
    return PseudoLabel(captured["index"], prompts, target, weight, captured["cells"].numpy())


def tick_loss(student: AdaSam, embedding: Tensor, frame: UnlabelledFrame, structures: Sequence[Structure]) -> Tensor:
    """Cross-entropy of the presence logits against the clinician's ticks; zero where there are none."""
    ticked = [(i, frame.present[s.value]) for i, s in enumerate(structures) if s.value in frame.present]
    if not ticked:
        return embedding.new_zeros(())
    logits = student.head(embedding).presence[0, [i for i, _ in ticked]]
    truth = torch.tensor([float(t) for _, t in ticked], device=logits.device)
    return F.binary_cross_entropy_with_logits(logits, truth)
