"""A session on its way into a new folder: there whole, or not there at all.

Its database has another name until :meth:`StoreCopy.finish`, so that a copy that was interrupted at any instant, by the
end of the process too, is no session; the same folder can be chosen again then, and masks that are there are not
written twice. Until it is finished its commits wait for nothing; before it becomes a session all has reached the disk.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator
from pathlib import Path

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.domain.renaming import replaced
from napari_adasam.files import home, past, schema
from napari_adasam.files.atomic import flush_folder
from napari_adasam.files.lock import FolderLock
from napari_adasam.files.masks import copy_mask
from napari_adasam.files.store import DATABASE, Store, is_session
from napari_adasam.files.store_sentences import not_saved

UNFINISHED = schema.UNFINISHED


def session_at(folder: Path) -> Path | None:
    """The folder itself if it holds a session; if one was being copied into it, that one's; ``None`` for neither."""
    if is_session(folder):
        return folder
    with contextlib.suppress(OSError, InputError):
        if (folder / UNFINISHED).is_file() and is_session(origin := home.kept_in(folder)):
            return origin
    return None


class StoreCopy(Store):
    """Made with :meth:`create`; may be called from any thread, and like any store once it is finished."""

    _name = UNFINISHED

    def __init__(self, folder: Path, connection: sqlite3.Connection, held: FolderLock) -> None:
        super().__init__(folder, connection, held)
        self._before = frozenset(self.masks.glob("*"))
        connection.execute("PRAGMA synchronous=NORMAL")

    @classmethod
    def _clear(cls, folder: Path) -> None:
        for path in folder.glob(f"{UNFINISHED}*"):
            path.unlink()

    def carry_past(self, folder: Path, after: int = 0) -> Generator[tuple[int, int], None, int]:
        """Take over what another session's folder has of the past, and can be read there; see :func:`past.carry`.

        Yields how many masks are there, and of how many; returns the number of the last version, for ``after``: then
        only what came behind it is taken over. Raises StorageError.
        """
        try:
            with contextlib.closing(schema.connect_to_read(folder / DATABASE)) as source:
                rows, last = past.rows_of(source, after)
        except (sqlite3.Error, InputError):
            return after
        names = list(dict.fromkeys(past.mask_of(row) for row in rows["annotations"]))
        sound = set(self._sound)
        for done, name in enumerate(names, start=1):
            with contextlib.suppress(InputError):
                copy_mask(folder / "masks", self.masks, name)
                sound.add(name)
            yield done, len(names)
        self._sound = frozenset(sound)
        with self._lock, self._transaction():
            past.carry(rows, self._sound, self._connection)
        return last

    def bring_down(self) -> None:
        """See to it that all written so far is on the disk. Raises StorageError."""
        with self._lock, self._told():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def finish(self) -> None:
        """Make it a session like any other. Raises StorageError or InputError, and is none then."""
        if is_session(self.folder):
            raise InputError(f"{self.folder} holds a session already; open it, or choose another folder.")
        with self._lock, self._told():
            self._connection.close()  # the last one to close brings all of it down
            for path in self.folder.glob(f"{DATABASE}-*"):
                path.unlink()  # of a session that is gone; SQLite would read it into this one
            replaced(self.folder / UNFINISHED, self.folder / DATABASE)
            self._name, self._sound = DATABASE, frozenset()
            flush_folder(self.folder)
            self._connection = schema.connect(self.folder / DATABASE)

    def discard(self) -> None:
        """Close it, and take away what was written of it."""
        super().discard()
        with contextlib.suppress(OSError):  # what cannot be taken away is of no harm
            for path in {*self.masks.glob("*")} - self._before:
                path.unlink()
            for folder in (self.masks, self.models):
                folder.rmdir()

    @contextlib.contextmanager
    def _told(self) -> Generator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise StorageError(not_saved(self.folder, error)) from error
