"""The range of grey values of a whole file, so that all of its frames are shown alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_adasam.files.clips import WHITE, Pixels, ends_of, to_unsigned

ALL_BYTES = 1 << 28
"""Of a larger file not every frame is looked at, for that would take long."""
MOST_LOOKED_AT = 64
WHITE_SHARE = 0.005


class Levels:
    """The smallest and the greatest value of a file, looked up once, when a frame is first read.

    Of a file of more than :data:`ALL_BYTES` that is of 64 frames at even distances; values beyond are black or white.

    Parameters
    ----------
    values
        Gives the values of a frame.
    frames
        How many there are.
    frame_bytes
        What one takes in the file.
    """

    def __init__(self, values: Callable[[int], NDArray[Any]], frames: int, frame_bytes: int) -> None:
        self._values, self._frames = values, frames
        self._looked_at = frames if frames * frame_bytes <= ALL_BYTES else min(frames, MOST_LOOKED_AT)

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The smallest and the greatest value; what is not a number counts as 0."""
        found = [ends_of(self._values(index)) for index in self._places(self._looked_at)]
        return min(low for low, _ in found), max(high for _, high in found)

    def pixels(self, index: int) -> Pixels:
        """A frame as uint8 or uint16, see :func:`to_unsigned`: as it is, or scaled as all others are."""
        values = self._values(index)
        return values if values.dtype in (np.uint8, np.uint16) else to_unsigned(values, self.ends)

    @cached_property
    def white(self) -> int:
        """The value, 1 to 65535, that :data:`WHITE_SHARE` of the pixels of all frames as they are given reach.

        Not the greatest: a few vessels or a metal clip would leave all the rest of a volume dark.
        """
        counts = np.zeros(WHITE + 1, np.int64)
        for index in self._places(MOST_LOOKED_AT):
            counts += np.bincount(self.pixels(index).ravel(), minlength=WHITE + 1)
        below = np.cumsum(counts) < (1 - WHITE_SHARE) * counts.sum()
        return max(1, int(below.sum()))

    def _places(self, most: int) -> list[int]:
        places = np.linspace(0, self._frames - 1, min(self._frames, most)).round()
        return [int(place) for place in places]
