"""The predictor's part in propagation: labels of one frame become suggestions on the next. Lane's thread only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.propagation import CUT_BELOW
from napari_adasam.domain.records import Labels, Suggestion
from napari_adasam.domain.structures import Structure
from napari_adasam.files.pixels import to_grey
from napari_adasam.model import devices
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.propagating import Follower, Scene
from napari_adasam.services.ports import FollowAnswer, Picture

if TYPE_CHECKING:
    from napari_adasam.services.predictor import ModelPredictor


@devices.again_without_onednn
def follow(
    predictor: ModelPredictor, before: Picture, after: Picture, labels: Labels, structures: Sequence[Structure]
) -> FollowAnswer:
    """Suggestions for ``after`` from the labels (height, width) of ``before``; see :mod:`model.propagating`."""
    hand = predictor.by_hand
    canvas = Canvas(labels.shape[0], labels.shape[1], hand.net.sam.size)
    embeddings = [predictor.embedding(one.frame_id, one.pixels, hand) for one in (before, after)]
    scenes = [Scene(to_grey(one.pixels), seen) for one, seen in zip((before, after), embeddings, strict=True)]
    _, region = predictor.seen(after.frame_id, after.pixels)
    follower = Follower(hand.net, canvas, scenes[0], scenes[1], None if region is None else region.mask)
    if follower.likeness() < CUT_BELOW:
        return FollowAnswer((), 0.0)
    model, sure, found = predictor.info().fingerprint, [1.0], list[Suggestion]()
    no_map: NDArray[np.float32] = np.broadcast_to(np.float32(0), labels.shape)
    for structure in structures:
        one = follower.follow(labels == structure.value, structure)
        sure.append(one.signs.confidence)
        presence = float(one.mask.any())
        found.append(
            Suggestion(after.frame_id, structure.value, one.mask, one.score, presence, one.prompts, no_map, model)
        )
    return FollowAnswer(tuple(found), min(sure))
