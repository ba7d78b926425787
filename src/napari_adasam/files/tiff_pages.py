"""Which pages of a TIFF are its frames: those of its first series, or all pages that are like the first one.

Programs that write page after page often make each page a series of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tifffile

from napari_adasam.files.tiff_headers import of_one_scale

REDUCED, MASK = 1, 4
"""Bits of a page's kind: a smaller copy of another page, or its transparency."""


@dataclass(frozen=True, slots=True)
class Place:
    """The number of a page, in the first series or in the file."""

    number: int
    in_series: bool


@dataclass(frozen=True, slots=True)
class Pages:
    """Which pages are frames.

    Parameters
    ----------
    places
        Their numbers in the file; empty where the frames are those of the first series.
    left_out
        How many other pictures the file has.
    why
        Why these are not frames.
    """

    places: tuple[int, ...] = ()
    left_out: int = 0
    why: str = ""

    def place(self, index: int) -> Place:
        """Where frame ``index`` is."""
        return Place(self.places[index], False) if self.places else Place(index, True)

    @property
    def note(self) -> str:
        """A sentence on what is not shown; empty where all is."""
        if not self.left_out:
            return ""
        pictures, are = ("picture", "is") if self.left_out == 1 else ("pictures", "are")
        return f"{self.left_out} further {pictures} in this file, of {self.why}, {are} not shown."


def find_pages(tiff: tifffile.TiffFile, frames: int) -> Pages:
    """Look through the pages of an open file whose first series has so many frames."""
    series = tiff.series[0]
    if len(tiff.series) == 1 and len(tiff.pages) <= frames:
        return Pages()
    pages = list(_pictures(tiff))
    alike = tuple(place for place, page in pages if _kind(page) == _kind(series.keyframe))
    if len(alike) <= frames and not series.is_truncated:
        return Pages(left_out=max(0, len(pages) - frames), why="another size or kind")
    if series.is_truncated or not of_one_scale(tiff):
        return Pages(left_out=len(pages) - (1 if series.is_truncated else frames), why="other series")
    return Pages(alike, len(pages) - len(alike), "another size or kind")


def _pictures(tiff: tifffile.TiffFile) -> Iterator[tuple[int, Any]]:
    """Number and page of those that are no smaller copies of others."""
    for place in range(len(tiff.pages)):
        page: Any = tiff.pages[place]
        if not int(page.subfiletype) & (REDUCED | MASK):
            yield place, page


def _kind(page: Any) -> tuple[Any, ...]:
    return page.shape, page.dtype, page.axes
