"""How torch starts beside a window: what must have happened before it is imported, and how much it may take.

Imports nothing heavy itself.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import cast

WAITING, ASLEEP = "OMP_WAIT_POLICY", "passive"
"""How threads of OpenMP wait, which is read when torch is imported."""


def keep_triton_out() -> None:
    """Make ``import triton`` fail in this process, on Linux, unless it was imported already.

    torch imports triton at the first optimiser. Where Mesa's software GL has loaded its LLVM before, triton's own LLVM
    then ends the process with a segmentation fault. This program compiles nothing, and torch works without triton.
    """
    if sys.platform.startswith("linux"):
        modules = cast("dict[str, ModuleType | None]", sys.modules)
        modules.setdefault("triton", None)


def share_cores() -> None:
    """Let torch compute beside a window that draws; on the thread that will compute, before torch is imported.

    torch's threads wait for each other after every operation, and spin while they wait. Where something else draws or
    computes on one of their cores, all of them stand: on two cores a click took 208 ms with two threads that spin, and
    42 ms with one (docs/speed.md). Threads that sleep while they wait take no longer than one alone there, and two
    thirds of its time where nothing else goes on. Where torch has been imported already it is too late for that: then
    it computes with one core less than there are. Whoever has set ``OMP_NUM_THREADS`` knows better.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault(WAITING, ASLEEP)
        return
    if "OMP_NUM_THREADS" not in os.environ and os.environ.get(WAITING, "").casefold() != ASLEEP:
        import torch

        torch.set_num_threads(max(1, min(torch.get_num_threads(), _cores() - 1)))


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform.startswith("linux") else os.cpu_count() or 1
