"""Which folders an export may go to, told before anything is written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.files.exports.provenance import FILE
from napari_adasam.files.store import is_session

LEFT_BY_SYSTEMS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""Files that macOS and Windows put into folders that people look at."""
OF_SESSIONS = ("masks", "models")
"""Folders that a session keeps its own files in."""


def check_target(folder: Path, deidentify: bool) -> None:
    """Refuse a folder that an export must not be mixed with.

    Raises
    ------
    InputError
        If it holds a session; or, where names are left out, anything but an export without names.
    StorageError
        If it cannot be looked into.
    """
    place = Path(os.path.abspath(folder))
    within = any(one.name in OF_SESSIONS and is_session(one.parent) for one in (place, *place.parents))
    if within or is_session(place):
        what = "is part of a session" if within else "holds a session"
        raise InputError(f"{folder} {what}; its masks must not be mixed with others. Choose another folder.")
    if not deidentify or not place.is_dir():
        return
    try:
        empty = LEFT_BY_SYSTEMS.issuperset(one.name for one in place.iterdir())
    except OSError as error:
        raise StorageError(f"{folder} cannot be read; nothing was written. Choose another folder.") from error
    if not empty and not _is_without_names(place):
        raise InputError(
            f"{folder} holds files that may have names in them, beside which none can be left out. "
            "Nothing was written. Choose an empty folder."
        )


def _is_without_names(folder: Path) -> bool:
    """Whether the last export to a folder left names out."""
    try:
        content = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("deidentified") is True


def written_over(targets: Iterable[Path], sources: Iterable[Path]) -> Path | None:
    """The first target that is one of the sources, by whatever letters or links it is called; ``None`` for none."""
    known = {one for source in dict.fromkeys(sources) for one in _identities(source)}
    return next((target for target in targets if known.intersection(_identities(target))), None)


def _identities(path: Path) -> list[object]:
    """What a file is known by: its path, and its number on its disk where it has one."""
    try:
        found: list[object] = [path.resolve()]
        status = path.stat()
    except (OSError, ValueError, RuntimeError):  # not there, no path at all, or links in a circle
        return [path]
    return [*found, (status.st_dev, status.st_ino)] if status.st_ino else found
