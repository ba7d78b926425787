"""A look at a frame, for the order in which frames are offered: what differently prompted masks say, and where it lies.

From its embedding alone; no gradient, and no mask of a person's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.looks import Look
from napari_adasam.domain.overlap import dice
from napari_adasam.domain.prompts import Prompt
from napari_adasam.domain.records import Mask
from napari_adasam.domain.structures import Structure
from napari_adasam.model.adasam import AdaSam, Sight
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.encoders import coarse
from napari_adasam.model.sam import batch_prompts, decode


@torch.no_grad()
def look(
    net: AdaSam,
    embedding: Tensor,
    structures: Sequence[Structure],
    sight: Sight,
) -> Look:
    """Look at one embedding (1, 256, h, w); a structure that the model never learned has no say.

    Prompts are those of a suggestion with the same ``sight``: none from outside of its region.
    """
    scores = net.head(embedding)
    apart: dict[int, float] = {}
    presence: dict[int, float] = {}
    for structure in structures:
        index = net.index_of(structure)
        if index is None:
            continue
        presence[structure.value] = float(torch.sigmoid(scores.presence[0, index]))
        prompts = sight.prompts(scores, index, structure)
        if prompts:
            apart[structure.value] = _disagreement(net, embedding, prompts, sight.canvas)
    features = F.normalize(coarse(embedding).float().mean((2, 3)), dim=1)[0]
    return Look(apart, presence, np.asarray(features.cpu().numpy(), np.float32), "")


def _disagreement(net: AdaSam, embedding: Tensor, prompts: tuple[Prompt, ...], canvas: Canvas) -> float:
    """1 − mean Dice of the mask by the whole prompt with those by the map alone and by box and point alone."""
    whole = _mask(net, embedding, prompts, canvas)
    others = [
        [replace(one, points=(), box=None) for one in prompts if one.dense is not None],
        [replace(one, dense=None) for one in prompts if one.points or one.box is not None],
    ]
    agreed = [dice(whole, _mask(net, embedding, one, canvas)) for one in others if one]
    return 1.0 - float(np.mean(agreed)) if agreed else 0.0


def _mask(net: AdaSam, embedding: Tensor, prompts: Sequence[Prompt], canvas: Canvas) -> Mask:
    """The union of the parts' masks at the decoder's resolution (4h, 4w)."""
    batch = batch_prompts(prompts, canvas, net.sam.cells, net.device)
    logits, _ = decode(net.sam, embedding.expand(len(prompts), -1, -1, -1), batch)
    found: Mask = (logits[:, 0] > 0).any(0).cpu().numpy()
    return found
