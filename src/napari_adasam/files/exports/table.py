"""measurements.csv: one row a frame and structure, with the unit in its own column."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path

import numpy as np

from napari_adasam.domain.measures import NO_SCALE, area
from napari_adasam.domain.records import Annotation, Frame, MaskOrigin
from napari_adasam.domain.structures import Structure

COLUMNS = (
    "frame", "file", "structure", "measure", "value", "unit", "scale_source", "model", "origin", "changed_share",
    "seconds",
)  # fmt: skip


def measurements_csv(
    annotations: Mapping[str, Annotation],
    frames: Sequence[Frame],
    structures: Sequence[Structure],
    names: Mapping[str, str],
) -> bytes:
    """The table in UTF-8, rows in the order of ``frames``; ``names`` gives each frame's name in the export.

    A structure that is not in a frame has a row too, with area 0. Values in a mask that belong to no structure are
    named by their number.
    """
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for frame in frames:
        if frame.id in annotations:
            table.writerows(_rows(annotations[frame.id], frame, structures, names[frame.id]))
    return text.getvalue().encode()


def _rows(
    annotation: Annotation, frame: Frame, structures: Sequence[Structure], name: str
) -> list[tuple[str | int, ...]]:
    present = {int(value) for value in np.unique(annotation.labels)} - {0}
    titles = {value: f"value {value}" for value in present} | {one.value: one.name for one in structures}
    return [_row(annotation, frame, (name, titles[value]), value) for value in sorted(titles)]


def _row(annotation: Annotation, frame: Frame, titles: tuple[str, str], value: int) -> tuple[str | int, ...]:
    measured = area(annotation.labels, value, frame.spacing)
    share = annotation.changed_share.get(value)
    return (
        titles[0],
        Path(frame.path).name,
        titles[1],
        measured.name,
        f"{measured.value:.0f}" if measured.scale == NO_SCALE else f"{measured.value:.4f}",
        measured.unit,
        measured.scale,
        annotation.model,
        str(annotation.origins.get(value, MaskOrigin.DRAWN if measured.value else MaskOrigin.ABSENT)),
        "" if share is None else f"{share:.4f}",
        f"{annotation.seconds:.1f}",
    )
