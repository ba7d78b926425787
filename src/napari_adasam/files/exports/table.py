"""measurements.csv: one row a figure, with its unit, the source of its scale and how the mask came to be."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.calibration import BY_HAND
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.measures import Measurement, measure, scale_within
from napari_adasam.domain.records import Annotation, Frame, Labels, MaskOrigin, Spacing
from napari_adasam.domain.structures import Structure
from napari_adasam.files.exports.naming import as_path
from napari_adasam.files.exports.table_rows import FileTable, row_key, rows_of
from napari_adasam.files.pixels import bit_depth
from napari_adasam.files.tables import table_reader, table_writer

COLUMNS = (
    "frame", "file", "structure", "measure", "value", "unit", "scale_source", "model", "origin", "changed_share",
    "seconds", "bit_depth", "note",
)  # fmt: skip
KEYS = ("file", "id")
"""Columns of a file table that say which file a row is about."""
NOT_COMPARABLE = "not comparable across devices or gains"
GREY = "grey level"
OUTSIDE_SCAN = "outside the scan sector left out"
NO_NUMBER = "that hold no number left out"
MOST_EROSION_MM = 100.0
NOT_ERODED = "border not left out: no scale"
BEYOND_SCALE = "reaches out of the part of the picture that the scale holds for"
NO_PICTURE = "no echo intensity: there was no picture to read"
NOTHING_LEFT = "no echo intensity: all was left out"
NOT_ASKED = "accepted before this structure was in the list: whether it is there is not known"

Row = dict[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One label image to be measured, and what is known about it.

    Parameters
    ----------
    name, file
        Of the frame in the export, and of the file it comes from, with no more folders than tell it from others.
    labels
        (height, width) uint8.
    spacing
        ``None``: figures are in pixels.
    part
        (y0, x0, y1, x1) in pixels, the ends outside: what the spacing holds for; ``None`` for all of the picture. A
        structure that reaches out of it is measured in pixels.
    bits
        Of a grey value in the file; ``None``: those that the picture uses.
    annotation
        How the masks came to be; ``None`` where nobody knows.
    given
        Further columns, such as left or right, visit, repeat.
    erosion_mm
        Left out of echo intensity along the border of each structure, where there is a scale.
    """

    name: str
    file: str
    labels: Labels = field(repr=False)
    spacing: Spacing | None
    part: tuple[int, int, int, int] | None = None
    bits: int | None = None
    annotation: Annotation | None = None
    given: Mapping[str, str] = field(default_factory=dict)
    erosion_mm: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Further:
    """What the table of a session holds besides its own columns.

    Parameters
    ----------
    given
        The user's file table (:func:`read_file_table`).
    erosion_mm
        Of :class:`Measured`.
    """

    given: FileTable = field(default_factory=dict)
    erosion_mm: float = 0.0


NOTHING_FURTHER = Further()


def check_erosion(mm: float) -> None:
    """Raise InputError where that is no length to leave out along a border."""
    if not 0 <= mm <= MOST_EROSION_MM:
        raise InputError(f"Along the border 0 to {MOST_EROSION_MM:g} mm can be left out, not {mm:g}. Nothing was done.")


def measurements_csv(
    annotations: Mapping[str, Annotation],
    frames: Sequence[Frame],
    structures: Sequence[Structure],
    names: Mapping[str, str],
    grey: Callable[[Frame], NDArray[Any] | None],
    further: Further = NOTHING_FURTHER,
) -> bytes:
    """The table of a session in UTF-8, rows in the order of ``frames``; ``names`` are those of frames in the export.

    A file goes by its name, or as ``frames`` have it where that is a relative path, as in an export (:class:`Plan`).

    A structure that is not in a frame has one row, with area 0, or with no value where nobody was asked for it. Values
    in a mask that belong to no structure are named by their number.

    Parameters
    ----------
    grey
        The frame's grey pixels (height, width), as they are in the file, masked (:mod:`numpy.ma`) where they are not
        of the scan; ``None`` where there are none: then there is no echo intensity.
    """
    rows: list[Row] = []
    accepted = [frame for frame in frames if frame.id in annotations]
    given = rows_of(further.given, accepted)
    for frame in accepted:
        annotation = annotations[frame.id]
        facts = (annotation.labels, frame.spacing, scaled_part(frame), frame.bits, annotation)
        file = as_path(frame.path).name if as_path(frame.path).is_absolute() else frame.path
        one = Measured(names[frame.id], file, *facts, given.get(frame.id, {}), further.erosion_mm)
        rows += measured_rows(one, structures, grey(frame))
    return table_csv(rows, given_columns(further.given))


