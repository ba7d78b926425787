"""The study ``labels`` tested on another data set: what is learned on one, on pictures of another scanner or clinic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.splits import seeded_order, split_groups
from napari_adasam.evaluation.labels import LabelsBench, LabelsPlan, LabelsStudy
from napari_adasam.evaluation.subjects import Names, Part, groups_showing, structures_of, unseen_ids
from napari_adasam.files.dataset import Dataset
from napari_adasam.services import neighbours


def plan_elsewhere(
    dataset: Dataset, unseen: Sequence[str], other: Dataset, test: tuple[str, ...], labels: int, seed: int
) -> LabelsPlan:
    """The lessons that :func:`labels.plan` gives, and images of ``other`` to test on.

    Nobody tests on the held-back groups of ``dataset`` here; still they teach only where all other groups are too few,
    so that a training is the one that is tested at home. A group that shows a tested picture teaches nothing.

    Raises
    ------
    InputError
        If there are too few unseen images to label so many.
    """
    split = split_groups(dataset.groups.values())
    copies = groups_showing(other, test, dataset)
    order = [group for group in seeded_order({dataset.groups[key] for key in unseen}, seed) if group not in copies]
    order.sort(key=lambda group: (group in split.held_back, group not in split.train))
    labelled = [key for group in order for key in unseen if dataset.groups[key] == group][:labels]
    if len(labelled) < labels:
        raise InputError(
            f"{dataset.folder} has {len(labelled)} images that the model has not seen and that are not tested on: too "
            f"few to label {labels}. Nothing was written. Ask for fewer labels, or give another data set."
        )
    closed = copies | set(split.held_back)
    rest = [key for key in dataset.ids if dataset.groups[key] not in closed and key not in labelled]
    return LabelsPlan(tuple(labelled), tuple(np.random.default_rng(seed).permutation(rest)), test)


class ElsewhereBench(LabelsBench):
    """Trainings on one data set, each tested on a part of another.

    Raises
    ------
    InputError
        If nothing of the other one is unseen, or its label values mean other structures.
    """

    def __init__(self, dataset: Dataset, names: Names, study: LabelsStudy, other: Dataset, part: Part) -> None:
        super().__init__(dataset, names, study)
        self.tested = other
        self._neighbours = neighbours.of_dataset(dataset, other)
        self._test = unseen_ids(other, self.card.trained_on, part)
        own = {one.value: one.name for one in self.structures}
        there = {one.value: one.name for one in structures_of(other, self._test, names, self.structures)}
        for value in sorted(own):
            if own[value] != there.get(value, own[value]):
                raise InputError(
                    f"{value} is {own[value]} in the label images of {dataset.folder} and {there[value]} in those of "
                    f"{other.folder}. Nothing was measured. Give a --test with the same structures."
                )
        if not own.keys() & there.keys():
            raise InputError(
                f"The label images of {other.folder} show none of the structures of {dataset.folder}. Nothing was "
                "measured. Give a --test with the same structures."
            )

    def _plan(self, labels: int, seed: int) -> LabelsPlan:
        return plan_elsewhere(self.dataset, self.unseen, self.tested, self._test, labels, seed)
