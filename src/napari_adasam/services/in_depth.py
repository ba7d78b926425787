"""The predictor's suggestions: of a picture alone, or of a slice among its neighbours in a volume. Lane's thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.records import Suggestion
from napari_adasam.domain.settings import PromptSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.model import adasam, depth, devices
from napari_adasam.services.ports import Picture, Pixels

if TYPE_CHECKING:
    from napari_adasam.services.predictor import ModelPredictor


@devices.again_without_onednn
def suggest(
    predictor: ModelPredictor,
    frame_id: str,
    pixels: Pixels,
    structures: Sequence[Structure],
    settings: PromptSettings,
) -> list[Suggestion]:
    """One suggestion a structure, self-prompted from its CAM; see :mod:`model.depth` for a slice of a volume.

    A file has to say how far apart its slices are; frames that follow each other in time are asked alone.
    """
    frame = Picture(frame_id, pixels)
    share = _share(predictor, frame) if settings.use_neighbours else 0.0
    slices = _slices(predictor, frame, settings) if share >= depth.LEAST else None
    if slices is not None:
        answers = depth.suggest(predictor.net, slices, structures, share)
    else:
        sight = predictor.sight(frame, settings)
        embedding = predictor.embedding(frame_id, pixels)
        answers = adasam.suggest(predictor.net, embedding, sight.canvas, structures, settings, sight.region)
    model = predictor.info().fingerprint
    return [
        Suggestion(frame_id, s.value, a.mask, a.score, a.presence, a.prompts, a.cam, model, a.logits)
        for s, a in zip(structures, answers, strict=True)
    ]


def _share(predictor: ModelPredictor, frame: Picture) -> float:
    """How much the slices beside a frame count; 0 where it has none."""
    apart = predictor.neighbours.apart(frame.frame_id)
    if apart is None:
        return 0.0
    return depth.weight(apart / max(frame.pixels.shape[:2]) * predictor.net.sam.cells)


def _slices(predictor: ModelPredictor, frame: Picture, settings: PromptSettings) -> list[depth.Slice] | None:
    """A frame among its neighbours; ``None`` where one of those cannot be read or seen: then it is asked alone."""
    try:
        return [
            depth.Slice(predictor.embedding(one.frame_id, one.pixels), predictor.sight(one, settings))
            for one in predictor.neighbours.slices(frame, depth.SLICES)
        ]
    except AdasamError:  # what is wrong with the frame itself is told when it is asked alone
        return None
