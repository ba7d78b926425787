"""Where sessions are kept that nobody has chosen a folder for: one for each folder or file that is opened."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_data_path

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.files import schema
from napari_adasam.files.atomic import not_written, write_whole

MOVED = "moved.txt"


def sessions_home() -> Path:
    """The folder of these sessions, in the user's data folder of this computer."""
    return user_data_path("napari-adasam") / "sessions"


def earlier_folders(home: Path, opened: Path) -> list[Path]:
    """The folders that were made for sessions of a picture or a folder of pictures: the first, then the newest first.

    There are several where a session was begun beside one that could not be opened.
    """
    first = _folder(home, opened)
    numbers = (path.name.rpartition("-")[2] for path in home.glob(f"{first.name}-*"))
    later = sorted((int(number) for number in numbers if number.isdecimal()), reverse=True)
    return [
        folder for folder in (first, *(first.with_name(f"{first.name}-{at}") for at in later)) if os.path.isdir(folder)
    ]


def kept_in(folder: Path) -> Path:
    """Where the session of such a folder is kept now. InputError if it was moved to a place that is not there now.

    One that was kept elsewhere several times is in the last of the folders.
    """
    seen, moved = [folder], _moved_to(folder)
    while moved is not None and moved not in seen:
        seen.append(moved)
        moved = _moved_to(moved)
    moved = seen[-1]
    if not os.path.isdir(moved):
        raise InputError(
            f"Your earlier work on these images is in {moved}, which is not there now, so another session is used. "
            "To go on with the earlier one, close this window, connect its disk, and open the images again."
        )
    return moved


def _moved_to(folder: Path) -> Path | None:
    word = folder / MOVED
    return Path(os.fsdecode(word.read_bytes())) if word.is_file() else None


def known_pictures_folder(home: Path, pictures: Mapping[str, str]) -> Path | None:
    """The folder of the session of these pictures (frame id to path), though they were not opened in this way before.

    That is the latest one that has all of them, and where they lie: they were opened with others then, or in another
    order. Else it is the one that most of them are in, and all of whose files have gone from their place: their folder
    was moved or renamed since. ``None`` if there is no such session.
    """
    here: list[Path] = []
    best, most = None, 0
    for database in sorted(home.glob(f"session-*/{schema.DATABASE}")):
        try:
            connection = schema.connect_to_read(database)
            rows = connection.execute("SELECT frame_id, path FROM frames").fetchall()
            connection.close()
        except (sqlite3.Error, InputError):
            continue
        places = dict(rows)
        if pictures.items() <= places.items():
            here.append(database)
        shared = sum(frame_id in places for frame_id in pictures)
        if shared > most and not any(os.path.exists(path) for path in places.values()):
            best, most = database.parent, shared
    return max(here, key=lambda database: database.stat().st_mtime_ns).parent if here else best


def new_folder(home: Path, opened: Path) -> Path:
    """A folder for a new session of these pictures that is not there yet."""
    name, number = _folder(home, opened), 1
    folder = name
    while folder.exists():
        number += 1
        folder = name.with_name(f"{name.name}-{number}")
    return folder


def leave_word(folder: Path, new: Path) -> None:
    """Note in a session's folder that the session is kept in another one from now on. Raises StorageError."""
    write_whole(folder / MOVED, os.fsencode(new.resolve()))


def drop_word(folder: Path) -> None:
    """Take away what a session that was in this folder before has left there. Raises StorageError."""
    try:
        (folder / MOVED).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(not_written(folder / MOVED, error)) from error


def _folder(home: Path, opened: Path) -> Path:
    """Named by a hash of the path: names of folders may be those of people."""
    path = str(opened.resolve()).encode(errors="surrogatepass")
    return home / f"session-{hashlib.sha256(path).hexdigest()[:16]}"
