"""Which images a study may use."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from studied import discs

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.splits import split_groups
from napari_adasam.domain.structures import Structure
from napari_adasam.evaluation.labels import plan
from napari_adasam.evaluation.subjects import seen_groups, structures_of, subjects, unseen_ids
from napari_adasam.files.clips import content_id
from napari_adasam.files.dataset import Dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Ten groups of three."""
    return discs(tmp_path / "discs", 10, 3)


def group_of(ids: tuple[str, ...]) -> set[str]:
    return {key.split("_")[0] for key in ids}


def test_all_is_unseen_by_a_model_that_saw_nothing(dataset: Dataset) -> None:
    assert unseen_ids(dataset, frozenset(), "unseen") == dataset.ids


def test_one_image_seen_excludes_its_whole_group(dataset: Dataset) -> None:
    seen = frozenset({content_id(dataset.images["4_1"]), "an image of another data set"})
    left = unseen_ids(dataset, seen, "unseen")
    assert group_of(left) == set("012356789")
    assert len(left) == 27


@pytest.fixture
def volumes(tmp_path: Path) -> Dataset:
    """Four volumes of 20 slices, taken apart into nine each."""
    for part in ("images", "labels"):
        (tmp_path / "volumes" / part).mkdir(parents=True)
        for number in range(4):
            values = np.full((20, 24, 20), number + 1 if part == "images" else 1, np.uint8)
            nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "volumes" / part / f"case_{number}.nii.gz")
    return Dataset.open(tmp_path / "volumes", slices=9)


@pytest.mark.parametrize("behind", ["-0", "-1", ""])
def test_any_slice_seen_excludes_its_whole_volume(volumes: Dataset, behind: str) -> None:
    """Also a slice that this study would not take, and a volume that was learned from as one file."""
    content = content_id(volumes.images["case_2_0001"])
    seen = frozenset({content + behind})
    assert f"{content}-0" not in {volumes.frame_id(key) for key in volumes.ids}
    assert seen_groups(volumes, seen) == {"case_2"}
    left = unseen_ids(volumes, seen, "unseen")
    assert {volumes.groups[key] for key in left} == {"case_0", "case_1", "case_3"}


def test_whether_a_structure_has_parts_is_not_read_from_masks_under_study(dataset: Dataset) -> None:
    two = np.zeros((64, 64), np.uint8)
    two[4:14, 4:14] = two[40:50, 40:50] = 1
    train = split_groups(dataset.groups.values()).train
    tested = [key for key in dataset.ids if dataset.groups[key] not in train]
    for key in tested:
        Image.fromarray(two).save(dataset.labelled[key])
    assert structures_of(dataset, tested, ((1, "disc"),)) == (Structure(1, "disc"),)
    known = (Structure(1, "Disc", several_parts=True),)
    assert structures_of(dataset, tested, ((1, "disc"),), known)[0].several_parts, "what the model knows, by name"
    for key in dataset.ids:
        Image.fromarray(two).save(dataset.labelled[key])
    assert structures_of(dataset, tested, ((1, "disc"),))[0].several_parts, "from the groups for training"
    assert not structures_of(dataset, dataset.ids, ((1, "disc"),))[0].several_parts, "which may be under study too"
    assert not structures_of(dataset, tested, ((1, "disc"),), (Structure(1, "disc"),))[0].several_parts


def test_where_nothing_is_labelled_there_is_nothing_to_study(dataset: Dataset) -> None:
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(dataset.labelled["0_0"])
    with pytest.raises(InputError, match="shows a structure"):
        structures_of(dataset, ("0_0",), ())


def test_the_held_back_part_is_the_split_that_no_bundled_training_reads(dataset: Dataset) -> None:
    back = set(split_groups(dataset.groups.values()).held_back)
    assert group_of(unseen_ids(dataset, frozenset(), "held-back")) == back
    assert len(back) == 2
    one = sorted(back)[0]
    seen = frozenset({content_id(dataset.images[f"{one}_0"])})
    assert group_of(unseen_ids(dataset, seen, "held-back")) == back - {one}


def test_the_validation_part_is_neither_trained_on_nor_held_back(dataset: Dataset) -> None:
    split = split_groups(dataset.groups.values())
    assert group_of(unseen_ids(dataset, frozenset(), "validation")) == set(split.validation)
    assert split.validation
    assert not set(split.validation) & {*split.train, *split.held_back}


