"""How the weights of a round move: at which rates, held to where they began, averaged into the teacher's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from napari_adasam.model import adaptation
from napari_adasam.model.adapters.parts import added
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.checkpoints import Weights

RISE = 0.2
"""Share of the steps in which rates rise to their height: at full height at once a decoder may fall silent [ours]."""
HALF_WAY = 0.5
"""How far a student that is refused goes back before it is tried once more [ours]."""
TOKENS = "sam.structure_tokens."
SPEEDS = {"adapters": 1.0, "head": 4.0, "decoder": 0.5, "tokens": 20.0}
"""Of the learning rate. Tokens begin alike, and are numbers around 1: at the adapters' speed they would stay alike."""


def groups(student: AdaSam, lr: float) -> list[dict[str, object]]:
    """What was inserted, the classifier, and SAM's decoder learn at their own speeds."""
    new = added(student)
    named = [(n, p) for n, p in student.named_parameters() if p.requires_grad]
    own = {n for n, _ in named if n.startswith(("head.", "feedback."))}
    groups = [
        ("head", [p for n, p in named if n in own]),
        ("decoder", [p for n, p in named if n not in own and n not in new]),
        ("tokens", [p for n, p in named if n.startswith(TOKENS)]),
        ("adapters", [p for n, p in named if n in new and not n.startswith(TOKENS)]),
    ]
    return [{"params": p, "lr": lr * SPEEDS[name], "height": lr * SPEEDS[name]} for name, p in groups if p]


def risen(step: int, steps: int) -> float:
    """The share of their height that the rates have at a step, from 0 on: a line up to 1 over the first fifth."""
    return min(1.0, (step + 1) / (RISE * steps))


@torch.no_grad()
def pull(learning: Sequence[Tensor], start: Sequence[Tensor], weight: float) -> None:
    """Add the gradient of weight/2·|p - start|² (the anchor)."""
    for parameter, origin in zip(learning, start, strict=True):
        if parameter.grad is not None:
            parameter.grad.add_(parameter - origin, alpha=weight)


def pairs_of(teacher: AdaSam, student: AdaSam) -> list[tuple[Tensor, Tensor]]:
    """The adapted weights of both, each teacher's beside its student's."""
    adapted, fast = adaptation.adapted_names(student), dict(student.named_parameters())
    return [(slow, fast[name]) for name, slow in teacher.named_parameters() if name in adapted]


@torch.no_grad()
def average(pairs: Sequence[tuple[Tensor, Tensor]], decay: float) -> None:
    """Move the teacher's adapted weights towards the student's."""
    for slow, fast in pairs:
        slow.lerp_(fast, 1 - decay)


def go_back(net: AdaSam, start: Weights, share: float) -> None:
    """Move adapted weights this share of the way back to where they began, by name."""
    own = dict(net.named_parameters())
    average([(own[name], origin.to(own[name].device)) for name, origin in start.items()], 1 - share)
