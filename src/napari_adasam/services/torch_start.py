"""How torch starts beside a window: what must have happened before it is imported, and how much it may take.

Imports nothing heavy itself.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, cast

WAITING, ASLEEP = "OMP_WAIT_POLICY", "passive"
"""How threads of OpenMP wait, which is read when torch is imported."""
HEAVY = ("torch", "torchvision", "timm")
"""What takes seconds to import, each needed by the next."""
COMPILER = "torch._dynamo"


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
    for name in HEAVY:
        with no_collections():
            _import_without_compiler(name)
        yield


def _import_without_compiler(name: str) -> None:
    """Import a package, and torch's compiler only if it asks more of it than :func:`compiler_put_off` knows."""
    try:
        with compiler_put_off():
            importlib.import_module(name)
    except (ImportError, AttributeError, TypeError):
        importlib.import_module(name)


@contextlib.contextmanager
def compiler_put_off() -> Iterator[None]:
    """Leave torch's compiler unimported in the block, unless it was imported before: torch imports it when it is used.

    Importing it takes a third of the time of importing torch and timm (docs/speed.md), and nothing here compiles.
    torchvision only takes the name of a question to it, which is passed on to it when somebody asks, and timm marks
    functions that it shall leave alone: they get the mark that it looks for.
    """
    if COMPILER in sys.modules:
        yield
        return
    stand_in, questions = ModuleType(COMPILER), ModuleType(f"{COMPILER}.utils")
    vars(stand_in).update(__path__=[], disable=_left_alone)
    vars(questions).update(is_compile_supported=_is_compile_supported)
    both = {module.__name__: module for module in (stand_in, questions)}
    sys.modules.update(both)
    try:
        yield
    finally:
        for name, module in both.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def _left_alone(function: Callable[..., Any], recursive: bool = True, reason: str | None = None) -> Callable[..., Any]:
    """The function with the mark by which torch's compiler knows that it is not to be compiled."""
    if not recursive:
        raise TypeError("expected a function that is left alone with all that it calls, got recursive=False")
    vars(function).update(_torchdynamo_disable=True, _torchdynamo_disable_msg=reason)
    return function


def _is_compile_supported(device: str) -> bool:
    """Whether torch's compiler can compile for a device, by its own word; imports it."""
    return bool(importlib.import_module(f"{COMPILER}.utils").is_compile_supported(device))


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
