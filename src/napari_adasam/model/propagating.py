"""From a frame's mask to the next frame's: the mask, moved, is the prompt; SAM answers on the next frame.

Nothing is learned and no state is carried but the mask, so that a chain can be taken up again at any frame. All of it
is our own choice; the checks are the decoder's predicted IoU, masks of differently made prompts, and the way back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_adasam.domain.motion import STILL, Grey, Shift, likeness, moved, shift_of, steadiness
from napari_adasam.domain.overlap import dice
from napari_adasam.domain.prompts import Prompt
from napari_adasam.domain.propagation import Signs
from napari_adasam.domain.records import Mask
from napari_adasam.domain.simulated import parts, tight_box
from napari_adasam.domain.structures import Structure
from napari_adasam.model import cam
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.canvas import Canvas, label_canvas, to_image_size
from napari_adasam.model.sam import batch_prompts, decode

MOST_PARTS = 4
"""Parts of a structure that are followed one by one, the largest."""
STEEP = 1.5
"""Logits of the dense prompt, a cell of it."""
LIMIT = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One frame as it is followed to or from: grey pixels (H, W) and embedding (1, 256, h, w)."""

    pixels: Grey
    embedding: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """A structure's mask (H, W) bool on the next frame, its prompts, its predicted IoU, and what speaks for it."""

    mask: Mask
    prompts: tuple[Prompt, ...]
    score: float
    signs: Signs


@dataclass(frozen=True, slots=True, eq=False)
class Follower:
    """Takes masks of one frame to the next one.

    Parameters
    ----------
    before, after
        The frame that has masks, and the one that gets them; of one size.
    region
        (H, W) bool, the scan sector of the next frame; ``None`` for all of it.
    motion
        Whether prompts are moved by what is seen to move.
    """

    net: AdaSam
    canvas: Canvas
    before: Scene
    after: Scene
    region: Mask | None = None
    motion: bool = True

    @torch.no_grad()
    def follow(self, mask: Mask, structure: Structure) -> Followed:
        """The structure's mask (H, W) on the next frame; empty where it was empty."""
        own = parts_of(mask, structure)
        shifts = [self._shift(part) for part in own]
        carried = [moved(part, shift, self.region) for part, shift in zip(own, shifts, strict=True)]
        asked = [self._prompt(part) for part in carried]
        prompts = [one for one in asked if one is not None]
        if not prompts:
            return Followed(np.zeros_like(mask), (), 0.0, Signs(steady=0.0) if own else Signs())
        found, score, agreed = self._answer(prompts)
        found = found if self.region is None else found & self.region
        back, score_back = self._way_back(found, mask, structure, shifts)
        held = min(1.0, score / max(score_back, 1e-3))
        signs = Signs(held, agreed, back, steadiness(np.any(carried, axis=0), found))
        return Followed(found, tuple(prompts), score, signs)

    def likeness(self) -> float:
        """How alike both frames are, 0 to 1: at a cut they are not."""
        return likeness(self.before.pixels, self.after.pixels, self.region)

    def _shift(self, part: Mask) -> Shift:
        return shift_of(self.before.pixels, self.after.pixels, tight_box(part)) if self.motion else STILL

    def _prompt(self, part: Mask) -> Prompt | None:
        if not part.any():
            return None
        return Prompt((), tight_box(part), dense_of(part, self.canvas, cam.dense_side(self.net.sam.cells)), "cam")

    def _answer(self, prompts: Sequence[Prompt]) -> tuple[Mask, float, float]:
        """Mask (H, W), mean predicted IoU, and how well the masks of the map alone and of the box alone agree."""
        others = [replace(one, box=None) for one in prompts], [replace(one, dense=None) for one in prompts]
        logits, iou = self._decode([*prompts, *others[0], *others[1]], self.after)
        count = len(prompts)
        whole, by_map, by_box = ((part > 0).any(0).cpu().numpy() for part in torch.split(logits, count))
        agreed = (dice(whole, by_map) + dice(whole, by_box)) / 2
        mask = (to_image_size(logits[:count], self.canvas) > 0).any(0).cpu().numpy()
        return mask, float(iou[:count].mean().clamp(0, 1)), agreed

    def _way_back(self, found: Mask, mask: Mask, structure: Structure, shifts: Sequence[Shift]) -> tuple[float, float]:
        """Dice of the mask that one came from with what the way back gives, and the predicted IoU there."""
        back = _mean(shifts)
        own = parts_of(found, structure)
        asked = [self._prompt(moved(part, (-back[0], -back[1]), self.region)) for part in own]
        prompts = [one for one in asked if one is not None]
        if not prompts:
            return 0.0, 1.0
        logits, iou = self._decode(prompts, self.before)
        returned: Mask = (to_image_size(logits, self.canvas) > 0).any(0).cpu().numpy()
        return dice(returned, mask), float(iou.mean().clamp(0, 1))

    def _decode(self, prompts: Sequence[Prompt], scene: Scene) -> tuple[Tensor, Tensor]:
        """The single masks' logits (N, 4h, 4w) or finer, and predicted IoU (N,)."""
        batch = batch_prompts(prompts, self.canvas, self.net.sam.cells, self.net.device)
        logits, iou = decode(self.net.sam, scene.embedding.expand(len(prompts), -1, -1, -1), batch)
        return logits[:, 0].float(), iou[:, 0].float()


def parts_of(mask: Mask, structure: Structure) -> list[Mask]:
    """What is followed one by one: the largest parts of a structure that may have several, else the whole mask."""
    if not mask.any():
        return []
    found = parts(mask, structure) or [mask]  # specks alone are followed as one
    return sorted(found, key=np.count_nonzero, reverse=True)[:MOST_PARTS]


def dense_of(mask: Mask, canvas: Canvas, side: int) -> NDArray[np.float32]:
    """A mask (H, W) as logits (side, side) over the square input, rising with the distance from its border."""
    square = label_canvas(mask.astype(np.uint8), canvas.size).numpy().astype(np.float32)
    step = canvas.size // side
    share = square.reshape(side, step, side, step).mean((1, 3))
    inside = share >= 0.5
    if not inside.any():
        inside = share >= share.max() if share.any() else _cell_of(mask, canvas, side)
    depth = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    depth = depth - 0.5 * np.sign(depth)
    return np.asarray(np.clip(STEEP * depth, -LIMIT, LIMIT), np.float32)


def _cell_of(mask: Mask, canvas: Canvas, side: int) -> Mask:
    """The one cell (side, side) at the middle of a mask (H, W) that is too small to be seen on the square input."""
    y, x = canvas.to_input(*ndimage.center_of_mass(mask))
    cell = np.zeros((side, side), np.bool_)
    cell[int(y * side / canvas.size), int(x * side / canvas.size)] = True
    return cell


def _mean(shifts: Sequence[Shift]) -> Shift:
    y, x = np.mean(shifts, axis=0)
    return float(y), float(x)
