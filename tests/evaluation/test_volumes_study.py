"""The study ``labels`` on whole volumes, and the 3D U-Net, on balls and a tiny model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from studied import frames_learned_from
from tiny import BELLY, BrightnessEncoder, see_brightness, tiny_net, tiny_vit

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.overlap import dice
from napari_adasam.domain.settings import ModelSettings, Settings, TrainSettings
from napari_adasam.domain.splits import split_groups
from napari_adasam.evaluation import labels, memory, report
from napari_adasam.evaluation.baselines import unet3d
from napari_adasam.evaluation.baselines.lessons import Lessons
from napari_adasam.evaluation.elsewhere import ElsewhereBench
from napari_adasam.evaluation.methods import Choice
from napari_adasam.evaluation.metrics import hd95_of_volume
from napari_adasam.evaluation.run import StudyOptions, run_labels
from napari_adasam.evaluation.volumes import ALL_SLICES, Voxel, volumes_plan, voxel_of
from napari_adasam.files.dataset import Dataset
from napari_adasam.model import registry
from napari_adasam.services.neighbours import of_dataset
from napari_adasam.services.ports import LabelledFrame
from napari_adasam.services.training import labelled_frames

COUNT, SHAPE = 10, (26, 22, 5)
VOXEL = (0.5, 1.0, 3.0)
QUICK = TrainSettings(steps=1, batch=1, views=1, warm_up=0.0, unlabelled_every=1, max_unlabelled=3)
UNET = "unet3d:width=4:steps=2:batch=1"


def balls(folder: Path) -> Dataset:
    """Ten volumes (i, j, k) of a bright ball, label 1, in voxels of 0.5 × 1 × 3 mm."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for number in range(COUNT):
        rng = np.random.default_rng(number)
        i, j, k = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
        y, x, z = rng.uniform(9, 16), rng.uniform(9, 13), rng.uniform(1.5, 2.5)
        inside = ((i - y) / 6) ** 2 + ((j - x) / 6) ** 2 + ((k - z) / 2.5) ** 2 <= 1
        grey = (np.where(inside, 200, 50) + rng.normal(0, 8, SHAPE)).clip(0, 255).astype(np.uint8)
        for part, values in (("images", grey), ("labels", inside.astype(np.uint8))):
            made = nibabel.Nifti1Image(values, np.diag([*VOXEL, 1.0]))
            made.header.set_xyzt_units("mm")
            nibabel.save(made, folder / part / f"case_{number}.nii.gz")
    return Dataset.open(folder, slices=ALL_SLICES)


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    torch.manual_seed(4)
    net = tiny_net(encoder=tiny_vit(depth=2))
    monkeypatch.setattr(registry, "load", lambda settings: net)
    return balls(tmp_path / "balls")


def options(**given: Any) -> StudyOptions:
    usual = {"names": ((1, BELLY.name),), "labels": (2,), "train": QUICK, "volumes": True}
    return StudyOptions(**({"model": ModelSettings("tiny", device="cpu")} | usual | given))


def run(dataset: Dataset, **given: Any) -> dict[str, Any]:
    return run_labels(dataset.folder, options(**given), lambda *_: None)


def test_all_slices_of_the_first_volumes_are_labelled_and_whole_volumes_are_tested(dataset: Dataset) -> None:
    split = split_groups(dataset.groups.values())
    for count in (1, 3):
        parts = volumes_plan(dataset, dataset.ids, count, 0)
        assert len(parts.labelled) == count * SHAPE[2]
        assert len({dataset.groups[key] for key in parts.labelled}) == count
        assert {dataset.groups[key] for key in parts.test} == set(split.held_back)
        assert len(parts.test) == len(split.held_back) * SHAPE[2]
        used = {dataset.groups[key] for key in (*parts.labelled, *parts.unlabelled)}
        assert not used & set(split.held_back)
    with pytest.raises(InputError, match="10 volumes"):
        volumes_plan(dataset, dataset.ids, COUNT, 0)


