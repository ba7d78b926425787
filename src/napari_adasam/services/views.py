"""Views of frames as activations in front of the first adapted unit, computed once and kept across rounds.

View 0 of a labelled frame is the frame as it is; the others are augmented by draws that depend on the frame and the
view's number alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from napari_adasam.domain.records import Mask
from napari_adasam.model import augment
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.canvas import Canvas, label_canvas, normalise
from napari_adasam.model.supervision import NO_IMAGE
from napari_adasam.services.ports import LabelledFrame, Pixels, UnlabelledFrame
from napari_adasam.services.predictor import ModelPredictor


class Views:
    """Views for one round.

    Parameters
    ----------
    predictor
        Its cache is used, and its activations of frames as they are.
    student
        Only the units before its first adapted one are run here.
    since
        The first adapted unit.
    """

    def __init__(self, predictor: ModelPredictor, student: AdaSam, since: int) -> None:
        self.predictor = predictor
        self.cut = min(since, predictor.cut)
        self._encoder = student.sam.encoder
        self._size, self._device = student.sam.size, student.device

    def embed(self, net: AdaSam, front: Tensor) -> Tensor:
        """The rest of the encoder: (1, …) activation to (1, 256, h, w)."""
        return net.sam.encoder.back(front.to(self._device).float(), self.cut)

    def labelled(self, frame: LabelledFrame, view: int) -> tuple[Tensor, Tensor]:
        """Activation and labels (S, S) of a view of an accepted frame; ``NO_IMAGE`` where the view shows none.

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
            return self._plain(frame.frame_id, frame.pixels), whole
        rng = _rng(frame.frame_id, view)
        geometry, tone = augment.draw_geometry(rng), augment.draw_tone(rng)
        if region is not None:
            tone = replace(tone, chrome=None)
        shifted = augment.warp((whole - NO_IMAGE)[None].float(), geometry, nearest=True)  # 0 where there is nothing
        labels = shifted[0].round().long() + NO_IMAGE
        if tone.chrome is not None:  # an interface is painted there, which at use is part of the picture
            labels = labels.clamp_min(0)
        return self._front((frame.frame_id, str(view)), frame.pixels, geometry, tone), labels

    def region(self, frame: LabelledFrame | UnlabelledFrame) -> Mask | None:
        """What of a frame is seen, (height, width) bool; ``None`` for all of it."""
        region = self.predictor.seen(frame.frame_id, frame.pixels)[1]
        return None if region is None else region.mask

    def plain(self, frame: LabelledFrame | UnlabelledFrame) -> Tensor:
        """The weak view: the frame as it is."""
        return self._plain(frame.frame_id, frame.pixels)

    def strong(self, frame: UnlabelledFrame) -> Tensor:
        """The strong view: the same place, another tone."""
        tone = augment.draw_tone(_rng(frame.frame_id, -1), strength=1.3, chrome=False)
        return self._front((frame.frame_id, "strong"), frame.pixels, augment.Geometry(), tone)

    def _plain(self, frame_id: str, pixels: Pixels) -> Tensor:
        if self.cut == self.predictor.cut:
            return self.predictor.activation(frame_id, pixels)
        return self._front((frame_id, "0"), pixels, augment.Geometry(), augment.Tone())

    @torch.no_grad()
    def _front(self, name: tuple[str, str], pixels: Pixels, geometry: augment.Geometry, tone: augment.Tone) -> Tensor:
        frame_id, which = name
        seen, region = self.predictor.seen(frame_id, pixels)
        key = f"{seen}/{which}/{self.cut}"
        found = self.predictor.activations.get(key)
        if found is None:
            grey, valid = self.predictor.square(pixels, region)
            view = augment.apply(augment.View(grey, valid, None), geometry, tone)
            image = normalise(view.grey[None].to(self._device), view.valid[None].to(self._device))
            with self.predictor.watch.timing("encode"):
                found = self._encoder.front(image, self.cut).half().cpu()
            self.predictor.activations.put(key, found)
        return found


def _rng(frame_id: str, view: int) -> np.random.Generator:
    digest = hashlib.sha256(f"{frame_id}/{view}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
