"""What a study is run on: images of a data set that the model never saw, with the names of their structures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Labels
from napari_adasam.domain.splits import split_groups
from napari_adasam.domain.structures import Structure
from napari_adasam.files.dataset import Dataset
from napari_adasam.services.bundled_data import names_by_folder
from napari_adasam.services.training import structures_in

Part = Literal["unseen", "held-back", "validation"]
Names = tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One image under study: grey pixels (height, width) uint8, its labels, its group."""

    key: str
    frame_id: str
    group: str
    pixels: NDArray[np.uint8]
    labels: Labels


def unseen_ids(dataset: Dataset, trained_on: frozenset[str], part: Part) -> tuple[str, ...]:
    """IDs of labelled images in groups of which no image was trained on; all of these, or those of one part alone.

    Raises
    ------
    InputError
        If nothing is left: the model was trained on all of it.
    """
    seen = {dataset.groups[key] for key in dataset.ids if dataset.frame_id(key) in trained_on}
    allowed = set(dataset.groups.values()) - seen
    if part != "unseen":
        split = split_groups(dataset.groups.values())
        allowed &= set(split.held_back if part == "held-back" else split.validation)
    ids = tuple(key for key in dataset.ids if key in dataset.labelled and dataset.groups[key] in allowed)
    if not ids:
        raise InputError(
            f"The model has seen every labelled group of {dataset.folder}, so no honest figure can be had from it. "
            "Nothing was written. Give another data set with --test."
        )
    return ids


def structures_of(
    dataset: Dataset, ids: Sequence[str], given: Names, known: Sequence[Structure] = ()
) -> tuple[Structure, ...]:
    """The structures of the images under study.

    Their names are those given, else those under which the bundled model learned a data set of this name, else those
    that the model (``known``) has for the same label values.
    """
    own = tuple((structure.value, structure.name) for structure in known)
    return structures_in(dataset, ids, given or names_by_folder(dataset.folder.name) or own)


def subjects(dataset: Dataset, ids: Sequence[str]) -> Iterator[Subject]:
    """Read them one by one."""
    for key in ids:
        yield Subject(
            key,
            dataset.frame_id(key),
            dataset.groups[key],
            dataset.grey(key),
            dataset.labels(key),
        )
