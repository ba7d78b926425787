"""Suggestions for a slice of a volume: which neighbours are listened to, and what they cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import BELLY, BrightnessEncoder, see_brightness, tiny_net

from napari_adasam.domain.records import Along, Frame, Spacing, Stack, Suggestion
from napari_adasam.domain.settings import ModelSettings, PromptSettings
from napari_adasam.files.clips import Clip
from napari_adasam.model import depth, registry
from napari_adasam.services.neighbours import Neighbours
from napari_adasam.services.ports import Picture
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.suggesting import _always

COUNT, SIDE, MISSED = 9, 64, 4
SPACING = Spacing(0.5, 0.5, "NIfTI header")
NEAR = Stack(COUNT, Along.DEPTH, COUNT, 1.0, "NIfTI header")
ALONE = PromptSettings(use_neighbours=False)


def slices() -> list[np.ndarray]:
    """A bright square on every slice but one."""
    pixels = np.zeros((COUNT, SIDE, SIDE), np.uint8)
    pixels[:, 16:48, 16:48] = 255
    pixels[MISSED] = 0
    return list(pixels)


def clip_of(stack: Stack | None, spacing: Spacing | None = SPACING) -> Clip:
    pixels = slices()
    frames = [Frame(f"v-{i}", "v.nii", i, SIDE, SIDE, f"v_{i}", spacing, stack=stack) for i in range(COUNT)]
    return Clip(Path("v.nii"), tuple(frames), lambda at: pixels[at])


@pytest.fixture
def predictor(monkeypatch: pytest.MonkeyPatch) -> ModelPredictor:
    net = see_brightness(tiny_net(encoder=BrightnessEncoder()))
    net.head.shift.data.zero_()
    monkeypatch.setattr(registry, "load", lambda settings: net)
    return ModelPredictor(ModelSettings("tiny", device="cpu", use_sector=False))


def ask(predictor: ModelPredictor, clip: Clip, at: int, settings: PromptSettings = PromptSettings()) -> Suggestion:
    predictor.neighbours = Neighbours(lambda _: clip)
    return predictor.suggest(clip.frames[at].id, clip.grey(at), (BELLY,), settings)[0]


def test_a_slice_is_asked_among_its_neighbours(predictor: ModelPredictor) -> None:
    volume = clip_of(NEAR)
    assert ask(predictor, volume, MISSED).prompts
    assert not ask(predictor, volume, MISSED, ALONE).prompts
    assert ask(predictor, volume, 0).prompts  # at the end, too
    assert ask(predictor, volume, MISSED).model == predictor.info().fingerprint


@pytest.mark.parametrize(
    ("stack", "spacing"),
    [
        (Stack(COUNT, Along.TIME), SPACING),
        (Stack(COUNT), SPACING),
        (Stack(COUNT, Along.DEPTH, COUNT), SPACING),
        (NEAR, None),
        (Stack(COUNT, Along.DEPTH, COUNT, 100.0), SPACING),
        (None, SPACING),
    ],
)
def test_frames_in_time_or_far_apart_or_nobody_knows_where_are_asked_alone(
    predictor: ModelPredictor, stack: Stack | None, spacing: Spacing | None
) -> None:
    assert not ask(predictor, clip_of(stack, spacing), MISSED).prompts


def test_how_far_apart_slices_are() -> None:
    volume, lone = clip_of(NEAR), Clip(Path("a.png"), (Frame("a", "a.png", 0, SIDE, SIDE, "a", SPACING),), lambda _: 0)
    assert Neighbours(lambda _: volume).apart("v-0") == pytest.approx(2.0)  # pixels: 1 mm of 0.5
    assert Neighbours(lambda _: lone).apart("a") is None
    assert Neighbours(lambda _: None).apart("a") is None
    assert Neighbours().apart("a") is None


def test_slices_of_another_moment_are_no_neighbours() -> None:
    near = Neighbours(lambda _: clip_of(Stack(COUNT, Along.DEPTH, 3, 1.0, "TIFF header")))
    stack = near.around(Picture("v-5", slices()[5]), 3)
    assert [one.frame_id for one in stack or ()] == ["v-4", "v-5", "v-5"]


def test_a_tick_says_nothing_of_the_slices_beside_it(predictor: ModelPredictor) -> None:
    """Present by a person's word: this slice is asked whatever the classifier thinks, and the others are not."""
    volume = clip_of(NEAR)
    ticked = ask(predictor, volume, 0, _always(PromptSettings()))
    assert np.array_equal(ticked.mask, ask(predictor, volume, 0, ALONE).mask)


def test_a_volume_is_encoded_once_though_each_slice_is_forgotten(predictor: ModelPredictor) -> None:
    made: list[int] = []
    predictor.net.sam.encoder.units[0].register_forward_hook(lambda *_: made.append(1))
    volume = clip_of(NEAR)
    for at in range(COUNT):
        ask(predictor, volume, at)
        predictor.forget(volume.frames[at].id)
    assert len(made) == COUNT
    assert depth.SLICES < COUNT


@pytest.mark.parametrize("damaged", [MISSED - 2, MISSED - 1, MISSED + 2])
def test_beside_a_slice_that_cannot_be_read_one_is_asked_alone(predictor: ModelPredictor, damaged: int) -> None:
    volume = clip_of(NEAR)

    def read(at: int) -> np.ndarray:
        if at == damaged:
            raise OSError("this part of the file is broken")
        return slices()[at]

    broken = replace(volume, reader=read)
    assert not ask(predictor, broken, MISSED).prompts
    at = next(i for i in range(COUNT) if abs(i - damaged) == 1 and i != MISSED)
    assert np.array_equal(ask(predictor, broken, at).mask, ask(predictor, volume, at, ALONE).mask)
    assert ask(predictor, broken, at).prompts
