"""The valid region of each frame, for the model: by hand where a person has set it, found in the picture otherwise."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.records import Mask
from napari_adasam.domain.sector import Sector
from napari_adasam.domain.sector_finding import find_sector


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A valid region (height, width) bool, and a key that is another one for another region."""

    mask: Mask = field(repr=False)
    key: str


class Regions:
    """Sectors by frame. Set on the GUI thread, read on the lane's: each is a single access to a dictionary."""

    def __init__(self) -> None:
        self._by_hand: dict[str, Sector] = {}
        self._found: dict[str, Sector] = {}

    def set(self, frame_id: str, sector: Sector | None) -> None:
        """Take a sector by hand, or (``None``) forget it."""
        if sector is None:
            self._by_hand.pop(frame_id, None)
        else:
            self._by_hand[frame_id] = sector

    def of(self, frame_id: str, grey: NDArray[np.uint8]) -> Region | None:
        """The region of a frame with these grey pixels (height, width); ``None`` for the whole picture."""
        sector = self._by_hand.get(frame_id)
        if sector is None:
            sector = self._found.get(frame_id) or self._found.setdefault(frame_id, find_sector(grey))
        if sector.kind == "whole":
            return None
        digest = hashlib.sha256(repr(sector.outline).encode()).hexdigest()[:12]
        return Region(sector.mask((grey.shape[0], grey.shape[1])), digest)
