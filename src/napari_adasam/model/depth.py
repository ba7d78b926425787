"""What the neighbours of a slice in depth say of it: maps, presence and masks are means over them [ours].

A structure goes on from slice to slice, where the model's slips, a missed slice or a border that jumps, do not. So a
volume's slice is asked with class scores that are means of its own and its neighbours', and its mask is where the mean
of their mask logits is positive. Nothing learns from it, and it is the same for every adaptation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from napari_adasam.domain.structures import Structure
from napari_adasam.model import adasam, cam
from napari_adasam.model.adasam import AdaSam, AutoMask, Sight
from napari_adasam.model.classifier import ClassScores

SLICES = 5
"""How many are looked at: three whose masks count, and the next ones on both sides for the maps of these."""
SPREAD = 0.5
"""Distance at which a neighbour counts 61 % of the slice itself, in cells of the class map."""
LEAST = 0.05
"""A neighbour that would count less is not asked."""


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One slice: its embedding (1, 256, h, w), and what may be seen of it."""

    embedding: Tensor
    sight: Sight


def weight(apart: float) -> float:
    """How much a neighbour counts beside the slice itself, which counts 1; ``apart`` in cells of the class map."""
    return math.exp(-0.5 * (apart / SPREAD) ** 2)


@torch.no_grad()
def suggest(net: AdaSam, slices: Sequence[Slice], structures: Sequence[Structure], share: float) -> list[AutoMask]:
    """Self-prompted masks of the structures on the slice in the middle of :data:`SLICES`.

    Parameters
    ----------
    slices
        In order; beyond the ends of the volume the last one again.
    share
        The :func:`weight` of the next neighbours.

    A structure that the means call absent has no mask, whatever the neighbours' masks are.
    """
    if len(slices) != SLICES:
        raise ValueError(f"expected {SLICES} slices, got {len(slices)}")
    tokens = net.sam.structure_tokens is not None
    sights = [replace(one.sight, tokens=tokens) for one in slices]
    seen = [adasam.refined(net, one.embedding, sight) for one, sight in zip(slices, sights, strict=True)]
    scores = _means([one for _, one in seen], share)
    inner = list(zip([embedding for embedding, _ in seen[1:-1]], scores, sights[1:-1], strict=True))
    answers = []
    for structure in structures:
        before, own, after = (adasam.ask(net, *one, structure) for one in inner)
        levels = [one.level.clamp(-cam.LOGIT_LIMIT, cam.LOGIT_LIMIT) for one in (before, own, after)]
        among = cam.only_within(_mean(share, *levels), sights[SLICES // 2].region)
        answers.append(own.answer(among if own.prompts else own.level))
    return answers


def _means(scores: Sequence[ClassScores], share: float) -> list[ClassScores]:
    """Of each but the first and the last, the mean with both neighbours."""
    triples = zip(scores, scores[1:], scores[2:], strict=False)
    return [
        ClassScores(_mean(share, a.presence, b.presence, c.presence), _mean(share, a.maps, b.maps, c.maps))
        for a, b, c in triples
    ]


def _mean(share: float, before: Tensor, own: Tensor, after: Tensor) -> Tensor:
    return (share * before + own + share * after) / (1 + 2 * share)
