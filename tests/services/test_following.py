"""The bundled model takes outlines through a drawn clip: sure where they are right, not where they are wrong."""

from __future__ import annotations

import numpy as np
import pytest

from napari_adasam.domain.overlap import dice
from napari_adasam.domain.propagation import STOP_BELOW
from napari_adasam.domain.settings import ModelSettings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.files.phantom import Motion, PhantomSettings, clip
from napari_adasam.files.phantom.images import PhantomImage
from napari_adasam.services.ports import Picture
from napari_adasam.services.predictor import ModelPredictor


@pytest.fixture(scope="module")
def frames() -> list[PhantomImage]:
    """Two frames of one clip, three apart, and one behind a cut."""
    return list(clip(9003, (0, 3, 6), PhantomSettings(200, 240), Motion(3.0, 6.0, 6.0, cut=6)))


@pytest.fixture(scope="module")
def predictor() -> ModelPredictor:
    return ModelPredictor(ModelSettings(device="cpu"))


def picture(frames: list[PhantomImage], number: int) -> Picture:
    return Picture(str(number), frames[number].pixels)


def test_right_outlines_are_followed_and_wrong_ones_are_not_trusted(
    frames: list[PhantomImage], predictor: ModelPredictor
) -> None:
    before, after = picture(frames, 0), picture(frames, 1)
    answer = predictor.follow(before, after, frames[0].labels, MUSCLE_PRESET)
    masks = {one.structure: one.mask for one in answer.suggestions}
    assert dice(masks[1], frames[1].labels == 1) > 0.95
    assert dice(masks[2], frames[1].labels == 2) > 0.8
    assert answer.confidence > STOP_BELOW
    wrong = np.roll(frames[0].labels, 70, 0)
    lost = predictor.follow(before, after, wrong, MUSCLE_PRESET)
    assert lost.confidence < STOP_BELOW


def test_a_cut_is_seen(frames: list[PhantomImage], predictor: ModelPredictor) -> None:
    answer = predictor.follow(picture(frames, 1), picture(frames, 2), frames[1].labels, MUSCLE_PRESET)
    assert answer.confidence == 0.0
    assert answer.suggestions == ()