def measured_rows(one: Measured, structures: Sequence[Structure], grey: NDArray[Any] | None) -> list[Row]:
    """All rows of one label image: its structures by value, then those that have no name but are there."""
    present = {int(value) for value in np.unique(one.labels)} - {0}
    nameless = [Structure(value, f"value {value}") for value in present - {structure.value for structure in structures}]
    bits = "" if grey is None else _bits(one.bits, np.ma.getdata(grey))
    rows = []
    for structure in sorted((*structures, *nameless), key=lambda structure: structure.value):
        common = _common(one, structure, structure.value in present)
        spacing = scale_within(one.labels, structure.value, one.spacing, one.part)
        beyond = () if spacing is one.spacing else (BEYOND_SCALE,)
        left_out = (*_left_out(one.labels, structure.value, grey), *_eroded(one.erosion_mm, spacing))
        erosion = one.erosion_mm if spacing is not None else 0.0
        unasked = (NOT_ASKED,) if _unasked(one, structure, structure.value in present) else ()
        figures = measure(one.labels, structure, spacing, grey, erosion)
        why = _without_echo(one, grey, figures, left_out) if structure.value in present else ()
        for figure in figures:
            about = (*unasked, *why) if figure.name == "area" else ()
            notes = (NOT_COMPARABLE, *left_out, *beyond) if figure.unit == GREY else (*about, *beyond)
            row = common | _figure(figure, bits, notes) | dict(one.given)
            rows.append(row | {"value": ""} if unasked else row)
    return rows


def _unasked(one: Measured, structure: Structure, present: bool) -> bool:
    """Whether nobody was asked for a structure: the frame was accepted before it was in the list."""
    return not present and one.annotation is not None and not one.annotation.tells_of(structure.value)


def _bits(stated: int | None, grey: NDArray[Any]) -> str:
    """The bit depth of grey levels; empty where they have none, being numbers with fractions or below 0."""
    whole = grey.dtype.kind in "iu" and int(grey.min(initial=0)) >= 0
    return str(stated or bit_depth(grey)) if whole else ""


def scaled_part(frame: Frame) -> tuple[int, int, int, int] | None:
    """The part of the picture that a frame's scale holds for; a scale by hand holds for all of it."""
    by_hand = frame.spacing is not None and frame.spacing.source == BY_HAND
    return None if by_hand else frame.region


