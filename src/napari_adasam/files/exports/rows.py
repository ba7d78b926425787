"""The table of measurements, written frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from numpy.typing import NDArray

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Frame
from napari_adasam.files.exports.options import Item, ReadPixels
from napari_adasam.files.exports.table import measurements_csv
from napari_adasam.files.pixels import to_grey

FILE = "measurements.csv"


class TableFile:
    """Writes the rows of each frame as it comes, under one header.

    Parameters
    ----------
    names
        Frame id to the frame's name in the export.
    pixels
        Gives a frame's picture; ``None`` if there are none.
    """

    def __init__(self, file: IO[bytes], names: Mapping[str, str], pixels: ReadPixels | None) -> None:
        self._file = file
        self._names = names
        self._pixels = pixels
        self._begun = False

    def add(self, item: Item) -> None:
        """Write the rows of one frame."""
        annotations = {item.frame.id: item.annotation}
        table = measurements_csv(annotations, [item.frame], item.structures, self._names, self.grey)
        header, _, rows = table.partition(b"\n")
        self._file.write(rows if self._begun else header + b"\n" + rows)
        self._begun = True

    def finish(self) -> None:
        """Nothing is left to do."""

    def grey(self, frame: Frame) -> NDArray[Any] | None:
        """(height, width) grey values in the picture's own bit depth; ``None`` if the picture cannot be read."""
        if self._pixels is None:
            return None
        try:
            pixels = self._pixels(frame)
        except InputError:
            return None
        return pixels if pixels.ndim == 2 else to_grey(pixels)
