"""Views of frames as activations in front of the first adapted unit, computed once and kept across rounds.

View 0 of a labelled frame is the frame as it is; the others are augmented by draws that depend on the frame and the
view's number alone. For a student that looks at stacks a view is that of a frame with its neighbours, which all go
through the frame's geometry and tone. The labels are those of the frame in the middle: every labelled frame is the
middle of a stack of its own, and its neighbours may have no labels [ours].
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from napari_adasam.domain.records import Mask
from napari_adasam.model import adaptation, augment, stacks
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.canvas import Canvas, label_canvas, normalise
from napari_adasam.model.supervision import NO_IMAGE
from napari_adasam.services.ports import LabelledFrame, Picture, UnlabelledFrame
from napari_adasam.services.predictor import ModelPredictor

STRONG = -1
"""In place of a view's number."""


class Views:
    """Views for one round.

    Parameters
    ----------
    predictor
        Its cache is used, and its activations of frames as they are.
    student
        Only the units before its first adapted one are run here. How many slices it looks at is how many a view has.
    since
        The first adapted unit.
    slices
        How many a view has instead.
    """

    def __init__(self, predictor: ModelPredictor, student: AdaSam, since: int, slices: int | None = None) -> None:
        self.predictor, self.since = predictor, since
        self.cut = min(since, predictor.cut)
        self._encoder, self.slices = student.sam.encoder, slices or adaptation.slices(student)
        self._size, self.device = student.sam.size, student.device

    def embed(self, net: AdaSam, front: Tensor) -> Tensor:
        """The rest of the encoder: activations (D, …) of neighbours to (1, 256, h, w) of the one in their middle."""
        return stacks.middle(net, front.to(self.device).float(), self.cut)

    def labelled(self, frame: LabelledFrame, view: int) -> tuple[Tensor, Tensor]:
        """Activations (D, …) and labels (S, S) of a view of an accepted frame; ``NO_IMAGE`` where the view shows none.

        With ``use_sector`` that is everything outside of the sector, too, and no interface is painted there.
        """
        whole = label_canvas(frame.labels, self._size)
        canvas = Canvas(frame.pixels.shape[0], frame.pixels.shape[1], self._size)
        rows, columns = canvas.inner
        whole[rows:], whole[:, columns:] = NO_IMAGE, NO_IMAGE
        region = self.region(frame)
        if region is not None:
            whole[label_canvas(region.astype(np.uint8), self._size) == 0] = NO_IMAGE
        if view == 0:
            return self.plain(frame), whole
        rng = _rng(frame.frame_id, view)
        geometry, tone = augment.draw_geometry(rng), augment.draw_tone(rng)
        front = self._through(frame, str(view), geometry, tone)
        if region is not None:
            tone = replace(tone, chrome=None)
        shifted = augment.warp((whole - NO_IMAGE)[None].float(), geometry, nearest=True)  # 0 where there is nothing
        labels = shifted[0].round().long() + NO_IMAGE
        if tone.chrome is not None:  # an interface is painted there, which at use is part of the picture
            labels = labels.clamp_min(0)
        return front, labels

    def region(self, frame: LabelledFrame | UnlabelledFrame) -> Mask | None:
        """What of a frame is seen, (height, width) bool; ``None`` for all of it."""
        region = self.predictor.seen(frame.frame_id, frame.pixels)[1]
        return None if region is None else region.mask

    def plain(self, frame: LabelledFrame | UnlabelledFrame) -> Tensor:
        """The weak view: the frame as it is, (D, …)."""
        return self._each(frame, self._plain)

    def strong(self, frame: UnlabelledFrame) -> Tensor:
        """The strong view: the same place, another tone, (D, …)."""
        tone = augment.draw_tone(_rng(frame.frame_id, STRONG), strength=1.3, chrome=False)
        return self._through(frame, "strong", augment.Geometry(), tone)

    def _through(
        self, frame: LabelledFrame | UnlabelledFrame, view: str, geometry: augment.Geometry, tone: augment.Tone
    ) -> Tensor:
        """A view of a frame and its neighbours; the name of theirs says whose view it is."""

        def made(one: Picture) -> Tensor:
            which = view if one.frame_id == frame.frame_id else f"{view} of {frame.frame_id}"
            return self._front(one, which, geometry, tone)

        return self._each(frame, made)

    def _each(self, frame: LabelledFrame | UnlabelledFrame, made: Callable[[Picture], Tensor]) -> Tensor:
        """What is made of a frame and its neighbours, in order."""
        slices = self.predictor.neighbours.slices(Picture(frame.frame_id, frame.pixels), self.slices)
        return torch.cat([made(one) for one in slices])

    def _plain(self, frame: Picture) -> Tensor:
        if self.cut == self.predictor.cut:
            return self.predictor.activation(frame.frame_id, frame.pixels)
        return self._front(frame, "0", augment.Geometry(), augment.Tone())

    @torch.no_grad()
    def _front(self, frame: Picture, which: str, geometry: augment.Geometry, tone: augment.Tone) -> Tensor:
        seen, region = self.predictor.seen(frame.frame_id, frame.pixels)
        key = f"{seen}/{which}/{self.cut}"
        found = self.predictor.activations.get(key)
        if found is None:
            grey, valid = self.predictor.square(frame.pixels, region)
            tone = tone if region is None else replace(tone, chrome=None)  # no interface where the outside is not seen
            view = augment.apply(augment.View(grey, valid, None), geometry, tone)
            image = normalise(view.grey[None].to(self.device), view.valid[None].to(self.device))
            with self.predictor.watch.timing("encode"):
                found = self._encoder.front(image, self.cut).half().cpu()
            self.predictor.activations.put(key, found)
        return found


def _rng(frame_id: str, view: int) -> np.random.Generator:
    digest = hashlib.sha256(f"{frame_id}/{view}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
