"""Modules that take long to import and are needed by and by: imported at their first use."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Lazily:
    """Stands for a module until something of it is used; the import itself is safe on any thread.

    Parameters
    ----------
    name
        Of the module, in full.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        """Import the module, and give what it has of that name."""
        return getattr(import_module(self._name), attribute)


ndimage, spatial = Lazily("scipy.ndimage"), Lazily("scipy.spatial")
"""A third of a second, which opening the dock need not wait for."""
