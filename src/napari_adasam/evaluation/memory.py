"""How much memory this process has. Imports nothing but the standard library."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def resident_mb() -> float:
    """Memory that this process has now; its most so far where the system does not tell; 0 where it tells nothing."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 2**10
