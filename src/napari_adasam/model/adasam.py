"""ADA-SAM put together: embedding → class maps → prompts → decoder → one mask a structure.

Nothing here takes a mask: prompts come from the CAM (:func:`suggest`) or from a person (:func:`answer`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.prompts import Prompt
from napari_adasam.domain.settings import PromptSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.model import cam
from napari_adasam.model.adapters.upsampling import fresh_token
from napari_adasam.model.canvas import Canvas, to_image_size
from napari_adasam.model.classifier import Classifier, widen
from napari_adasam.model.prompting import prompts_from_cam
from napari_adasam.model.sam import SamNet, batch_prompts, decode

if TYPE_CHECKING:
    from napari_adasam.model.adapters.parts import Adaptation


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of a set of weights; it is written into every file that holds them.

    Parameters
    ----------
    structures
        The classifier's structures, in the order of its outputs.
    ambiguous_points
        Whether one lone point is answered with the best of SAM's three masks (untuned SAM) or with its single mask.
    trained_on
        Content ids of the images that any training saw, labelled or not: an evaluation leaves their groups out.
    """

    name: str
    architecture: str
    input_size: int
    structures: tuple[Structure, ...] = ()
    classifier: str = "classmap"
    ambiguous_points: bool = True
    licence: str = "unknown"
    lineage: tuple[str, ...] = ()
    trained_on: frozenset[str] = frozenset()

    def with_structures(self, structures: Sequence[Structure]) -> ModelCard:
        """The same card for other structures."""
        return replace(self, structures=tuple(structures))


class AdaSam(nn.Module):
    """A SAM with an auxiliary classifier; ``adapted`` says what was inserted into it, oldest first."""

    def __init__(self, sam: SamNet, head: Classifier, card: ModelCard) -> None:
        super().__init__()
        self.sam = sam
        self.head = head
        self.card = card
        self.adapted: tuple[Adaptation, ...] = ()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        weight: Tensor = next(self.sam.mask_decoder.parameters())
        return weight.device

    def set_structures(self, structures: Sequence[Structure]) -> None:
        """Make the classifier's outputs those structures, by :meth:`index_of`; new ones start absent."""
        if tuple(structures) == self.card.structures:
            return
        old = tuple(s.name.strip().casefold() for s in self.card.structures)
        found = [self.index_of(s) for s in structures]
        new = tuple(
            s.name.strip().casefold() if at is None else old[at] for s, at in zip(structures, found, strict=True)
        )
        if old != new:
            self.head = widen(self.head, old, new).to(self.device)
        tokens = self.sam.structure_tokens
        if tokens is not None:
            self.sam.structure_tokens = tokens.reordered(found, fresh_token(self.sam))
        self.card = self.card.with_structures(structures)

    def index_of(self, structure: Structure) -> int | None:
        """The classifier's output for a structure; ``None`` if it was never learned.

        By name, or by the name it had before it was renamed; without regard to case.
        """
        wanted, known = _names(structure), [_names(s) for s in self.card.structures]
        by_name = (i for i, names in enumerate(known) if names[0] == wanted[0])
        by_earlier_name = (i for i, names in enumerate(known) if set(names) & set(wanted))
        return next(by_name, next(by_earlier_name, None))


def _names(structure: Structure) -> tuple[str, ...]:
    """Its name, and the one it had before it was renamed, if any; without regard to case."""
    return tuple(n.strip().casefold() for n in (structure.name, structure.learned_as) if n)


@dataclass(frozen=True, slots=True, eq=False)
class AutoMask:
    """One structure's prompt-free answer, in image pixels.

    Parameters
    ----------
    mask
        (H, W) bool.
    cam
        (H, W) float32 in 0 to 1.
    """

    mask: NDArray[np.bool_]
    score: float
    presence: float
    prompts: tuple[Prompt, ...]
    cam: NDArray[np.float32]


