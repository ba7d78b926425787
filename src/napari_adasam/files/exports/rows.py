"""The table of measurements, written frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Frame
from napari_adasam.files.exports.options import FindScan, Item, ReadPixels
from napari_adasam.files.exports.table import measurements_csv
from napari_adasam.files.pixels import grey_levels

FILE = "measurements.csv"


class TableFile:
    """Writes the rows of each frame as it comes, under one header.

    Parameters
    ----------
    names
        Frame id to the frame's name in the export.
    pixels, scan
        Of :class:`ExportOptions`.
    """

    def __init__(
        self, file: IO[bytes], names: Mapping[str, str], pixels: ReadPixels | None, scan: FindScan | None = None
    ) -> None:
        self._file = file
        self._names = names
        self._pixels = pixels
        self._scan = scan
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
        """(height, width) grey values in the picture's own bit depth; ``None`` if the picture cannot be read.

        They are masked where the picture does not show the scan.
        """
        if self._pixels is None:
            return None
        try:
            grey = grey_levels(self._pixels(frame))
            scan = None if self._scan is None else self._scan(frame)
        except InputError:
            return None
        return grey if scan is None else np.ma.array(grey, mask=~scan)
