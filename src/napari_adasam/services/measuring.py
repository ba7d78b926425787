"""Figures of the label images of a data set, without a session and without torch: the command ``measure``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.measures import has_stacked_parts
from napari_adasam.domain.records import Labels, Spacing
from napari_adasam.domain.sector_finding import find_sector
from napari_adasam.domain.structures import MUSCLE_PRESET, Structure
from napari_adasam.files.atomic import make_folder, write_whole
from napari_adasam.files.dataset import Dataset
from napari_adasam.files.exports.table import (
    COLUMNS,
    Measured,
    Row,
    check_erosion,
    given_columns,
    measured_rows,
    table_csv,
)
from napari_adasam.files.exports.target import written_over

OnProgress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class MeasureReport:
    """What was done: label images measured, rows written, and a sentence for each one that was not, or not in full."""

    images: int
    rows: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MeasureChoice:
    """What enters echo intensity.

    Parameters
    ----------
    sector
        Whether what lies outside the scan sector that is found in each picture is left out.
    erosion_mm
        So much along the border of each structure is left out, where there is a scale.
    """

    sector: bool = True
    erosion_mm: float = 0.0

    def __post_init__(self) -> None:
        check_erosion(self.erosion_mm)


EVERYTHING_SCANNED = MeasureChoice()


def measure_dataset(
    folder: Path,
    out: Path,
    names: Sequence[tuple[int, str]],
    on_progress: OnProgress,
    choice: MeasureChoice = EVERYTHING_SCANNED,
) -> MeasureReport:
    """Measure every label image of a data set into one CSV, with the columns of its index.csv behind.

    A label image that cannot be read is a sentence in ``problems``; the rest is done. Where the picture cannot be read,
    or no scale can, the figures that do not need it are still there.

    Parameters
    ----------
    folder
        With ``labels``; ``images`` and ``index.csv`` where there are.
    out
        The CSV; it is written whole or not at all, and its folder is made.
    names
        Of label values; others are called "structure N".
    on_progress
        Told (done, total, what); each label image is read twice.
    choice
        What enters echo intensity.

    Raises
    ------
    InputError
        If there is no label image that can be measured, or the table would be written over a file of the data set.
    StorageError
        If the table could not be written.
    """
    dataset = Dataset.open(folder, need_images=False)
    keys = [key for key in dataset.ids if key in dataset.labelled]
    if not keys:
        raise InputError(f"{folder / 'labels'} holds no label images. Nothing was written. Give a data set's folder.")
    if written_over((out,), (folder / "index.csv", *dataset.images.values(), *dataset.labelled.values())):
        raise InputError(f"The table would be written over {out} of the data set. Nothing was written. Choose another.")
    problems: list[str] = []
    structures, sound = _look(dataset, keys, dict(names), problems, on_progress)
    given = {key: _further(dataset.rows.get(key, {})) for key in sound}
    rows: list[Row] = []
    for number, key in enumerate(sound, start=1):
        labels = dataset.labels(key)
        grey, spacing, part = _picture(dataset, key, labels, problems)
        grey = within_scan(dataset, key, grey) if choice.sector and grey is not None else grey
        name = dataset.images.get(key, dataset.labelled[key]).name
        own = Measured(key, name, labels, spacing, part, given=given[key], erosion_mm=choice.erosion_mm)
        rows += measured_rows(own, structures, grey)
        on_progress(len(keys) + number, len(keys) + len(sound), key)
    make_folder(out.parent)
    write_whole(out, table_csv(rows, given_columns(given)))
    return MeasureReport(len(sound), len(rows), tuple(problems))


def _look(
    dataset: Dataset, keys: Sequence[str], names: dict[int, str], problems: list[str], on_progress: OnProgress
) -> tuple[tuple[Structure, ...], list[str]]:
    """The structures of the data set, and the IDs whose label images can be read."""
    stacked: dict[int, list[bool]] = {value: [] for value in names}
    sound = []
    for number, key in enumerate(keys, start=1):
        try:
            labels = _labels(dataset, key)
        except InputError as error:
            problems.append(str(error))
        else:
            sound.append(key)
            for value in {int(value) for value in np.unique(labels)} - {0}:
                stacked.setdefault(value, []).append(has_stacked_parts(labels, value))
        on_progress(number, 2 * len(keys), key)
    if not sound:
        raise InputError(f"No label image could be read, so nothing was written. {' '.join(problems)}")
    return tuple(_structure(value, names, parts) for value, parts in sorted(stacked.items())), sound


def _labels(dataset: Dataset, key: str) -> Labels:
    if (count := dataset.label_images(key)) > 1:
        raise InputError(
            f"{dataset.labelled[key].name} holds {count} label images, and was left out; save one in each file."
        )
    return dataset.labels(key)


def _structure(value: int, names: dict[int, str], stacked: Sequence[bool]) -> Structure:
    """One that the muscle preset names has as many parts as there; another has several if most images show them."""
    name = names.get(value, f"structure {value}")
    known = {structure.name: structure.several_parts for structure in MUSCLE_PRESET}
    try:
        return Structure(value, name, known.get(name, 2 * sum(stacked) > len(stacked)))
    except ValueError as error:
        raise InputError(f"{value}={name} names no label value: {error}. Nothing was written.") from error


def _picture(
    dataset: Dataset, key: str, labels: Labels, problems: list[str]
) -> tuple[NDArray[Any] | None, Spacing | None, tuple[int, int, int, int] | None]:
    """Grey levels of a label image, its spacing, and what that holds for; each ``None`` where there is none."""
    grey: NDArray[Any] | None = None
    spacing, part = None, None
    unread = unscaled = ""
    if key in dataset.images:
        try:
            grey = dataset.levels(key)
        except InputError as error:
            unread = str(error)
    try:
        spacing, part = dataset.scale(key)
    except InputError as error:
        unscaled = str(error)
    found = [f"{unread} {key} was measured without echo intensity."] if unread else []
    found += [f"{unscaled} {key} was measured in pixels."] if unscaled else []
    if unread and unread == unscaled:
        found = [f"{unread} {key} was measured in pixels, and without echo intensity."]
    if grey is not None and grey.shape != labels.shape:
        found = [
            f"The label image of {key} has {labels.shape[0]} × {labels.shape[1]} px and its picture "
            f"{grey.shape[0]} × {grey.shape[1]} px. It was measured in pixels, and without echo intensity."
        ]
        grey = spacing = None
    problems += found
    return grey, spacing, part


def within_scan(dataset: Dataset, key: str, grey: NDArray[Any]) -> NDArray[Any]:
    """Grey levels (height, width) masked outside the scan sector that is found in the picture."""
    scan = find_sector(dataset.grey(key))
    return grey if scan.kind == "whole" else np.ma.array(grey, mask=~scan.mask((grey.shape[0], grey.shape[1])))


def _further(row: Mapping[str, str]) -> dict[str, str]:
    """Columns of index.csv for the table; those that the table has itself get another name."""
    return {f"{name} (index.csv)" if name in COLUMNS else name: value for name, value in row.items() if name != "id"}