def test_images_without_labels_cannot_be_studied(dataset: Dataset) -> None:
    (dataset.folder / "labels" / "3_0.png").unlink()
    again = Dataset.open(dataset.folder)
    assert set(again.ids) - set(unseen_ids(again, frozenset(), "unseen")) == {"3_0"}


def test_a_data_set_that_was_seen_whole_is_refused(dataset: Dataset) -> None:
    seen = frozenset(content_id(dataset.images[f"{group}_2"]) for group in range(10))
    with pytest.raises(InputError, match="has seen every labelled group"):
        unseen_ids(dataset, seen, "unseen")


def test_subjects_carry_grey_pixels_labels_and_group(dataset: Dataset) -> None:
    (subject,) = subjects(dataset, ("7_1",))
    assert (subject.key, subject.group, subject.frame_id) == ("7_1", "7", content_id(dataset.images["7_1"]))
    assert subject.pixels.shape == subject.labels.shape == (64, 64)
    assert subject.pixels[subject.labels == 1].mean() > 150
    assert set(np.unique(subject.labels)) == {0, 1}


def test_names_come_from_the_caller_else_the_recipe_else_the_model(dataset: Dataset, tmp_path: Path) -> None:
    known = (Structure(1, "disc"),)
    assert structures_of(dataset, dataset.ids[:2], ((1, "given"),), known)[0].name == "given"
    assert structures_of(dataset, dataset.ids[:2], (), known)[0].name == "disc"
    assert structures_of(dataset, dataset.ids[:2], ())[0].name == "structure 1"
    lesions = discs(tmp_path / "breast", 1)
    assert structures_of(lesions, lesions.ids, (), known)[0].name == "lesion"


def test_names_for_some_values_leave_the_others_theirs(dataset: Dataset) -> None:
    both = np.zeros((64, 64), np.uint8)
    both[4:14, 4:14], both[30:40, 30:40] = 1, 2
    for key in dataset.ids:
        Image.fromarray(both).save(dataset.labelled[key])
    known = (Structure(1, "disc"), Structure(2, "rim"))

    def named(*given: tuple[int, str]) -> list[str]:
        return [one.name for one in structures_of(dataset, dataset.ids[:2], given, known)]

    assert named((1, "given")) == ["given", "rim"]
    assert named((1, "given"), (2, "other")) == ["given", "other"]
    assert named((1, "Rim")) == ["Rim", "structure 2"], "no name is of two"
    with pytest.raises(InputError, match=r"--structures names 7, and the label images of .* hold 1, 2\."):
        named((7, "nothing"))
    assert named((7, "nothing"), (2, "other")) == ["disc", "other"]


@pytest.mark.parametrize("labels", [1, 5, 12, 24, 27])
@pytest.mark.parametrize("seed", [0, 1])
def test_labelled_unlabelled_and_test_images_are_disjoint(dataset: Dataset, labels: int, seed: int) -> None:
    parts = plan(dataset, dataset.ids, labels, seed)
    assert len(parts.labelled) == labels
    assert sorted((*parts.labelled, *parts.unlabelled, *parts.test)) == sorted(dataset.ids)
    assert not group_of(parts.test) & (group_of(parts.labelled) | group_of(parts.unlabelled))
    assert parts.test
    assert len(group_of(parts.labelled)) == -(-labels // 3)


def test_held_back_groups_are_tested_on_and_labelled_from_last(dataset: Dataset) -> None:
    back = set(split_groups(dataset.groups.values()).held_back)
    assert group_of(plan(dataset, dataset.ids, 24, 0).test) == back
    assert len(group_of(plan(dataset, dataset.ids, 25, 0).test)) == 1


def test_another_seed_labels_other_groups(dataset: Dataset) -> None:
    assert len({plan(dataset, dataset.ids, 3, seed).labelled for seed in range(6)}) > 1
    assert plan(dataset, dataset.ids, 3, 0) == plan(dataset, dataset.ids, 3, 0)


def test_seen_groups_are_neither_labelled_nor_tested_but_may_be_unlabelled(dataset: Dataset) -> None:
    seen = frozenset({content_id(dataset.images["0_0"])})
    parts = plan(dataset, unseen_ids(dataset, seen, "unseen"), 6, 0)
    assert "0" not in group_of((*parts.labelled, *parts.test))


@pytest.mark.parametrize("labels", [28, 30, 31])
def test_too_few_images_to_label_and_test_is_one_error(dataset: Dataset, labels: int) -> None:
    with pytest.raises(InputError, match="too few"):
        plan(dataset, dataset.ids, labels, 0)