@torch.no_grad()
def suggest(
    net: AdaSam,
    embedding: Tensor,
    canvas: Canvas,
    structures: Sequence[Structure],
    settings: PromptSettings,
    region: NDArray[np.bool_] | None = None,
) -> list[AutoMask]:
    """Self-prompted masks of the structures from one embedding (1, 256, h, w); what it never learned is absent.

    Neither maps nor masks reach out of ``region`` (H, W); ``None`` is the whole picture.
    """
    scores = net.head(embedding)
    answers = []
    for structure in structures:
        index = net.index_of(structure)
        if index is None:
            answers.append(_nothing(canvas, 0.0, np.zeros((canvas.height, canvas.width), dtype=np.float32)))
            continue
        presence = float(torch.sigmoid(scores.presence[0, index]))
        visible = cam.inside_image(scores.maps[0, index].float(), canvas)
        if region is not None:
            visible = cam.inside_region(visible, region, canvas)
        shown = cam.overlay(visible, canvas)
        if region is not None:
            shown = np.where(region, shown, np.float32(0))
        prompts: tuple[Prompt, ...] = ()
        if presence >= settings.presence:
            cells = np.asarray(visible.cpu().numpy(), dtype=np.float32)
            prompts = own_prompts(net, index, cells, structure.several_parts, canvas, settings)
        if not prompts:
            answers.append(_nothing(canvas, presence, shown))
            continue
        mask, score = _union_of_answers(net, embedding, prompts, canvas)
        mask = mask if region is None else mask & region
        answers.append(AutoMask(mask, score, presence, prompts, shown))
    return answers


def own_prompts(
    net: AdaSam,
    index: int,
    cells: NDArray[np.float32],
    several_parts: bool,
    canvas: Canvas,
    settings: PromptSettings,
) -> tuple[Prompt, ...]:
    """What a model asks itself for its structure ``index``: the structure's token, or what its CAM (h, w) gives."""
    if settings.use_token and net.sam.structure_tokens is not None:
        return (Prompt(token=index, source="token"),)
    return prompts_from_cam(cells, canvas, settings, several_parts)


def _nothing(canvas: Canvas, presence: float, shown: NDArray[np.float32]) -> AutoMask:
    return AutoMask(np.zeros((canvas.height, canvas.width), dtype=np.bool_), 0.0, presence, (), shown)


def _union_of_answers(
    net: AdaSam, embedding: Tensor, prompts: Sequence[Prompt], canvas: Canvas
) -> tuple[NDArray[np.bool_], float]:
    batch = batch_prompts(prompts, canvas, net.sam.cells, net.device)
    logits, iou = decode(net.sam, embedding.expand(len(prompts), -1, -1, -1), batch)
    maps = to_image_size(logits[:, 0].float(), canvas)
    mask = (maps > 0).any(0).cpu().numpy()
    return mask, float(iou[:, 0].float().mean().clamp(0, 1))


@torch.no_grad()
def answer(
    net: AdaSam, embedding: Tensor, prompt: Prompt, previous: Tensor | None, canvas: Canvas
) -> tuple[NDArray[np.bool_], float, Tensor]:
    """A person's prompt on one embedding (1, 256, h, w): mask (H, W), predicted IoU, low-resolution logits (4h, 4w).

    ``previous`` is the low-resolution logits (4h, 4w) of the answer that this prompt corrects; it takes the place of
    the prompt's dense map, as SAM's own interactive use does.
    """
    batch = batch_prompts([prompt], canvas, net.sam.cells, net.device)
    if previous is not None:
        dense = previous.clamp(-cam.LOGIT_LIMIT, cam.LOGIT_LIMIT)[None, None].to(net.device)
        batch = replace(batch, dense=dense, has_dense=torch.ones(1, dtype=torch.bool, device=net.device))
    logits, iou = decode(net.sam, embedding, batch)
    lone_point = len(prompt.points) == 1 and prompt.box is None and not bool(batch.has_dense[0])
    choice = 1 + int(iou[0, 1:].argmax()) if lone_point and net.card.ambiguous_points else 0
    found = logits[0, choice].float()
    mask = (to_image_size(found[None], canvas)[0] > 0).cpu().numpy()
    low = F.adaptive_avg_pool2d(found[None], 4 * net.sam.cells)[0]
    return mask, float(iou[0, choice].float().clamp(0, 1)), low
