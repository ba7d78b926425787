"""napari with the dock open: what ``napari-adasam`` starts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import napari
from napari.viewer import Viewer

from napari_adasam.domain.settings import Settings
from napari_adasam.files.home import sessions_home
from napari_adasam.ui.assembly import make_annotator
from napari_adasam.ui.dock import AdasamDock, MakeAnnotator

NAME = "AdaSAM ultrasound"


def open_window(paths: Sequence[Path] = (), make: MakeAnnotator | None = None) -> tuple[Viewer, AdasamDock]:
    """A viewer with the dock, with files, folders or a session's folder taken in. Does not start the event loop."""
    viewer = napari.Viewer(title=NAME, show=True, show_welcome_screen=False)
    dock = AdasamDock(viewer, make)
    viewer.window.add_dock_widget(dock, name=NAME, area="right")
    if paths:
        dock.open([Path(path) for path in paths])
    return viewer, dock


def launch(paths: Sequence[Path] = (), settings: Settings = Settings()) -> None:
    """Open the window and work until it is closed."""
    _, dock = open_window(paths, partial(make_annotator, settings=settings, home=sessions_home()))
    napari.run()
    dock.shut_down()
