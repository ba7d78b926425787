"""What a study is run on: images of a data set that the model never saw, with the names of their structures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Labels
from napari_adasam.domain.splits import split_groups
from napari_adasam.domain.structures import Structure
from napari_adasam.files.clips import content_id
from napari_adasam.files.dataset import Dataset
from napari_adasam.services.bundled_data import names_by_folder
from napari_adasam.services.training import check_names, names_with, structures_in

Part = Literal["unseen", "held-back", "validation"]
Names = tuple[tuple[int, str], ...]
SHOWN = 60
"""So many label images of the groups for training tell what a data set is about."""


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
    allowed = set(dataset.groups.values()) - seen_groups(dataset, trained_on)
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


def seen_groups(dataset: Dataset, trained_on: frozenset[str]) -> set[str]:
    """Groups of which a training saw something: an image, or any frame of one of their files.

    A frame's id is that of its file's content, with its place behind it where there are several. Which slices of a
    volume were learned from makes no difference, and neither does whether the volume was taken apart for it.
    """
    files, content = {one.partition("-")[0] for one in trained_on}, _contents(dataset.images)
    return {dataset.groups[key] for key in dataset.ids if content[dataset.images[key]] in files}


def groups_showing(dataset: Dataset, ids: Iterable[str], among: Dataset | None = None) -> set[str]:
    """Groups, ``among`` another data set's or its own, with one of these pictures or a copy of its file."""
    pictures = frozenset(_contents({key: dataset.images[key] for key in ids}).values())
    return seen_groups(dataset if among is None else among, pictures)


def digest(dataset: Dataset) -> str:
    """What tells a data set from another of its name: its IDs, their groups, pictures and label images."""
    pictures, labels = _contents(dataset.images), _contents(dataset.labelled)
    rows = [
        f"{key} {dataset.groups[key]} {pictures[dataset.images[key]]} {labels.get(dataset.labelled.get(key))}"
        for key in dataset.ids
    ]
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


def _contents(files: Mapping[str, Path]) -> dict[Path | None, str]:
    """Each file and the id of its content, a volume's slices being one file; InputError if one cannot be read."""
    found: dict[Path | None, str] = {}
    for path in set(files.values()):
        try:
            found[path] = content_id(path)
        except OSError as error:
            raise InputError(
                f"{path} cannot be read. Nothing was measured. Copy it again, or ask for access."
            ) from error
    return found


def structures_of(
    dataset: Dataset,
    ids: Sequence[str],
    given: Names,
    known: Sequence[Structure] = (),
    shown: Sequence[str] | None = None,
) -> tuple[Structure, ...]:
    """The structures of the images under study.

    Their names are those given; for other values those under which the bundled model learned a data set of this name,
    else those that the model (``known``) has for the same label values. Whether one has several parts decides how often
    a model is asked, so no mask that is tested on may say it: the model does, by the name, else the label images that
    are ``shown``; those of groups for training which are not under study, where ``shown`` is ``None``.

    Raises
    ------
    InputError
        If there is no structure, names are given for others alone, or a label image cannot be read.
    """
    own = tuple((structure.value, structure.name) for structure in known)
    names = names_with(given, names_by_folder(dataset.folder.name) or own)
    found = structures_in(dataset, ids, names)
    if not found:
        raise InputError(
            f"None of the {len(ids)} label images of {dataset.folder} that were looked at shows a structure. Nothing "
            "was measured. Give another data set, or a higher --limit."
        )
    check_names(given, found, dataset.folder)
    several = {structure.name.casefold(): structure.several_parts for structure in known}
    if any(one.name.casefold() not in several for one in found):
        shown = _not_under_study(dataset, ids) if shown is None else shown
        several = {one.name.casefold(): one.several_parts for one in structures_in(dataset, shown, names)} | several
    return tuple(replace(one, several_parts=several.get(one.name.casefold(), False)) for one in found)


def _not_under_study(dataset: Dataset, ids: Sequence[str]) -> tuple[str, ...]:
    """The first labelled images of the groups for training that none of these images is of."""
    groups = set(split_groups(dataset.groups.values()).train) - {dataset.groups[key] for key in ids}
    return tuple(key for key in dataset.ids if key in dataset.labelled and dataset.groups[key] in groups)[:SHOWN]


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