def table_csv(rows: Iterable[Row], further: Sequence[str] = ()) -> bytes:
    """The file in UTF-8; ``further`` columns stand behind those that every table has, empty where nothing is given."""
    text = StringIO()
    writer = table_writer(text, (*COLUMNS, *further), extra="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def given_columns(table: FileTable) -> tuple[str, ...]:
    """All columns of a file table, each once, in their order."""
    return tuple(dict.fromkeys(column for row in table.values() for column in row))


def read_file_table(path: Path) -> dict[str, dict[str, str]]:
    """A user's CSV with a column ``file`` or ``id``, and others such as side, visit: what a row is about, to these.

    Commas, semicolons or tabs stand between the columns; the first line tells which.
    Files go by names or paths; :func:`~napari_adasam.files.exports.table_rows.rows_of` finds the row of a frame.

    Raises
    ------
    InputError
        If it cannot be read, has no such column, has one file twice, or a column that measurements.csv has itself.
    """
    columns, rows = _read_rows(path)
    key = next((name for name in KEYS if name in columns), None)
    if key is None:
        raise InputError(f"{path} has no column 'file' or 'id'; its first line names the columns.")
    taken = sorted(set(columns) & set(COLUMNS) - {key})
    if taken:
        raise InputError(f"{path} has a column {taken[0]!r}, which the measurements have too; rename it.")
    table: dict[str, dict[str, str]] = {}
    for row in rows:
        about = row_key(row[key], key == "file")
        if not about:
            continue  # spreadsheets keep empty rows below a table
        if about in table:
            raise InputError(f"{path} has two rows for {about}; keep one.")
        table[about] = {name: row[name] or "" for name in columns if name not in KEYS}
    return table


def _read_rows(path: Path) -> tuple[tuple[str, ...], list[Row]]:
    """The names of a table's columns, and its rows."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = table_reader(file.read(), KEYS)
            return tuple(reader.fieldnames or ()), list(reader)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}; nothing was written. Check the name of your table.") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} cannot be read as a table in UTF-8; nothing was written. "
            "Save it again, in Excel as “CSV UTF-8 (comma delimited)”."
        ) from error
    except (OSError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table; nothing was written. Save it again as CSV.") from error


def _common(one: Measured, structure: Structure, present: bool) -> Row:
    row = {"frame": one.name, "file": one.file, "structure": structure.name}
    if one.annotation is None:
        return row if present else row | {"origin": str(MaskOrigin.ABSENT)}
    otherwise = MaskOrigin.DRAWN if present else MaskOrigin.ABSENT
    share, origins = one.annotation.changed_share.get(structure.value), one.annotation.origins
    return row | {
        "model": one.annotation.model,
        "origin": "" if _unasked(one, structure, present) else str(origins.get(structure.value, otherwise)),
        "changed_share": "" if share is None else f"{share:.4f}",
        "seconds": f"{one.annotation.seconds:.1f}",
    }


def _figure(figure: Measurement, bits: str, notes: Sequence[str]) -> Row:
    whole = figure.unit == "px²"
    row = {
        "measure": figure.name,
        "value": f"{figure.value:.0f}" if whole else f"{figure.value:.4f}",
        "unit": figure.unit,
        "scale_source": figure.scale,
        "bit_depth": bits if figure.unit == GREY else "",
        "note": "; ".join(notes),
    }
    return row


def _eroded(erosion_mm: float, spacing: Spacing | None) -> tuple[str, ...]:
    """Says what was left out along the border, where that was asked for."""
    if not erosion_mm:
        return ()
    return (f"{erosion_mm:g} mm along the border left out",) if spacing is not None else (NOT_ERODED,)


def _without_echo(
    one: Measured, grey: NDArray[Any] | None, figures: Sequence[Measurement], left_out: Sequence[str]
) -> tuple[str, ...]:
    """Says why a structure that is there has no echo intensity; nothing where it has one."""
    if any(figure.unit == GREY for figure in figures):
        return ()
    if grey is None:
        return (NO_PICTURE,) if one.annotation is not None else ()
    return (NOTHING_LEFT, *left_out)


def _left_out(labels: Labels, structure: int, grey: NDArray[Any] | None) -> tuple[str, ...]:
    """Says how many pixels of a structure do not enter its echo intensity, and why; nothing where all do."""
    if grey is None:
        return ()
    inside, numbers = labels == structure, np.isfinite(np.ma.getdata(grey))
    counts = {
        OUTSIDE_SCAN: np.count_nonzero(np.ma.getmaskarray(grey) & inside & numbers),
        NO_NUMBER: np.count_nonzero(inside & ~numbers),
    }
    return tuple(f"{count} px {why}" for why, count in counts.items() if count)
