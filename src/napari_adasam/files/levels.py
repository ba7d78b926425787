"""The range of grey values of a whole file, so that all of its frames are shown alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from napari_adasam.files.scaling import NO_NUMBERS, WHITE, Ends, Pixels, ends_of_all

ALL_BYTES = 1 << 28
"""Of a larger file not every frame is looked at, for that would take long."""
MOST_LOOKED_AT = 64
WHITE_SHARE = 0.005


class Levels:
    """The range of a file's values, looked up when it is opened, which is done on the lane.

    Of a file of more than :data:`ALL_BYTES` that is of 64 frames at even distances; values beyond are black or white.

    Parameters
    ----------
    read
        Gives a frame's pixels, their values scaled from these ends; as they are for ``None``.
    ends_at
        Gives the ends of a frame's values; ``None`` where these are shown as they are.
    frames
        How many there are.
    frame_bytes
        What one takes in the file.

    Raises
    ------
    Exception
        What ``ends_at`` raises, where the file is damaged.
    """

    def __init__(
        self,
        read: Callable[[int, Ends | None], Pixels],
        ends_at: Callable[[int], Ends] | None,
        frames: int,
        frame_bytes: int,
    ) -> None:
        self._read, self._frames = read, frames
        self.ends: Ends | None = None
        """Of all frames."""
        if ends_at is not None:
            most = frames if frames * frame_bytes <= ALL_BYTES else MOST_LOOKED_AT
            self.ends = ends_of_all([ends_at(index) for index in self._places(most)])

    def noted(self, note: str) -> str:
        """A frame's note, with a sentence behind it where some of the values are no numbers."""
        return f"{note} {NO_NUMBERS}".strip() if self.ends is not None and self.ends.gaps else note

    def pixels(self, index: int) -> Pixels:
        """A frame as uint8 or uint16: as it is, or scaled as all others are."""
        return self._read(index, self.ends)

    def white_of_all(self) -> Callable[[], int] | None:
        """For :class:`Clip`: gives :attr:`white`; ``None`` for one frame alone."""
        return None if self._frames < 2 else lambda: self.white

    @cached_property
    def white(self) -> int:
        """The value, 1 to 65535, that :data:`WHITE_SHARE` of the pixels of all frames as they are given reach.

        Not the greatest: a few vessels or a metal clip would leave all the rest of a volume dark. It is for the model,
        so it is looked up when one is first asked.
        """
        counts = np.zeros(WHITE + 1, np.int64)
        for index in self._places(MOST_LOOKED_AT):
            counts += np.bincount(self.pixels(index).ravel(), minlength=WHITE + 1)
        below = np.cumsum(counts) < (1 - WHITE_SHARE) * counts.sum()
        return max(1, int(below.sum()))

    def _places(self, most: int) -> list[int]:
        places = np.linspace(0, self._frames - 1, min(self._frames, most)).round()
        return [int(place) for place in places]
