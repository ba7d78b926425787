"""Files that another program has open, as on Windows."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import pytest


def hold(monkeypatch: pytest.MonkeyPatch, moves: int, number: int | None = 32) -> list[float]:
    """Let the first ``moves`` renames fail as on Windows; the pauses that are made."""
    real, left, slept = Path.replace, [moves], []

    def replace(path: Path, target: Path) -> Path:
        if left[0]:
            left[0] -= 1
            error = PermissionError(errno.EACCES, "held", str(path), None, str(target))
            if number is not None:
                error.winerror = number  # type: ignore[attr-defined]
            raise error
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept
