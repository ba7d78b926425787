"""The past of frames in a session's database: their accepted versions, and what was suggested before an accept."""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Iterable, Mapping
from typing import Any

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.packing import PackedMask
from napari_adasam.domain.versions import Version
from napari_adasam.files import schema
from napari_adasam.files.drafts import DAMAGE, read_shape
from napari_adasam.files.masks import MaskFolder

Rows = dict[str, list[tuple[Any, ...]]]


def versions(connection: sqlite3.Connection, masks: MaskFolder, frame_id: str) -> tuple[Version, ...]:
    """Every accepted version of a frame; see :meth:`Store.versions`."""
    found = connection.execute(
        "SELECT at, mask, height, width FROM annotations JOIN (SELECT height, width FROM frames "
        "WHERE frame_id = ? LIMIT 1) WHERE frame_id = ? ORDER BY row",
        (frame_id, frame_id),
    ).fetchall()
    changed = [row for before, row in zip([None, *found], found, strict=False) if not before or before[1] != row[1]]
    return tuple(
        Version(number, at, masks.stored(mask, (height, width)))
        for number, (at, mask, height, width) in enumerate(changed, start=1)
    )


def suggested_rows(frame_id: str, masks: Mapping[int, PackedMask]) -> list[tuple[Any, ...]]:
    """Rows of ``suggested``, one a structure."""
    return [(frame_id, int(value), *mask.shape, mask.data) for value, mask in masks.items()]


def suggested(connection: sqlite3.Connection, frame_id: str) -> dict[int, PackedMask]:
    """The masks of such rows, by structure value; none in a session of an earlier version. InputError if damaged."""
    rows = _rows(connection, "suggested", "WHERE frame_id = ?", (frame_id,))
    try:
        return {int(value): _mask(height, width, data) for _, _, value, height, width, data in rows}
    except DAMAGE as error:
        raise InputError(
            "What was suggested on this image is damaged in the session's folder. What is accepted is safe."
        ) from error


def _mask(height: Any, width: Any, data: bytes) -> PackedMask:
    mask = PackedMask(read_shape(height, width), data)
    mask.open()
    return mask


def rows_of(connection: sqlite3.Connection, after: int) -> tuple[Rows, int]:
    """All rows of what is carried over, each with its time, and the number of the last version.

    Of what was ``after`` a version, versions alone: of frames accepted since, the suggestions are in memory.
    """
    last = connection.execute("SELECT max(row) FROM annotations").fetchone()[0] or 0
    found = {"annotations": _rows(connection, "annotations", "WHERE row > ?", (after,))}
    return found | ({} if after else {"suggested": _rows(connection, "suggested")}), max(last, after)


def mask_of(row: tuple[Any, ...]) -> str:
    """The name of the mask of such a version."""
    return str(row[_columns("annotations").index("mask")])


def carry(rows: Rows, masks: Container[str], connection: sqlite3.Connection) -> None:
    """Write the rows of another session with their times; versions only whose mask is among ``masks``.

    What was written again without any change, as each copy of a session does, is carried once.
    """
    latest: dict[str, tuple[Any, ...]] = {}
    for at, *row in rows["annotations"]:
        frame_id, version = row[0], tuple(row)
        if mask_of((at, *row)) in masks and latest.get(frame_id) != version:
            connection.execute(schema.insert("annotations", _columns("annotations")), (at, *row))
            latest[frame_id] = version
    connection.executemany(schema.insert("suggested", _columns("suggested")), rows.get("suggested", ()))


def _columns(table: str) -> tuple[str, ...]:
    return ("at", *schema.names(table))


def _rows(
    connection: sqlite3.Connection, table: str, where: str = "", values: Iterable[Any] = ()
) -> list[tuple[Any, ...]]:
    """Rows with their times; none of a table that an earlier version, opened to read only, did not have."""
    if connection.execute("SELECT count(*) FROM sqlite_master WHERE name = ?", (table,)).fetchone() == (0,):
        return []
    return connection.execute(
        f"SELECT {', '.join(_columns(table))} FROM {table} {where} ORDER BY row", tuple(values)
    ).fetchall()
