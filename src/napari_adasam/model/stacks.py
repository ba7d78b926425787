"""Clips and volumes: which neighbours are encoded together, and what overlapping windows say of one slice.

Rounds, and answers on one frame, look at the window with that frame in its middle (:func:`middle`), so that what serves
sees what was trained [ours]. Where all of a stack is wanted, a window of D slices slides by one, so that a slice lies
in up to D windows; what they predict of it is averaged (MA-SAM, Chen et al. 2023). What goes in is the activation of
each slice in front of the first adapted unit, which depends on that slice alone and may be kept; only the units behind
it see neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from napari_adasam.domain.prompts import Prompt
from napari_adasam.model import adaptation
from napari_adasam.model.adapters.parts import stacked
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.sam import batch_prompts, decode


def around(index: int, count: int, slices: int) -> tuple[int, ...]:
    """The ``slices`` neighbours with ``index`` in their middle; beyond the ends of 0..count-1 the end is repeated."""
    return tuple(min(max(index - slices // 2 + step, 0), count - 1) for step in range(slices))


def windows(count: int, slices: int) -> list[tuple[int, ...]]:
    """All windows of a stack, sliding by one; a stack shorter than a window has one, its last slice repeated."""
    return [
        tuple(min(start + step, count - 1) for step in range(slices)) for start in range(max(1, count - slices + 1))
    ]


def middle(net: AdaSam, fronts: Tensor, since: int) -> Tensor:
    """The embedding (1, 256, h, w) of one slice, seen with its neighbours as far as the model wants them.

    Parameters
    ----------
    fronts
        (L, …) activations of neighbours in front of unit ``since``, the slice in their middle, L // 2. Of a longer
        window the model takes its D, and of a shorter one all; one alone is the same as a stack of copies of it.
    """
    slices = adaptation.slices(net)
    if slices == 1:
        at = len(fronts) // 2
        return net.sam.encoder.back(fronts[at : at + 1], since)
    wanted = min(slices, len(fronts))
    first = len(fronts) // 2 - wanted // 2
    with stacked(net.sam.encoder, wanted):
        return net.sam.encoder.back(fronts[first : first + wanted], since)[wanted // 2 : wanted // 2 + 1]


@torch.no_grad()
def embeddings(net: AdaSam, fronts: Sequence[Tensor], since: int) -> Iterator[tuple[tuple[int, ...], Tensor]]:
    """Window by window the slices in it and their embeddings (D, 256, h, w); one window in memory at a time.

    Parameters
    ----------
    fronts
        One activation (1, …) a slice, in front of unit ``since``.
    """
    slices = adaptation.slices(net)
    for window in windows(len(fronts), slices):
        batch = torch.cat([fronts[index] for index in window]).to(net.device).float()
        with stacked(net.sam.encoder, slices):
            yield window, net.sam.encoder.back(batch, since)


@torch.no_grad()
def chances(net: AdaSam, fronts: Sequence[Tensor], since: int, prompts: Sequence[Prompt], canvas: Canvas) -> Tensor:
    """Masks of a stack as probabilities (N, s, s), each the mean over the windows that the slice lies in.

    Parameters
    ----------
    fronts
        N activations (1, …), one a slice, in front of unit ``since``.
    prompts
        N prompts, one a slice: a structure's token, which is no prompt at all, or a box.
    canvas
        Geometry of a slice, whose pixels the prompts are in.
    """
    if len(prompts) != len(fronts):
        raise ValueError(f"expected a prompt a slice, {len(fronts)}, got {len(prompts)}")
    total: list[Tensor] = [torch.zeros(()) for _ in fronts]
    seen = [0] * len(fronts)
    for window, found in embeddings(net, fronts, since):
        batch = batch_prompts([prompts[index] for index in window], canvas, net.sam.cells, net.device)
        logits, _ = decode(net.sam, found, batch)
        for index, chance in zip(window, torch.sigmoid(logits[:, 0].float()).cpu(), strict=True):
            total[index] = total[index] + chance
            seen[index] += 1
    return torch.stack([chance / times for chance, times in zip(total, seen, strict=True)])
