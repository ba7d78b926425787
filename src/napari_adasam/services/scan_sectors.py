"""The scan sector of each frame: by hand, or found in its file's pictures; for the window and for what is exported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.calibration import NOT_SET, FrameSetup
from napari_adasam.domain.records import Frame, Mask
from napari_adasam.domain.sector import Sector
from napari_adasam.domain.sector_finding import brightest, find_sector
from napari_adasam.files.clips import Clip

CLIP_FRAMES = 5
"""A clip's sector is looked for in the maximum of so many of its frames."""

ReadGrey = Callable[[str], NDArray[np.uint8]]
"""Gives the grey picture (height, width) of a frame by its id; raises InputError."""


class ScanSectors:
    """Sectors of the frames of a session as they are set now. Any thread, one at a time.

    Parameters
    ----------
    frames
        All of the session: a clip has one sector for its frames.
    setups
        By frame id, what was set by hand.
    """

    def __init__(self, frames: Iterable[Frame], setups: Mapping[str, FrameSetup], grey: ReadGrey) -> None:
        self._setups = {frame_id: setup for frame_id, setup in setups.items() if setup.sector is not None}
        self._grey = grey
        self._clips: dict[str, list[Frame]] = {}
        for frame in frames:
            self._clips.setdefault(frame.file_id, []).append(frame)
        self._found: dict[str, Sector] = {}

    def mask(self, frame: Frame) -> Mask | None:
        """The scan in a frame, (height, width) bool; ``None`` for all of the picture. InputError if it is not read."""
        sector = self._setups.get(frame.id, NOT_SET).sector
        if sector is None:
            if frame.file_id not in self._found:
                self._found[frame.file_id] = sector_of_clip(self._clips[frame.file_id], self._grey)
            sector = self._found[frame.file_id]
        return None if sector.kind == "whole" else sector.mask((frame.height, frame.width))


def sector_of_clip(clip: Sequence[Frame], grey: ReadGrey) -> Sector:
    """Find the sector of a file's frames, in the maximum of some of them, evenly spread. Raises InputError."""
    step = max(1, len(clip) // CLIP_FRAMES)
    return find_sector(brightest([grey(frame.id) for frame in clip[::step][:CLIP_FRAMES]]))


def sector_of_file(clip: Clip) -> Sector:
    """The same for an opened file. Raises InputError."""
    indices = {frame.id: frame.index for frame in clip.frames}
    return sector_of_clip(clip.frames, lambda frame_id: clip.grey(indices[frame_id]))
