"""napari with the dock open: what ``napari-adasam`` starts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import napari
from napari.viewer import Viewer
from qtpy.QtWidgets import QApplication

from napari_adasam.domain.settings import Settings
from napari_adasam.files.home import sessions_home
from napari_adasam.ui.assembly import make_annotator
from napari_adasam.ui.dock import AdasamDock, MakeAnnotator
from napari_adasam.ui.drops import WindowDrops

NAME = "AdaSAM ultrasound"
ROOM = (1366, 768)
"""Width and height in which every step of the work is seen, in pixels."""
FRAME_PX = 40
"""Left for the title bar that the system puts around a window."""


def open_window(paths: Sequence[Path] = (), make: MakeAnnotator | None = None) -> tuple[Viewer, AdasamDock]:
    """A viewer with the dock, with files, folders or a session's folder taken in. Does not start the event loop."""
    viewer = napari.Viewer(title=NAME, show=True, show_welcome_screen=False)
    dock = AdasamDock(viewer, make)
    viewer.window.add_dock_widget(dock, name=NAME, area="right")
    WindowDrops(dock)
    dock.open_panel.drops_go_anywhere()
    dock.setFocus()  # keys are commands from the start, and Tab goes through the panel
    if paths:
        dock.open([Path(path) for path in paths])
    return viewer, dock


def make_room(viewer: Viewer) -> None:
    """Make a window that is smaller than a small laptop's screen as large, as far as this screen allows."""
    area = QApplication.primaryScreen().availableGeometry()
    left, top, width, height = viewer.window.geometry()
    wide, high = min(ROOM[0], area.width()), min(ROOM[1], area.height() - FRAME_PX)
    if width < wide or height < high:
        left, top = min(left, area.right() - wide), min(top, area.bottom() - high)
        viewer.window.set_geometry(max(area.left(), left), max(area.top(), top), max(width, wide), max(height, high))


def launch(paths: Sequence[Path] = (), settings: Settings = Settings()) -> None:
    """Open the window and work until it is closed."""
    viewer, dock = open_window(paths, partial(make_annotator, settings=settings, home=sessions_home()))
    make_room(viewer)
    napari.run()
    dock.shut_down()
