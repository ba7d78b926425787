"""Whether a window can be opened here, and a virtual screen where there is none. Imports no Qt itself."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from napari_adasam.domain.errors import AdasamError

BINDINGS = ("PySide6", "PyQt6")
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")
SIZE = "1366x768x24"


def no_window_because() -> str:
    """Why no window can be opened on this computer, in one sentence; empty if one can."""
    if not any(find_spec(binding) for binding in BINDINGS):
        return 'There is no Qt 6 here to draw a window with. Install it with: pip install "napari-adasam[all]".'
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in DISPLAYS):
        return (
            "There is no screen here to open a window on. Nothing was opened. Log in with a desktop, "
            "put xvfb-run before the command, or use `predict` and `train`, which need none."
        )
    return ""


def need_window() -> None:
    """Raise AdasamError where no window can be opened."""
    reason = no_window_because()
    if reason:
        raise AdasamError(reason)


def move_to_virtual_screen(arguments: Sequence[str]) -> None:
    """Start this command anew on a virtual screen, if there is no screen and one can be had; returns if not.

    Parameters
    ----------
    arguments
        Of ``napari-adasam``, without its name.
    """
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in DISPLAYS):
        virtual = shutil.which("xvfb-run")
        if virtual:
            server = ["--auto-servernum", f"--server-args=-screen 0 {SIZE}"]
            os.execv(virtual, [virtual, *server, sys.executable, "-m", "napari_adasam", *arguments])
