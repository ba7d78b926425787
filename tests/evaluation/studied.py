"""A data set of bright discs for the tests of the studies, and a model that sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tiny import BrightnessEncoder, blob, see_brightness, tiny_net

from napari_adasam.evaluation import labels
from napari_adasam.evaluation.baselines.lessons import Lessons
from napari_adasam.evaluation.methods import Choice
from napari_adasam.files.dataset import Dataset
from napari_adasam.model import registry


def discs(folder: Path, groups: int, each: int = 1) -> Dataset:
    """``each`` images of every group, the IDs ``GROUP_NUMBER``; label 1 is the disc."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for group in range(groups):
        for number in range(each):
            pixels, labels = blob(10 * group + number)
            Image.fromarray(pixels).save(folder / "images" / f"{group}_{number}.png")
            Image.fromarray(labels).save(folder / "labels" / f"{group}_{number}.png")
    return Dataset.open(folder)


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Ten groups of one; every model that is loaded sees brightness."""
    net = see_brightness(tiny_net(encoder=BrightnessEncoder()))
    monkeypatch.setattr(registry, "load", lambda settings: net)
    return discs(tmp_path / "discs", 10)


def frames_learned_from(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The ids of all frames that trainings of the study ``labels`` get from now on, labelled or not."""
    seen: set[str] = set()
    real = labels.learn

    def spy(choice: Choice, lessons: Lessons, *rest: Any) -> Any:
        seen.update(frame.frame_id for frame in (*lessons.labelled, *lessons.unlabelled))
        return real(choice, lessons, *rest)

    monkeypatch.setattr(labels, "learn", spy)
    return seen
