"""How much memory this process has, and those that it has started. Imports nothing but the standard library."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path


def resident_mb() -> float:
    """Memory that it has now, on Linux with its children; else its own, the most so far; 0 where nobody tells."""
    with contextlib.suppress(OSError):
        return _pages("self") * os.sysconf("SC_PAGE_SIZE") / 2**20
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 2**10


def forget_peak() -> None:
    """Let :func:`peak_mb` begin anew, where the system allows it (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    """The most memory that this process had since :func:`forget_peak`, or since its start; 0 where nobody tells."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)
    return resident_mb()


def _pages(process: str) -> int:
    """Resident pages of a process of Linux and of its children; a child that is gone meanwhile has none."""
    home = Path("/proc", process)
    found = int((home / "statm").read_text().split()[1])
    for thread in (home / "task").iterdir():
        with contextlib.suppress(OSError):
            for child in (thread / "children").read_text().split():
                found += _pages(child)
    return found
