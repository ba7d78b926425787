"""The valid region of each frame, for the model: by hand where a person has set it, found in the picture otherwise."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.records import Mask
from napari_adasam.domain.sector import Sector
from napari_adasam.domain.sector_finding import find_sector
from napari_adasam.files.clips import Clip
from napari_adasam.services.scan_sectors import sector_of_file

KEPT = 64
"""Regions kept as masks, of the frames asked for last."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A valid region (height, width) bool, and a key that is another one for another region."""

    mask: Mask = field(repr=False)
    key: str

    def alone(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture (height, width) with the one grey out of the region that is most frequent there.

        No text and no bars, but a screen of the brightness that models have seen around scans.
        """
        plain = int(np.bincount(grey[~self.mask], minlength=1).argmax())
        return np.where(self.mask, grey, plain).astype(np.uint8)


class Regions:
    """Sectors by frame. Set on the GUI thread, read on the lane's: each is a single access to a dictionary.

    Parameters
    ----------
    clip_of
        The file of a frame, by the frame's id: all frames of a file have one sector. Without it, each picture has its
        own.
    """

    def __init__(self, clip_of: Callable[[str], Clip] | None = None) -> None:
        self.clip_of = clip_of
        self._by_hand: dict[str, Sector] = {}
        self._found: dict[str, Sector] = {}
        self._made: dict[str, tuple[Sector, Region]] = {}

    def set(self, frame_id: str, sector: Sector | None) -> None:
        """Take a sector by hand, or (``None``) forget it."""
        if sector is None:
            self._by_hand.pop(frame_id, None)
        else:
            self._by_hand[frame_id] = sector

    def known(self, frame_id: str) -> bool:
        """Whether the sector was found already. InputError if the file cannot be read."""
        return (frame_id if self.clip_of is None else self.clip_of(frame_id).frames[0].file_id) in self._found

    def found(self, frame_id: str, grey: NDArray[np.uint8] | None = None) -> Sector:
        """The sector that is found in a frame's file, or in its grey pixels (height, width). InputError."""
        if self.clip_of is not None:
            clip = self.clip_of(frame_id)
            file_id = clip.frames[0].file_id
            return self._found.get(file_id) or self._found.setdefault(file_id, sector_of_file(clip))
        if grey is None:
            raise ValueError("expected grey pixels where there are no files")
        return self._found.get(frame_id) or self._found.setdefault(frame_id, find_sector(grey))

    def of(self, frame_id: str, grey: NDArray[np.uint8]) -> Region | None:
        """The region of a frame with these grey pixels (height, width); ``None`` for the whole picture."""
        sector = self._by_hand.get(frame_id) or self.found(frame_id, grey)
        if sector.kind == "whole":
            return None
        kept = self._made.get(frame_id)
        if kept is not None and kept[0] == sector:
            return kept[1]
        digest = hashlib.sha256(repr(sector.outline).encode()).hexdigest()[:12]
        region = Region(sector.mask((grey.shape[0], grey.shape[1])), digest)
        self._made[frame_id] = (sector, region)
        while len(self._made) > KEPT:
            del self._made[next(iter(self._made))]
        return region
