"""What must have happened before torch is imported. Imports nothing heavy itself."""

from __future__ import annotations

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
