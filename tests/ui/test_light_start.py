"""Opening the dock waits for nothing that only some later step needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_adasam.domain.lazily import Lazily

LATER = ("torch", "pydicom", "nibabel", "av", "scipy.spatial")


def test_the_dock_imports_no_readers_and_nothing_of_torch() -> None:
    order = f"import sys, napari_adasam.ui.dock; print([name for name in {LATER!r} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", order], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_a_module_is_imported_when_something_of_it_is_used() -> None:
    late = Lazily("colorsys")
    assert late.rgb_to_hsv(1.0, 0.0, 0.0) == (0.0, 1.0, 1.0)
    with pytest.raises(ModuleNotFoundError, match="this_is_not_there"):
        _ = Lazily("this_is_not_there").anything
