"""What every baseline gets: the same frames, the same augmentation, the same optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_adasam.domain.records import Mask
from napari_adasam.domain.structures import Structure
from napari_adasam.model import augment
from napari_adasam.model.canvas import Canvas, grey_canvas, label_canvas, to_image_size
from napari_adasam.services.ports import LabelledFrame, UnlabelledFrame

Answering = Callable[[str, NDArray[np.uint8]], dict[int, Mask]]
"""Frame id and pixels (H, W) uint8 to a mask (H, W) of each structure, by value. No label can reach it."""
Fitted = tuple[Answering, int]
"""How a baseline answers, and how many parameters its training moved."""
OnStep = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """What one training may learn from."""

    labelled: Sequence[LabelledFrame]
    unlabelled: Sequence[UnlabelledFrame]
    structures: Sequence[Structure]
    seed: int


@dataclass(frozen=True, slots=True)
class Course:
    """Steps, and the learning rate that falls from its height to 2 % along half a cosine."""

    steps: int
    lr: float


def follow(course: Course, parameters: Iterable[nn.Parameter], loss: Callable[[int], Tensor], on_step: OnStep) -> int:
    """Minimise ``loss(step)`` with AdamW, gradients clipped to a norm of 1; returns how many parameters learned."""
    learning = [p for p in parameters if p.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=course.lr, weight_decay=1e-4)
    for step in range(course.steps):
        share = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / course.steps))
        optimiser.param_groups[0]["lr"] = course.lr * share
        optimiser.zero_grad()
        loss(step).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        on_step(step + 1, course.steps)
    return sum(p.numel() for p in learning)


def square(pixels: NDArray[np.uint8], labels: NDArray[np.uint8] | None, size: int) -> augment.View:
    """A frame on the square, as it is."""
    grey, valid, _ = grey_canvas(pixels, size)
    return augment.View(grey, valid, None if labels is None else label_canvas(labels, size))


def drawn(view: augment.View, rng: np.random.Generator) -> augment.View:
    """The view, one time in three as it is, else through a random geometry and tone: those of a round's views."""
    if rng.random() < 1 / 3:
        return view
    return augment.apply(view, augment.draw_geometry(rng), augment.draw_tone(rng))


def masks_from(logits: Tensor, canvas: Canvas, structures: Sequence[Structure]) -> dict[int, Mask]:
    """Logits (K, h, w) over the square to a mask (H, W) a structure."""
    found = (to_image_size(logits.float(), canvas) > 0).cpu().numpy()
    return {structure.value: found[i] for i, structure in enumerate(structures)}
