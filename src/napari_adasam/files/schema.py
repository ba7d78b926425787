"""The tables of ``session.sqlite``, and transactions that have reached the disk when they end."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from itertools import chain
from pathlib import Path, PurePath
from types import TracebackType
from urllib.parse import quote

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.files.store_sentences import made_by_newer, may_not_be_written, not_saved
from napari_adasam.files.trust import check_plain

DATABASE = "session.sqlite"
UNFINISHED = "unfinished.sqlite"
"""What it is called in a folder that a session is being copied into."""
VERSION = 6
"""1: before scales and sectors by hand; 2: with scales, sectors, drafts and serving; 3: with remarks and readers;
4: with propagated masks; 5: with the place that one left; 6: with what one chose, and what was suggested before."""
COLUMNS = {
    "frames": (
        "frame_id TEXT NOT NULL",
        "path TEXT NOT NULL",
        "position INTEGER NOT NULL",
        "height INTEGER NOT NULL",
        "width INTEGER NOT NULL",
        "stem TEXT NOT NULL",
        "y_mm REAL",
        "x_mm REAL",
        "scale_source TEXT",
        "note TEXT NOT NULL",
    ),
    "structures": ("list TEXT NOT NULL",),
    "statuses": ("frame_id TEXT NOT NULL", "status TEXT NOT NULL"),
    "annotations": (
        "frame_id TEXT NOT NULL",
        "mask TEXT NOT NULL",
        "origins TEXT NOT NULL",
        "changed_share TEXT NOT NULL",
        "seconds REAL NOT NULL",
        "model TEXT NOT NULL",
    ),
    "ticks": ("frame_id TEXT NOT NULL", "structure INTEGER NOT NULL", "present INTEGER"),
    "scales": ("frame_id TEXT NOT NULL", "y_mm REAL", "x_mm REAL", "source TEXT"),
    "sectors": ("frame_id TEXT NOT NULL", "sector TEXT"),
    "remarks": ("frame_id TEXT NOT NULL", "note TEXT NOT NULL", "unusable INTEGER NOT NULL"),
    "readers": ("name TEXT NOT NULL", "folder TEXT NOT NULL"),
    "rounds": ("number INTEGER NOT NULL", "model TEXT NOT NULL", "accepted INTEGER NOT NULL", "report TEXT NOT NULL"),
    "serving": ("file TEXT NOT NULL",),
    "drafts": (
        "frame_id TEXT NOT NULL",
        "height INTEGER NOT NULL",
        "width INTEGER NOT NULL",
        "labels BLOB NOT NULL",
        "touched TEXT NOT NULL",
        "origins TEXT NOT NULL",
        "changed_share TEXT NOT NULL",
        "seconds REAL NOT NULL",
        "model TEXT NOT NULL",
    ),
    "propagated": (
        "frame_id TEXT NOT NULL",
        "height INTEGER NOT NULL",
        "width INTEGER NOT NULL",
        "labels BLOB NOT NULL",
        "source TEXT NOT NULL",
        "outline TEXT NOT NULL",
        "confidence REAL NOT NULL",
        "present TEXT NOT NULL",
        "model TEXT NOT NULL",
    ),
    "places": ("frame_id TEXT NOT NULL", "how TEXT NOT NULL", "seed INTEGER NOT NULL"),
    "choices": (
        "model TEXT NOT NULL",
        "base TEXT",
        "method TEXT NOT NULL",
        "slices INTEGER NOT NULL",
        "every INTEGER NOT NULL",
    ),
    "suggested": (
        "frame_id TEXT NOT NULL",
        "structure INTEGER NOT NULL",
        "height INTEGER NOT NULL",
        "width INTEGER NOT NULL",
        "mask BLOB NOT NULL",
    ),
}
"""Each table also has ``row``, counting up, and ``at``, when it was written (UTC).

