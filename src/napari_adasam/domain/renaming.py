"""Renaming a finished file to its place; on Windows other programs hold fresh files for a moment."""

from __future__ import annotations

import time
from pathlib import Path

HELD = (5, 32, 33)
"""Windows' numbers for a file that another program has open: access denied, sharing violation, lock violation."""
PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.6)
"""Seconds between attempts to rename: virus scanners and indexers hold fresh files for a moment. About 2 s in all."""


def replaced(source: Path, target: Path) -> None:
    """Rename a file or folder, in place of what is there; waits about 2 s where another program holds one of them.

    Raises OSError, at once where waiting does not help.
    """
    for pause in PAUSES:
        try:
            source.replace(target)
            return
        except PermissionError as error:
            if not is_held(error):
                raise
        time.sleep(pause)
    source.replace(target)


def is_held(error: OSError) -> bool:
    """Whether an error means that another program has a file open."""
    return getattr(error, "winerror", None) in HELD
