"""Images that are open in napari, and the session: what is offered to it, and what it has taken over."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from napari.layers import Image, Layer

from napari_adasam.domain.records import Frame
from napari_adasam.ui.reader import FILES


def taken_in(layers: Iterable[Layer], frames: Iterable[Frame]) -> list[Layer]:
    """The layers of our reader that show nothing but files of the session, which shows them itself."""
    known = {os.path.abspath(frame.path) for frame in frames}
    ours = [(layer, layer.metadata.get(FILES)) for layer in layers]
    return [layer for layer, files in ours if files and known.issuperset(map(os.path.abspath, files))]


def not_taken_in(layers: Iterable[Layer], frames: Iterable[Frame]) -> list[Path]:
    """Files and folders to offer: those of the image layers, less what the session has, whichever way it came in.

    A folder is offered as a folder as long as nothing of it was taken in.
    """
    known = {os.path.abspath(frame.path) for frame in frames}
    offered: dict[Path, None] = {}
    for layer in layers:
        if isinstance(layer, Image):
            offered.update(dict.fromkeys(_of_layer(layer, known)))
    return list(offered)


def _of_layer(layer: Image, known: set[str]) -> list[Path]:
    source = None if layer.source.path is None else Path(layer.source.path)
    files = [Path(name) for name in layer.metadata.get(FILES, ())]
    if source is not None and source.is_dir() and not any(_lies_in(name, source) for name in known):
        return [source]
    if not files and source is not None and not source.is_dir():
        files = [source]
    return [path for path in files if os.path.abspath(path) not in known and path.exists()]


def _lies_in(name: str, folder: Path) -> bool:
    return Path(name).is_relative_to(os.path.abspath(folder))