In ``scales`` and ``sectors`` a row of ``NULL`` takes one back.
"""
OF_FRAMES = ("drafts", "propagated")
"""What an accept of their frame overtakes."""
PASSING = (*OF_FRAMES, "places", "suggested")
"""Tables whose rows go when they have been overtaken; in all others rows are only added."""
TRIGGERS = {
    table: tuple(
        f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, 'rows are never changed'); END"
        for change in ("UPDATE", "DELETE")
    )
    for table in COLUMNS
    if table not in PASSING
}
"""What sees to that."""


class Connection(sqlite3.Connection):
    """A connection that knows the number of its file on the disk; 0 before it is opened."""

    file_number = 0


class Transaction:
    """``with Transaction(connection, folder):`` all of it reaches the disk, or nothing and a StorageError."""

    def __init__(self, connection: sqlite3.Connection, folder: Path, name: str = DATABASE) -> None:
        self._connection = connection
        self._folder, self._name = folder, name

    def __enter__(self) -> None:
        connection = self._connection
        check_there(self._folder, self._name, connection.file_number if isinstance(connection, Connection) else 0)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise StorageError(not_saved(self._folder, error)) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            try:
                self._connection.execute("COMMIT")
                return
            except sqlite3.Error as failure:
                error = failure
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")
        if isinstance(error, (sqlite3.Error, UnicodeEncodeError)):
            raise StorageError(not_saved(self._folder, error)) from error


def connect(path: Path) -> sqlite3.Connection:
    """Open the database, write-ahead log on and every commit flushed; make the tables that it has not.

    Raises
    ------
    InputError
        If a newer program made it; it is left as it is.
    StorageError
        If it is of an earlier version and cannot be brought to this one; it is left as it was.
    sqlite3.Error
        If it cannot be opened, is no database, or cannot be written.
    """
    if path.exists() and not os.access(path, os.W_OK):  # SQLite opens it all the same, until something is written
        raise sqlite3.OperationalError("attempt to write a readonly database")
    connection = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False, factory=Connection)
    try:
        check_plain(connection, ("schema_version", *COLUMNS), chain(*TRIGGERS.values()))
        connection.file_number = path.stat().st_ino
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA fullfsync=ON")  # macOS: to the disk itself, not only to its own memory
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            _make_tables(connection, path)
        _bring_up_to_date(connection, path.parent)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open the database to read only, also where it or its folder may not be written.

    Raises as :func:`connect`; InputError, too, where changes lie beside it that cannot be read without writing.
    """
    failure: sqlite3.Error | None = None
    for how in ("mode=ro", "immutable=1"):  # the second needs no file beside it, and heeds none
        if failure is not None and may_not_be_written(failure) and _has_log(path):
            raise InputError(
                f"The session in {path.parent} was not closed, and its last changes cannot be read where nothing may "
                "be written. Nothing was changed; copy the whole folder to one of your own and open that."
            ) from failure
        try:
            connection, version = _opened_to_read(f"{database_uri(path.resolve())}?{how}")
        except sqlite3.Error as error:
            failure = error
            continue
        if version > VERSION:
            connection.close()
            raise InputError(made_by_newer(path.parent))
        return connection
    raise failure or sqlite3.OperationalError("unable to open")


def _opened_to_read(uri: str) -> tuple[sqlite3.Connection, int]:
    """The database and its version."""
    connection = sqlite3.connect(uri, uri=True, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        check_plain(connection, ("schema_version", *COLUMNS), chain(*TRIGGERS.values()))
        return connection, _version(connection)
    except sqlite3.Error:
        connection.close()
        raise


def database_uri(path: PurePath) -> str:
    """SQLite's URI of an absolute path, never with an authority: ``file:////nas/case/…`` of a UNC path."""
    plain = path.as_posix()
    return f"file://{'' if plain.startswith('/') else '/'}{quote(os.fsencode(plain), safe='/:')}"


def _version(connection: sqlite3.Connection) -> int:
    """The version of the tables; sqlite3.DatabaseError where none is noted."""
    found = connection.execute("SELECT version FROM schema_version LIMIT 1").fetchone()
    if found is None or not isinstance(found[0], int):
        raise sqlite3.DatabaseError("no version is noted")
    return found[0]


def _has_log(path: Path) -> bool:
    """Whether a write-ahead log lies beside the database, with changes that are not in it yet."""
    log = path.with_name(f"{path.name}-wal")
    return log.is_file() and log.stat().st_size > 0


def names(table: str) -> tuple[str, ...]:
    """The columns of a table, but ``row`` and ``at``."""
    return tuple(column.split()[0] for column in COLUMNS[table])


def insert(table: str, columns: Sequence[str] = ()) -> str:
    """The statement that adds a row, with these columns or all but ``row`` and ``at``."""
    filled = columns or names(table)
    return f"INSERT INTO {table} ({', '.join(filled)}) VALUES ({', '.join('?' * len(filled))})"


def select(table: str) -> str:
    """The statement that reads all rows, oldest first."""
    return f"SELECT {', '.join(names(table))} FROM {table} ORDER BY row"


def check_there(folder: Path, name: str = DATABASE, file_number: int = 0) -> None:
    """StorageError where the session's database is not at its place any more, or another file is: of other number.

    SQLite would go on writing to a file that was deleted, moved, replaced or unmounted, without an error.
    """
    if not os.path.isfile(folder / name):
        raise StorageError(
            f"The last change was not saved: {folder} is not there any more. If it is on a drive, plug it in again and "
            "repeat; or keep the session in another folder."
        )
    if file_number not in (0, os.stat(folder / name).st_ino):
        raise StorageError(
            f"The last change was not saved: another program, such as one that keeps copies of folders alike, has "
            f"replaced {name} in {folder} since it was opened. Your work is still here; keep the session in another "
            "folder."
        )


def _make_tables(connection: sqlite3.Connection, path: Path) -> None:
    with Transaction(connection, path.parent, path.name):
        connection.execute("CREATE TABLE schema_version (version INTEGER NOT NULL)")
        connection.execute("INSERT INTO schema_version VALUES (?)", (VERSION,))
        for table in COLUMNS:
            _make_table(connection, table)


def _make_table(connection: sqlite3.Connection, table: str) -> None:
    stamp = "at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"
    connection.execute(f"CREATE TABLE {table} (row INTEGER PRIMARY KEY, {stamp}, {', '.join(COLUMNS[table])})")
    for statement in TRIGGERS.get(table, ()):
        connection.execute(statement)


def _bring_up_to_date(connection: sqlite3.Connection, folder: Path) -> None:
    """Add the tables that an earlier version did not know; what is in the others stays as it is."""
    version = _version(connection)
    if version > VERSION:
        raise InputError(made_by_newer(folder))
    if version == VERSION:
        return
    with Transaction(connection, folder):
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table in COLUMNS:
            if table not in there:
                _make_table(connection, table)
        connection.execute("UPDATE schema_version SET version = ?", (VERSION,))
