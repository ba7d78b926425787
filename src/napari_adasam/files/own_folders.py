"""The program's own folders on this computer, in the user's data and cache folders: made for that user alone."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from napari_adasam.domain.errors import StorageError
from napari_adasam.files.atomic import not_written

ALONE = 0o700 if os.name == "posix" else 0o777
"""Others of this computer may neither list nor read. On Windows the user's own folders are so by themselves."""


def make_own_folder(folder: Path) -> Path:
    """Make a folder, and those above it that are missing, for this user alone; one that is there stays as it is.

    Raises StorageError if that is not possible.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        for one in reversed(missing):
            one.mkdir(mode=ALONE, exist_ok=True)
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is a file")
    except OSError as error:
        raise StorageError(not_written(folder, error)) from error
    return folder


def bytes_in(folder: Path) -> int:
    """How much the files in a folder and those below it take; what cannot be looked at counts nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(place, name).lstat().st_size
    return total
