"""Which row of the user's table of files is about which frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_adasam.domain.records import Frame
from napari_adasam.files.clips import stem_of
from napari_adasam.files.tables import composed

FileTable = Mapping[str, Mapping[str, str]]
"""What a row is called (:func:`row_key`) to its further columns."""


def row_key(text: str, is_file: bool) -> str:
    """What a row is found by: the name or path that the user wrote, with ``/``; that of a file without its ending."""
    folders, slash, name = composed(text).strip().replace("\\", "/").removeprefix("./").rpartition("/")
    return f"{folders}{slash}{stem_of(Path(name)) if is_file else name}"


def rows_of(table: FileTable, frames: Sequence[Frame]) -> dict[str, Mapping[str, str]]:
    """Frame id to its row, for the frames of one export; those without a row are left out.

    A row is about the frame of this stem, or about all frames of the file whose path ends so: ``P01/left.png``, or
    ``left`` for short. What two files of the export could be meant by is no row of either, since it may be the wrong
    one; yet ``left`` is the frame of this stem where others are called ``left_2`` and ``left_3``.
    """
    ends = {path: _ends(path) for path in dict.fromkeys(frame.path for frame in frames)}
    files = Counter(end for of_file in ends.values() for end in of_file)
    stems = {frame.id: composed(frame.stem) for frame in frames}
    owners: dict[str, set[str]] = {}
    for frame in frames:
        owners.setdefault(stems[frame.id], set()).add(frame.path)
    found = {}
    for frame in frames:
        own, name = ends[frame.path], stems[frame.id]
        stem = [name] if files[name] == 0 or name in own else []
        sure = [end for end in own if files[end] == 1 and owners.get(end, {frame.path}) == {frame.path}]
        folders = [end for end in sure if "/" in end]
        keys = (*folders, *stem, *sure) if frame.id == frame.file_id else (*stem, *sure)
        row = next((table[key] for key in keys if key in table), None)
        if row is not None:
            found[frame.id] = row
    return found


def _ends(path: str) -> tuple[str, ...]:
    """All ends of a path, the longest first, each with and without the file's ending."""
    *folders, name = composed(path).replace("\\", "/").split("/")
    names = dict.fromkeys((stem_of(Path(name)), name, name.removesuffix(".gz")))
    ends = ("/".join((*folders[start:], one)) for start in range(len(folders) + 1) for one in names)
    return tuple(end for end in ends if end)