def test_a_row_tells_of_whole_volumes(dataset: Dataset, tmp_path: Path) -> None:
    methods = ("medsa:slices=3", "masam:slices=3", "adasam", UNET, "head:width=8:steps=2:batch=1:views=1")
    said = run(dataset, methods=methods, boxes=True)
    back = split_groups(dataset.groups.values()).held_back
    assert said["study"] == "volumes"
    assert [row["method"] for row in said["rows"]] == list(methods)
    for row in said["rows"]:
        assert (row["labels"], row["n"], row["unit"]) == (2, len(back), "mm")
        assert 0 <= row["dice"] <= 1
        assert row["parameters"] > 0
        assert row["memory_mb"] > 50
        assert row["seconds"] > 0
        on_sam = row["method"].startswith(("medsa", "masam", "adasam"))
        assert ("box_dice" in row) == ("dice_alone" in row) == ("hd95_alone" in row) == on_sam
    json.dumps(said, allow_nan=False)
    table = report.table(said["summary"], "volumes")
    assert "2 volumes: Dice (95 %), HD95 mm, s, MB" in table
    assert f"| adasam | {said['rows'][2]['parameters']:,} | muscle belly |" in table


def test_figures_of_each_slice_alone_are_those_of_a_study_without_neighbours(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = see_brightness(tiny_net(encoder=BrightnessEncoder()))
    monkeypatch.setattr(registry, "load", lambda settings: net)
    [among], [alone] = (run(dataset, methods=("start" + one,))["rows"] for one in ("", ":prompt.use_neighbours=no"))
    assert "dice_alone" not in alone
    assert (among["dice_alone"], among["hd95_alone"]) == (alone["dice"], alone["hd95"])
    assert (among["dice"], among["hd95"]) != (alone["dice"], alone["hd95"])


def test_a_slice_with_specks_alone_gets_no_box(dataset: Dataset) -> None:
    """Of a structure of several parts nothing under 20 pixels is asked about; the volume is measured all the same."""
    for path in set(dataset.labelled.values()):
        values = np.asanyarray(nibabel.load(path).dataobj).copy()
        values[:, :, -1] = 0
        values[3:5, 3:5, -1] = 1
        values[:2, :, 1:4] = 1  # a second part beside the ball
        nibabel.save(nibabel.Nifti1Image(values, np.diag([*VOXEL, 1.0])), path)
    [row] = run(dataset, methods=("medsa",), boxes=True, names=((1, "fascia"),))["rows"]
    assert 0 <= row["box_dice"] <= 1


def test_dice_and_distance_are_of_the_slices_laid_together(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that calls everything the structure: its figures are those of the volumes, not of their slices."""

    def everything(choice: Choice, lessons: Lessons, *rest: Any) -> labels.Learned:
        from napari_adasam.evaluation.methods import Found

        return labels.Learned(lambda frame_id, pixels: {1: Found(np.ones(pixels.shape, bool))}, 1.0)

    monkeypatch.setattr(labels, "learn", everything)
    [row] = run(dataset, methods=("adasam",))["rows"]
    figures = []
    for group in split_groups(dataset.groups.values()).held_back:
        keys = [key for key in dataset.ids if dataset.groups[key] == group]
        truth = np.stack([dataset.labels(key) == 1 for key in keys])
        assert truth.shape == (5, 22, 26)
        figures.append((dice(np.ones_like(truth), truth), hd95_of_volume(np.ones_like(truth), truth, (3.0, 1.0, 0.5))))
    assert (row["dice"], row["hd95"]) == pytest.approx(tuple(np.mean(figures, axis=0)))


def test_a_voxel_has_the_files_size(dataset: Dataset) -> None:
    assert voxel_of(dataset, dataset.ids[0]) == Voxel((3.0, 1.0, 0.5), "mm")


def test_distances_are_in_the_voxels_unit() -> None:
    truth, found = np.zeros((6, 6, 6), bool), np.zeros((6, 6, 6), bool)
    truth[1, 3, 3], found[4, 3, 3] = True, True
    assert hd95_of_volume(found, truth, (2.0, 1.0, 1.0)) == 6.0
    assert hd95_of_volume(truth, truth, (2.0, 1.0, 1.0)) == 0.0
    nothing = np.zeros_like(truth)
    assert hd95_of_volume(nothing, truth, (2.0, 1.0, 1.0)) == pytest.approx((12**2 + 6**2 + 6**2) ** 0.5)
    assert hd95_of_volume(nothing, nothing, (2.0, 1.0, 1.0)) == 0.0


def test_no_slice_of_a_tested_volume_reaches_a_training(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = frames_learned_from(monkeypatch)
    run(dataset, methods=("medsa:slices=3:max_unlabelled=100",))
    back = split_groups(dataset.groups.values()).held_back
    tested = {dataset.frame_id(key) for key in dataset.ids if dataset.groups[key] in back}
    assert len(seen) == len(dataset.ids) - len(tested)
    assert not seen & tested


def test_a_stopped_study_goes_on_and_another_kind_of_study_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    first = run(dataset, methods=(UNET,), resume=file)["rows"]
    again = run(dataset, methods=(UNET, "decoder"), resume=file)["rows"]
    assert json.loads(json.dumps(again[:1])) == json.loads(json.dumps(first))
    assert len(again) == 2
    with pytest.raises(InputError, match="Give --json another name"):
        run(dataset, methods=(UNET,), resume=file, volumes=False)


# -- the 3D U-Net ------------------------------------------------------------------------------------------------------


def lessons_of(dataset: Dataset, volumes: int, every: int = 1) -> Lessons:
    keys = [key for key in dataset.ids if int(dataset.groups[key].rpartition("_")[2]) < volumes]
    return Lessons(labelled_frames(dataset, keys[::every]), [], (BELLY,), 0)


def test_the_3d_u_net_learns_the_balls(dataset: Dataset) -> None:
    settings = unet3d.Unet3dSettings(width=4, steps=60, batch=1, lr=1e-2, ema=0.5)
    steps: list[tuple[int, int]] = []
    answer, _ = unet3d.fit(lessons_of(dataset, 3), of_dataset(dataset), settings, lambda *given: steps.append(given))
    assert steps[-1] == (60, 60)
    keys = [key for key in dataset.ids if dataset.groups[key] == "case_9"]
    found = np.stack([answer(dataset.frame_id(key), dataset.grey(key))[1] for key in keys])
    assert dice(found, np.stack([dataset.labels(key) == 1 for key in keys])) > 0.8


def test_slices_without_labels_do_not_count(dataset: Dataset) -> None:
    half = unet3d.volumes_of(lessons_of(dataset, 2, every=2), of_dataset(dataset))
    assert len(half) == 2
    assert half[0].counts.amax((1, 2)).tolist() == [1, 0, 1, 0, 1]
    assert half[0].grey.shape == (5, 22, 26)
    assert not half[0].labels[1].any()


def test_a_view_moves_picture_and_labels_alike(dataset: Dataset) -> None:
    [volume] = unet3d.volumes_of(lessons_of(dataset, 1), of_dataset(dataset))
    rng = np.random.default_rng(0)
    views = [unet3d.drawn(volume, rng) for _ in range(9)]
    moved = [view for view in views if view is not volume]
    assert 3 <= len(moved) <= 8
    for view in moved:
        inside = view.labels > 0
        assert inside.any()
        assert view.grey[inside].mean() > view.grey[~inside].mean() + 20
        assert set(view.labels.unique().tolist()) <= {0.0, 1.0}


def test_padding_is_behind_and_makes_sides_that_the_levels_divide() -> None:
    grey = torch.rand(5, 22, 26) * 255
    made = unet3d.padded(grey)
    assert made.shape == (1, 1, 8, 24, 32)
    assert float(made[0, 0, 5:].abs().max()) == 0.0
    torch.testing.assert_close(made[0, 0, :5, :22, :26], (grey - grey.mean()) / grey.std())


def test_single_pictures_are_refused_in_a_sentence(dataset: Dataset) -> None:
    alone = Lessons(
        [LabelledFrame("lone", np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8))], [], (BELLY,), 0
    )
    neighbours = of_dataset(dataset)
    neighbours._clip_of = None
    with pytest.raises(InputError, match="learns from volumes"):
        unet3d.fit(alone, neighbours, unet3d.Unet3dSettings(width=4, steps=1), lambda *_: None)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux forgets")
def test_the_peak_is_of_what_came_after_it_was_forgotten() -> None:
    block = np.ones(100 * 2**17)
    high = memory.peak_mb()
    del block
    memory.forget_peak()
    assert memory.peak_mb() < high - 50


def test_slices_of_another_data_set_have_their_own_neighbours(dataset: Dataset, tmp_path: Path) -> None:
    """As those at home have: what the slices beside one say counts at the test there, too."""
    for part in ("images", "labels"):
        (tmp_path / "there" / part).mkdir(parents=True)
        for name in ("case_8.nii.gz", "case_9.nii.gz"):
            (dataset.folder / part / name).rename(tmp_path / "there" / part / name)
    home, there = (Dataset.open(folder, slices=3) for folder in (dataset.folder, tmp_path / "there"))
    study = labels.LabelsStudy((), (2,), (0,), Settings(model=ModelSettings("tiny", device="cpu")))
    bench = ElsewhereBench(home, ((1, BELLY.name),), study, there, "unseen")
    for one in (home, there):
        apart = bench._neighbours.apart(one.frame_id(one.ids[0]))
        assert apart is not None
        assert apart == of_dataset(one).apart(one.frame_id(one.ids[0]))
