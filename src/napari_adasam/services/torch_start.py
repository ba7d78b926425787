"""How torch starts beside a window: what must have happened before it is imported, and how much it may take.

Imports nothing heavy itself.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import cast


def keep_triton_out() -> None:
    """Make ``import triton`` fail in this process, on Linux, unless it was imported already.

    torch imports triton at the first optimiser. Where Mesa's software GL has loaded its LLVM before, triton's own LLVM
    then ends the process with a segmentation fault. This program compiles nothing, and torch works without triton.
    """
    if sys.platform.startswith("linux"):
        modules = cast("dict[str, ModuleType | None]", sys.modules)
        modules.setdefault("triton", None)


def leave_a_core() -> None:
    """Let torch compute with one core less than there are, on the thread that calls; it is imported here.

    torch's threads wait for each other after every operation, and spin while they wait. Where the window draws on one
    of their cores, all of them stand: on two cores a click took 208 ms with two threads and 42 ms with one
    (docs/speed.md). Whoever has set ``OMP_NUM_THREADS`` knows better.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(max(1, min(torch.get_num_threads(), _cores() - 1)))


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform.startswith("linux") else os.cpu_count() or 1
