"""The table of measurements, written frame by frame."""

from __future__ import annotations

from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Frame
from napari_adasam.files.exports.options import Item
from napari_adasam.files.exports.plan import Plan
from napari_adasam.files.exports.table import Further, given_columns, measurements_csv, table_csv
from napari_adasam.files.pixels import grey_levels
from napari_adasam.files.tables import composed

FILE = "measurements.csv"


class TableFile:
    """Writes the rows of each frame as it comes, under one header."""

    def __init__(self, file: IO[bytes], plan: Plan) -> None:
        self._file = file
        self._plan = plan
        self._begun = False

    def add(self, item: Item) -> None:
        """Write the rows of one frame."""
        annotations = {item.frame.id: item.annotation}
        # A frame without its name is not found in the user's table; what was found by the name goes in its place.
        given = {composed(item.frame.stem): row} if (row := self._plan.given.get(item.frame.id)) else {}
        further = Further(given, self._plan.extras.erosion_mm)
        table = measurements_csv(annotations, [item.frame], item.structures, self._plan.names, self.grey, further)
        header = table_csv((), given_columns(given))  # of several lines, where a column's name is
        self._file.write(table.removeprefix(header) if self._begun else table)
        self._begun = True

    def finish(self) -> None:
        """Nothing is left to do."""

    def grey(self, frame: Frame) -> NDArray[Any] | None:
        """(height, width) grey values as the picture's file has them; ``None`` if it cannot be read.

        They are masked where the picture does not show the scan.
        """
        if self._plan.pixels is None:
            return None
        try:
            own = self._plan.own_values(frame)
            grey = grey_levels(self._plan.pixels(frame) if own is None else own)
            scan = None if self._plan.scan is None else self._plan.scan(frame)
        except InputError:
            return None
        return grey if scan is None else np.ma.array(grey, mask=~scan)
