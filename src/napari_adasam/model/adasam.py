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
from napari_adasam.domain.settings import FeedbackMode, PromptSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.model import cam
from napari_adasam.model.adapters.upsampling import fresh_token
from napari_adasam.model.canvas import Canvas, to_image_size
from napari_adasam.model.classifier import Classifier, ClassScores, widen
from napari_adasam.model.feedback import Feedback, equip, self_loss
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
    feedback
        Whether training used gradient feedback, and whether answers at use do.
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
    feedback: FeedbackMode = "off"

    def with_structures(self, structures: Sequence[Structure]) -> ModelCard:
        """The same card for other structures."""
        return replace(self, structures=tuple(structures))


class AdaSam(nn.Module):
    """A SAM with an auxiliary classifier, and gradient feedback to it or none.

    ``adapted`` says what was inserted into it, oldest first.
    """

    def __init__(self, sam: SamNet, head: Classifier, card: ModelCard, feedback: Feedback | None = None) -> None:
        super().__init__()
        self.sam = sam
        self.head = head
        self.card = card
        self.feedback = feedback
        self.adapted: tuple[Adaptation, ...] = ()

    def use_feedback(self, mode: FeedbackMode, heads: int = 1) -> None:
        """Train with gradient feedback from now on, or without; what it has learned is kept where it goes on."""
        self.feedback = equip(self.feedback, mode, heads)
        if self.feedback is not None:
            self.feedback.to(self.device)
        self.card = replace(self.card, feedback=mode)

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
    logits
        The answer to each of the prompts, (4h, 4w) float32.
    """

    mask: NDArray[np.bool_]
    score: float
    presence: float
    prompts: tuple[Prompt, ...]
    cam: NDArray[np.float32]
    logits: tuple[NDArray[np.float32], ...] = ()


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

    Neither maps nor masks reach out of ``region`` (H, W); ``None`` is the whole picture. Where the model was trained to
    use gradient feedback at use, all this comes from the embedding that the first masks refine.
    """
    sight = Sight(canvas, settings, region, tokens=net.sam.structure_tokens is not None)
    embedding, scores = refined(net, embedding, sight)
    asked = [ask(net, embedding, scores, sight, structure) for structure in structures]
    return [one.answer(one.level) for one in asked]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What the decoder said of one structure, asked with the prompts of its map.

    Parameters
    ----------
    level
        (H, W) mask logits, the highest of all prompts' answers; the least there is where there were no prompts, and out
        of the region.
    shown, logits
        See :class:`AutoMask`.
    """

    presence: float
    prompts: tuple[Prompt, ...]
    level: Tensor
    shown: NDArray[np.float32]
    score: float = 0.0
    logits: tuple[NDArray[np.float32], ...] = ()

    def answer(self, level: Tensor) -> AutoMask:
        """The answer whose mask is where ``level`` (H, W) is positive."""
        mask = np.asarray((level > 0).cpu().numpy(), dtype=np.bool_)
        return AutoMask(mask, self.score, self.presence, self.prompts, self.shown, self.logits)


def ask(net: AdaSam, embedding: Tensor, scores: ClassScores, sight: Sight, structure: Structure) -> Asked:
    """Ask the decoder for a structure, as its class scores (1, K) prompt it; what was never learned is absent."""
    canvas, region, index = sight.canvas, sight.region, net.index_of(structure)
    absent = torch.full((canvas.height, canvas.width), -cam.LOGIT_LIMIT, device=net.device)
    if index is None:
        return Asked(0.0, (), absent, np.zeros((canvas.height, canvas.width), dtype=np.float32))
    presence = float(torch.sigmoid(scores.presence[0, index]))
    shown = cam.overlay(sight.visible(scores.maps[0, index]), canvas)
    if region is not None:
        shown = np.where(region, shown, np.float32(0))
    prompts = sight.prompts(scores, index, structure)
    if not prompts:
        return Asked(presence, (), absent, shown)
    level, score, logits = _highest_of_answers(net, embedding, prompts, canvas)
    return Asked(presence, prompts, cam.only_within(level, region), shown, score, logits)


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What may be seen of an image, and how its maps become prompts. It holds no label and takes none.

    Parameters
    ----------
    canvas
        Whose image pixels the prompts are in.
    region
        (H, W), what counts of the image; ``None`` for all.
    seen
        Geometry of the image where ``canvas`` is that of the whole square; ``None`` for the same.
    tokens
        Whether the model has a learned token a structure: then that is the prompt, unless the settings say otherwise.
    """

    canvas: Canvas
    settings: PromptSettings
    region: NDArray[np.bool_] | None = None
    seen: Canvas | None = None
    tokens: bool = False

    def visible(self, logits: Tensor) -> Tensor:
        """CAM logits (h, w) with the cells put out that see padding only, or nothing of the region."""
        seen = cam.inside_image(logits.float(), self.seen or self.canvas)
        return seen if self.region is None else cam.inside_region(seen, self.region, self.seen or self.canvas)

    def prompts(self, scores: ClassScores, index: int, structure: Structure) -> tuple[Prompt, ...]:
        """Prompts in image pixels for one output of the classifier; none where the structure is judged absent."""
        if float(torch.sigmoid(scores.presence[0, index])) < self.settings.presence:
            return ()
        if self.tokens and self.settings.use_token:
            return (Prompt(token=index, source="token"),)
        cells = np.asarray(self.visible(scores.maps[0, index].detach()).cpu().numpy(), dtype=np.float32)
        return prompts_from_cam(cells, self.canvas, self.settings, structure.several_parts)


@torch.no_grad()
def refined(net: AdaSam, embedding: Tensor, sight: Sight) -> tuple[Tensor, ClassScores]:
    """The embedding (1, 256, h, w) that answers come from, and its class scores.

    The embedding itself, unless the model uses feedback at use: then the first masks of all its structures are their
    own targets, and the gradient of that loss refines it. Only the decoder is run backwards.
    """
    scores: ClassScores = net.head(embedding)
    if net.feedback is None or net.card.feedback != "train+infer":
        return embedding, scores
    asked = [p for i, s in enumerate(net.card.structures) for p in sight.prompts(scores, i, s)]
    if not asked:
        return embedding, scores
    with torch.enable_grad():
        leaf = embedding.detach().requires_grad_(True)
        batch = batch_prompts(asked, sight.canvas, net.sam.cells, net.device)
        logits, _ = decode(net.sam, leaf.expand(len(asked), -1, -1, -1), batch)
        (gradient,) = torch.autograd.grad(self_loss(logits[:, 0].float()).sum(), leaf)
    better: Tensor = net.feedback(embedding, gradient)
    return better, net.head(better)


def _highest_of_answers(
    net: AdaSam, embedding: Tensor, prompts: Sequence[Prompt], canvas: Canvas
) -> tuple[Tensor, float, tuple[NDArray[np.float32], ...]]:
    batch = batch_prompts(prompts, canvas, net.sam.cells, net.device)
    logits, iou = decode(net.sam, embedding.expand(len(prompts), -1, -1, -1), batch)
    level = to_image_size(logits[:, 0].float(), canvas).amax(0)
    low = F.adaptive_avg_pool2d(logits[:, 0].float(), cam.dense_side(net.sam.cells)).cpu().numpy()
    return level, float(iou[:, 0].float().mean().clamp(0, 1)), tuple(np.asarray(one, dtype=np.float32) for one in low)


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
    low = F.adaptive_avg_pool2d(found[None], cam.dense_side(net.sam.cells))[0]
    return mask, float(iou[0, choice].float().clamp(0, 1)), low
