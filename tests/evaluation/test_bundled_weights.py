"""What the bundled weights are worth, on drawn images that no training has seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_adasam.domain.overlap import dice
from napari_adasam.domain.settings import ModelSettings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.evaluation.prompts import boxed, prompt_free
from napari_adasam.evaluation.subjects import Subject, subjects
from napari_adasam.files.dataset import Dataset
from napari_adasam.files.phantom import write_samples
from napari_adasam.services.predictor import ModelPredictor

THIN = MUSCLE_PRESET[1]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Subject]:
    """Three drawn images with both structures."""
    dataset = Dataset.open(write_samples(tmp_path_factory.mktemp("drawn") / "set", 3, seed=3))
    return list(subjects(dataset, dataset.ids))


@pytest.fixture(scope="module")
def bundled() -> ModelPredictor:
    return ModelPredictor(ModelSettings(device="cpu"))


def from_boxes(predictor: ModelPredictor, drawn: list[Subject]) -> float:
    """Mean Dice of both structures from boxes."""
    pairs = [(s, one, s.labels == one.value) for s in drawn for one in MUSCLE_PRESET]
    return float(np.mean([dice(boxed(predictor, s, truth, one)[0], truth) for s, one, truth in pairs]))


def without_prompt(predictor: ModelPredictor, drawn: list[Subject]) -> float:
    """Mean Dice of the aponeuroses, found by the model itself."""
    found = [prompt_free(predictor, s.frame_id, s.pixels, (THIN,))[0].mask for s in drawn]
    return float(np.mean([dice(mask, s.labels == THIN.value) for mask, s in zip(found, drawn, strict=True)]))


def test_thin_structures_are_found_without_a_prompt(bundled: ModelPredictor, drawn: list[Subject]) -> None:
    """Far better than a mask of everything, or of nothing."""
    everything = np.mean([dice(np.ones_like(s.labels, dtype=bool), s.labels == THIN.value) for s in drawn])
    assert everything < 0.2
    assert without_prompt(bundled, drawn) > everything + 0.25


def test_they_are_better_than_the_weights_they_were_made_from(
    bundled: ModelPredictor, drawn: list[Subject], shared_data: Path
) -> None:
    path = shared_data.parent / "weights" / "mobile_sam_fp16.pt"
    if not path.is_file():
        pytest.skip(f"needs the weights in {path}")
    size = bundled.net.sam.size
    untrained = ModelPredictor(ModelSettings(str(path), input_size=size, device="cpu"))
    assert without_prompt(bundled, drawn) > without_prompt(untrained, drawn)
    assert from_boxes(bundled, drawn) > from_boxes(untrained, drawn) + 0.02
