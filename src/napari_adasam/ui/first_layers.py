"""What napari makes at its first layers, made before there is one: the window would stand still for it.

pandas keeps the features of points and labels, scikit-image has the colours of labels, SciPy makes thumbnails, and pint
reads its table of units when a layer first asks for one: the lane has the time for it while somebody looks for a file.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Generator
from typing import Any

from napari_adasam.services.torch_start import no_collections

IMPORTED = ("pandas", "skimage.color.colorconv", "scipy.ndimage")


def prepare() -> Generator[None, None, Callable[[], None]]:
    """The job, on any thread; what it returns puts the units in place, and is to be called on the window's thread."""
    for name in IMPORTED:
        with contextlib.suppress(ImportError), no_collections():  # napari would say so itself
            importlib.import_module(name)
        yield
    if not _untouched():
        return _nothing
    units = _pint().LazyRegistry()
    with no_collections():
        units.parse_units("mm")
    return lambda: _use(units)


def _untouched() -> bool:
    """Whether nobody has asked for a unit in this process yet, nor set a table of their own."""
    pint = _pint()
    return isinstance(pint.get_application_registry().get(), pint.LazyRegistry)


def _pint() -> Any:
    return importlib.import_module("pint")  # napari's own, and not typed


def _use(units: Any) -> None:
    """Take the units that were read as those of the process: the same as it would read itself, but now."""
    if _untouched():
        _pint().set_application_registry(units)


def _nothing() -> None:
    """The units are there."""
