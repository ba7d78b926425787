"""How torch starts beside a window: what must have happened before it is imported, and how much it may take.

Imports nothing heavy itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import cast

HEAVY = ("torch", "torchvision", "timm")
"""What takes seconds to import, each needed by the next."""
LIBRARIES = ("libtorch_global_deps.so", "libtorch_cpu.so")
"""torch's own on Linux, in the order in which it loads them; the first for all to see."""


def keep_triton_out() -> None:
    """Make ``import triton`` fail in this process, on Linux, unless it was imported already.

    torch imports triton at the first optimiser. Where Mesa's software GL has loaded its LLVM before, triton's own LLVM
    then ends the process with a segmentation fault. This program compiles nothing, and torch works without triton.
    """
    if sys.platform.startswith("linux"):
        modules = cast("dict[str, ModuleType | None]", sys.modules)
        modules.setdefault("triton", None)


def imported_in_steps() -> Iterator[None]:
    """Import what is heavy, one package a step: whoever takes the steps can do something else in between."""
    _load_libraries()
    yield
    for name in HEAVY:
        with no_collections():
            importlib.import_module(name)
        yield


def _load_libraries() -> None:
    """Load torch's large libraries on Linux without Python's lock, which its import would hold for a third of a second.

    A library that is loaded already is not loaded again. Where this cannot be done, the import does it.
    """
    torch = importlib.util.find_spec("torch") if sys.platform.startswith("linux") else None
    if torch is None or torch.origin is None or "torch" in sys.modules:
        return
    load = ctypes.CDLL(None).dlopen  # ctypes.CDLL(path) holds the lock, a foreign function does not
    load.argtypes, load.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    for name, scope in zip(LIBRARIES, (os.RTLD_GLOBAL, os.RTLD_LOCAL), strict=True):
        path = Path(torch.origin).parent / "lib" / name
        if not path.is_file() or not load(os.fsencode(path), os.RTLD_NOW | scope):
            return


@contextlib.contextmanager
def no_collections() -> Iterator[None]:
    """Look for no cyclic garbage meanwhile, in the whole process.

    Importing torch and timm makes half a million objects that stay. The collector goes over them again and again, which
    is two fifths of the time of importing, and a window stands still for a third of a second each time (docs/speed.md).
    What is new counts as old afterwards, which costs nothing; otherwise the first collection would go over all of it.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if not gc.get_freeze_count():  # what somebody else has frozen must stay so
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def look_at_what_is_new() -> None:
    """Collect garbage once, among what was imported too; the collector then knows how much stays.

    Half a second (docs/speed.md) that would come in the middle of something later, when a quarter as much is new.
    """
    gc.collect()


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
