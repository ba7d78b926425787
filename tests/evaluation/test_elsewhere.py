"""The study ``labels`` tested on another data set."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from studied import dataset, discs, frames_learned_from
from tiny import BELLY

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.settings import ModelSettings, TrainSettings
from napari_adasam.domain.splits import split_groups
from napari_adasam.evaluation.elsewhere import plan_elsewhere
from napari_adasam.evaluation.labels import plan
from napari_adasam.evaluation.run import StudyOptions, run_labels
from napari_adasam.files.dataset import Dataset

__all__ = ["dataset"]  # a fixture


@pytest.fixture
def other(tmp_path: Path) -> Dataset:
    """Four groups of one, none of them in the first ten."""
    folder = discs(tmp_path / "drawn", 14).folder
    for group in range(10):
        for part in ("images", "labels"):
            (folder / part / f"{group}_0.png").unlink()
    return Dataset.open(folder.rename(tmp_path / "other"))


def run(dataset: Dataset, other: Dataset, **given: Any) -> dict[str, Any]:
    quick = TrainSettings(steps=1, batch=1, views=1, warm_up=0.0)
    usual = {"model": ModelSettings("tiny", device="cpu"), "names": ((1, BELLY.name),), "labels": (2,), "train": quick}
    options = StudyOptions(**(usual | {"methods": ("start", "lora"), "test": other.folder} | given))
    return run_labels(dataset.folder, options, lambda *_: None)


def test_it_learns_on_one_and_measures_on_all_of_the_other(
    dataset: Dataset, other: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = frames_learned_from(monkeypatch)
    said = run(dataset, other)
    assert (said["dataset"], said["test_dataset"], said["tested_on"]) == ("discs", "other", "unseen")
    assert [(row["method"], row["n"]) for row in said["rows"]] == [("start", 4), ("lora", 4)]
    assert seen
    assert seen < {dataset.frame_id(key) for key in dataset.ids}
    at_home = run(dataset, other, test=None)
    assert at_home["contents"] == said["contents"]
    assert "test_dataset" not in at_home


def test_the_lessons_are_those_of_the_test_at_home(dataset: Dataset, other: Dataset) -> None:
    for seed in range(3):
        here, there = (
            plan(dataset, dataset.ids, 3, seed),
            plan_elsewhere(dataset, dataset.ids, other, other.ids, 3, seed),
        )
        assert (there.labelled, there.unlabelled) == (here.labelled, here.unlabelled)
        assert there.test == other.ids


def test_held_back_groups_teach_where_the_others_are_too_few(dataset: Dataset, other: Dataset) -> None:
    parts = plan_elsewhere(dataset, dataset.ids, other, other.ids, len(dataset.ids), 0)
    assert sorted(parts.labelled) == sorted(dataset.ids)
    held_back = set(split_groups(dataset.groups.values()).held_back)
    assert {dataset.groups[key] for key in parts.labelled[-len(held_back) :]} == held_back, "they come last"
    with pytest.raises(InputError, match=r"has 10 images that the model has not seen .* too few to label 11"):
        plan_elsewhere(dataset, dataset.ids, other, other.ids, 11, 0)


def test_a_picture_that_is_tested_on_teaches_nothing(dataset: Dataset, other: Dataset) -> None:
    copied = dataset.ids[0]
    shutil.copy(other.images[other.ids[0]], dataset.images[copied])
    for seed in range(3):
        parts = plan_elsewhere(dataset, dataset.ids, other, other.ids, 3, seed)
        assert copied not in {*parts.labelled, *parts.unlabelled}
    with pytest.raises(InputError, match="too few to label 10"):
        plan_elsewhere(dataset, dataset.ids, other, other.ids, 10, 0)


def test_another_data_set_makes_another_study(dataset: Dataset, other: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    run(dataset, other, methods=("start",), resume=file)
    before = file.read_bytes()
    assert run(dataset, other, methods=("start",), resume=file)["rows"] == json.loads(before)["rows"]
    Image.fromarray(np.zeros_like(np.array(Image.open(other.images[other.ids[0]])))).save(other.images[other.ids[0]])
    with pytest.raises(InputError, match="is not what a stopped run of this study has left"):
        run(dataset, Dataset.open(other.folder), methods=("start",), resume=file)
    assert file.read_bytes() == before


def test_values_that_mean_something_else_there_are_refused(dataset: Dataset, other: Dataset, tmp_path: Path) -> None:
    breast = Dataset.open(other.folder.rename(tmp_path / "breast"))
    with pytest.raises(InputError, match=f"1 is {BELLY.name} in .*discs and lesion in .*breast"):
        run(Dataset.open(dataset.folder), breast, names=())
    for key in breast.ids:
        path = breast.labelled[key]
        Image.fromarray(np.where(np.array(Image.open(path)) > 0, 7, 0).astype(np.uint8)).save(path)
    sevens = Dataset.open(breast.folder.rename(tmp_path / "sevens"))
    with pytest.raises(InputError, match=r"sevens show none of the structures of .*discs"):
        run(dataset, sevens, names=())
