"""One window at a time on a session's folder: a lock that the system takes back when the process ends."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from pathlib import Path

from napari_adasam.domain.errors import InputError, OnlyReadableError

LOCK = "lock.sqlite"
HELD = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
"""How sqlite says that somebody has the lock; by the last, on network disks, that nobody could be asked."""


class FolderLock:
    """Held from :meth:`take` to :meth:`release`. The lock is an open transaction of a database of its own.

    ``busy`` is the sentence where somebody else has it; for a session's folder if not given. ``name`` is its file's.
    """

    def __init__(self, folder: Path, busy: str = "", name: str = LOCK) -> None:
        self._path = folder / name
        self._busy = busy or (
            f"The session in {folder} is open in another window. It was not opened a second time, so that "
            "nothing is written over. Go on in that window, or close it first."
        )
        self._connection: sqlite3.Connection | None = None

    def take(self) -> None:
        """Take the lock. Raises OnlyReadableError if somebody else has it, InputError if its file is damaged."""
        try:
            connection = sqlite3.connect(self._path, timeout=0.0, isolation_level=None, check_same_thread=False)
        except sqlite3.OperationalError:
            return  # a folder that may not be written to: the session itself will say so
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            connection.close()
            if error.sqlite_errorcode & 0xFF not in HELD:
                return  # the same
            raise OnlyReadableError(self._busy) from error
        except sqlite3.DatabaseError as error:
            connection.close()
            raise InputError(
                f"{self._path} is damaged, and nothing was opened; what was saved is safe. Close other windows on this "
                "folder, remove that one file, and open it again."
            ) from error
        self._connection = connection

    def release(self) -> None:
        """Let go; a second call does nothing."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def remove(self) -> None:
        """Let go, and leave no file."""
        if self._connection is None:
            return
        with contextlib.suppress(OSError):
            self._path.unlink()  # while nobody else can have it
        self.release()
        if sys.platform == "win32":  # where no open file can be removed
            with contextlib.suppress(OSError):
                self._path.unlink()
