"""What a round works on, and what a model does on a frame whose outlines are known: by itself, and when it is asked.

Outlines are looked at after the answers are there; a person's prompts are simulated from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from napari_adasam.domain.overlap import dice
from napari_adasam.domain.prompts import Prompt
from napari_adasam.domain.settings import PromptSettings, TrainSettings
from napari_adasam.domain.simulated import next_click, parts, tight_box
from napari_adasam.domain.structures import Structure
from napari_adasam.model import adasam
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.headstart import MOST_CELLS
from napari_adasam.services.gate import Held
from napari_adasam.services.ports import LabelledFrame, UnlabelledFrame
from napari_adasam.services.views import Views

SPARED = " The earlier one did well, so only what finds structures has learned; clicks are answered as before."
"""What a person is told behind a round that has left SAM as it was."""
FEWEST = 3
"""Of fewer frames luck says who is better at clicks."""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What a round works on."""

    held: Held
    unlabelled: tuple[UnlabelledFrame, ...]
    structures: tuple[Structure, ...]


@torch.no_grad()
def alone(
    net: AdaSam, views: Views, frame: LabelledFrame, structures: tuple[Structure, ...], prompts: PromptSettings
) -> dict[int, float]:
    """Prompt-free Dice of each structure that the frame's labels tell of, by value."""
    embedding = views.embed(net.eval(), views.plain(frame))
    answers = adasam.suggest(net, embedding, _canvas(net, frame), structures, prompts, views.region(frame))
    found = zip(structures, answers, strict=True)
    return {s.value: dice(a.mask, frame.labels == s.value) for s, a in found if frame.tells_of(s)}


@torch.no_grad()
def by_hand(net: AdaSam, views: Views, frame: LabelledFrame, structures: tuple[Structure, ...]) -> list[float]:
    """Dice behind a box around each part of each structure, and behind a click on the largest error of that."""
    embedding, canvas = views.embed(net.eval(), views.plain(frame)), _canvas(net, frame)
    found = []
    for structure in structures:
        for part in parts(frame.labels == structure.value, structure):
            if not part.any():
                continue
            box = tight_box(part)
            first, _, logits = adasam.answer(net, embedding, Prompt(box=box), None, canvas)
            click = next_click(first, part)
            second = first
            if click is not None:
                second, *_ = adasam.answer(net, embedding, Prompt((click,), box), logits, canvas)
            found.append(float(np.mean([dice(first, part), dice(second, part)])))
    return found


def better_at_clicks(new: Sequence[Sequence[float]], old: Sequence[Sequence[float]]) -> tuple[bool, str]:
    """Whether a new model is to answer clicks, by the Dice of both on the same frames' questions; and a sentence on it.

    Where something was asked on fewer than :data:`FEWEST` frames, the old one goes on to.
    """
    news, olds = ([float(np.mean(each)) for each in one if each] for one in (new, old))
    if len(news) < FEWEST:
        return False, " Clicks are answered by the model that learning began with: few images were kept aside."
    ours, theirs = (f"{np.mean(each):.3f}" for each in (news, olds))
    if np.mean(news) > np.mean(olds):
        return True, f" It answers clicks, too: Dice behind a box and a click {ours}, before learning {theirs}."
    return False, (
        " Clicks are answered by the model that learning began with: Dice behind a box and a click "
        f"{theirs}, by the new one {ours}."
    )


def _canvas(net: AdaSam, frame: LabelledFrame) -> Canvas:
    return Canvas(frame.pixels.shape[0], frame.pixels.shape[1], net.sam.size)


def few_enough(frames: Sequence[LabelledFrame], train: TrainSettings, cells: int) -> list[tuple[LabelledFrame, int]]:
    """Frames and the numbers of their views; where all would be more than memory is wanted for, a seeded choice."""
    each = [(frame, view) for frame in frames for view in range(train.views)]
    most = max(1, MOST_CELLS // cells**2)
    if len(each) <= most:
        return each
    chosen = np.random.default_rng(train.seed).choice(len(each), most, replace=False)
    return [each[place] for place in sorted(chosen)]
