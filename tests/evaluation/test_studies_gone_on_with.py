"""What a stopped study may be gone on with, and that rows of other settings are never averaged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studied import dataset
from tiny import BELLY, tiny_net

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.settings import ModelSettings, TrainSettings
from napari_adasam.evaluation import report
from napari_adasam.evaluation.labels import Tally
from napari_adasam.evaluation.run import StudyOptions, default_start, run_labels
from napari_adasam.files.dataset import Dataset
from napari_adasam.model import registry

__all__ = ["dataset"]  # a fixture

CPU = ModelSettings("tiny", device="cpu")
QUICK = TrainSettings(steps=1, batch=1, views=1, warm_up=0.0)
HEAD = "head:width=8:steps=2:batch=1:views=1"


def options(**given: Any) -> StudyOptions:
    usual = {"model": CPU, "names": ((1, BELLY.name),), "labels": (2,), "train": QUICK, "methods": (HEAD,)}
    return StudyOptions(**(usual | given))


def test_a_file_without_the_sector_or_of_other_names_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    """The baselines' own settings say neither, so that their rows would be taken for this study's."""
    file = tmp_path / "rows.json"
    run_labels(dataset.folder, options(resume=file), lambda *_: None)
    content = file.read_text()
    assert (json.loads(content)["sector"], json.loads(content)["structures"]) == (True, {"1": BELLY.name})
    for other in ({"model": replace(CPU, use_sector=False)}, {"names": ((1, "disc"),)}):
        with pytest.raises(InputError, match="Give --json another name"):
            run_labels(dataset.folder, options(resume=file, **other), lambda *_: None)
        assert file.read_text() == content
    for key in ("sector", "structures"):
        file.write_text(json.dumps({k: v for k, v in json.loads(content).items() if k != key}))
        with pytest.raises(InputError, match="Give --json another name"):
            run_labels(dataset.folder, options(resume=file), lambda *_: None)
    file.write_text(content)
    assert len(run_labels(dataset.folder, options(resume=file), lambda *_: None)["rows"]) == 1


def test_a_data_set_that_has_changed_since_is_another_one(dataset: Dataset, tmp_path: Path) -> None:
    """Its folder's name is the same; what a row says is not."""
    file = tmp_path / "rows.json"
    run_labels(dataset.folder, options(resume=file), lambda *_: None)
    content = file.read_text()
    index, label = dataset.folder / "index.csv", dataset.labelled[dataset.ids[0]]
    before = label.read_bytes()
    label.write_bytes(dataset.labelled[dataset.ids[1]].read_bytes())
    with pytest.raises(InputError, match="Give --json another name"):
        run_labels(dataset.folder, options(resume=file), lambda *_: None)
    label.write_bytes(before)
    index.write_text("id,patient\n" + "".join(f"{key},{key}\n" for key in dataset.ids))
    with pytest.raises(InputError, match="Give --json another name"):
        run_labels(dataset.folder, options(resume=file), lambda *_: None)
    index.unlink()
    assert file.read_text() == content
    assert len(run_labels(dataset.folder, options(resume=file), lambda *_: None)["rows"]) == 1


def test_rows_of_another_device_are_not_gone_on_with(dataset: Dataset, tmp_path: Path) -> None:
    """The file says one device for all of its rows, and their seconds are averaged."""
    file = tmp_path / "rows.json"
    run_labels(dataset.folder, options(resume=file), lambda *_: None)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"device": "cuda:0"}))
    with pytest.raises(InputError, match="device"):
        run_labels(dataset.folder, options(resume=file), lambda *_: None)


def test_a_number_of_labels_that_is_asked_for_twice_is_one_training(dataset: Dataset) -> None:
    said = run_labels(dataset.folder, options(labels=(2, 2)), lambda *_: None)
    assert len(said["rows"]) == 1
    assert (said["summary"][0]["seeds"], said["summary"][0]["dice_ci95"]) == (1, None), "no interval from one seed"


def test_rows_of_other_settings_stay_apart(dataset: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    for train in (QUICK, replace(QUICK, steps=2)):
        given = options(resume=file, methods=("lora", "start"), train=train)
        said = run_labels(dataset.folder, given, lambda *_: None)
    lora = [row for row in said["summary"] if row["method"] == "lora"]
    assert [row["seeds"] for row in lora] == [1, 1]
    assert [row["settings"] for row in lora] == [row["settings"] for row in said["rows"] if row["method"] == "lora"]
    table = report.table(said["summary"])
    for row in lora:
        assert f"| lora [{row['settings']}] |" in table
    assert sum(line.startswith("| lora") for line in table.splitlines()) == 2


def test_a_method_of_one_settings_has_its_plain_name() -> None:
    row = {"method": "a", "seed": 0, "structure": "1", "name": "disc", "dice": 0.5, "hd95": 4.0, "seconds": 9.0}
    rows = [row | {"labels": labels, "settings": "abc"} for labels in (5, 10)]
    table = report.table(report.summary(rows))
    assert "| a |  | disc |" in table
    assert len(table.splitlines()) == 3


def test_units_that_the_encoder_has_not_are_refused_before_any_training(dataset: Dataset) -> None:
    for text in ("lora:adapt_from=9", "adasam:adapt_from=-3"):
        with pytest.raises(InputError, match="has 2 units, so adapt_from="):
            run_labels(dataset.folder, options(methods=(text,)), lambda *_: pytest.fail("something ran"))


def test_weights_that_learned_a_slice_that_is_not_taken_have_seen_the_data_set(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = tiny_net()
    net.card = replace(net.card, trained_on=frozenset({f"{dataset.frame_id(dataset.ids[3])}-7"}))
    monkeypatch.setattr(registry, "load", lambda settings: net)
    assert default_start(dataset.folder) == ModelSettings("mobile_sam", net.sam.size)


def test_the_interval_of_dice_is_of_the_mean_over_images() -> None:
    """Of nine groups, in the last of which lie most images, and right ones."""
    truth = np.zeros((10, 10), bool)
    truth[:5] = True
    tally = Tally()
    for group, count in [*((str(number), 1) for number in range(8)), ("large", 92)]:
        for _ in range(count):
            tally.add(truth if group == "large" else ~truth, truth, 0.0, group)
    row = tally.row()
    assert row["dice"] == pytest.approx(0.92)
    assert row["dice_ci95"][0] <= 0.92 <= row["dice_ci95"][1]
