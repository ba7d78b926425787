"""What a session's database may define: plain tables and the program's own triggers. The file may be a stranger's."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable


def check_plain(connection: sqlite3.Connection, names: Collection[str], triggers: Iterable[str]) -> None:
    """Raise sqlite3.DatabaseError where one of ``names`` is no plain table, or there is a trigger of another's.

    A view, a generated column or a virtual table could give rows without end, however small the file is.
    """
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")
    own = frozenset(triggers)
    there = connection.execute("SELECT name, type, rootpage, sql FROM sqlite_master").fetchall()
    for name, kind, root, sql in there:
        if kind == "trigger" and sql not in own:
            raise sqlite3.DatabaseError(f"{name} is a trigger of another program")
        if kind in ("table", "view") and name.lower() in names and not _is_plain(connection, name, kind, root):
            raise sqlite3.DatabaseError(f"{name} is no plain table")


def _is_plain(connection: sqlite3.Connection, name: str, kind: str, root: int) -> bool:
    """Whether it is a table, not a virtual one, and all of its columns are stored."""
    if kind != "table" or not root:
        return False
    columns = connection.execute("SELECT hidden FROM pragma_table_xinfo(?)", (name,)).fetchall()
    return not any(hidden for (hidden,) in columns)
