"""The slices of a volume, or the frames of a clip, on both sides of a frame: for models that look at stacks."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from napari_adasam.domain.records import Along, Frame
from napari_adasam.domain.stacks import slice_step
from napari_adasam.files.clips import Clip
from napari_adasam.files.dataset import Dataset
from napari_adasam.model.stacks import around
from napari_adasam.services.ports import Picture

BUDGET = 64 * 2**20
"""Bytes of pixels that are kept: neighbours are asked for again and again."""


Slices = tuple[Picture, ...]
"""A frame in the middle of its neighbours, in order, the ends of its volume or clip repeated."""


class Neighbours:
    """Reads the neighbours of a frame from its own file. Lane's thread.

    Parameters
    ----------
    clip_of
        The file of a frame, by the frame's id, ``None`` where it is of none. Without it no frame has neighbours.
    """

    def __init__(self, clip_of: Callable[[str], Clip | None] | None = None) -> None:
        self._clip_of = clip_of
        self._kept: OrderedDict[str, Picture] = OrderedDict()
        self._size = 0

    def around(self, frame: Picture, slices: int) -> Slices | None:
        """A frame's stack of so many slices; ``None`` where it is a file of its own. Raises InputError.

        The frames of a volume with time are neighbours at one moment only.
        """
        found = None if self._clip_of is None or slices < 2 else self._moment(frame.frame_id)
        if found is None:
            return None
        clip, frames = found
        at = next(i for i, one in enumerate(frames) if one.id == frame.frame_id)
        places = around(at, len(frames), slices)
        return tuple(frame if place == at else self._read(clip, frames[place]) for place in places)

    def slices(self, frame: Picture, slices: int) -> Slices:
        """The same; the frame alone where it has no neighbours."""
        return self.around(frame, slices) or (frame,)

    def apart(self, frame_id: str) -> float | None:
        """How far a frame lies from the next slices of its volume, in pixels of its own.

        ``None`` where it is a file of its own, or one that does not say that its frames lie side by side, and how far
        apart.
        """
        clip = None if self._clip_of is None else self._clip_of(frame_id)
        if clip is None or len(clip.frames) < 2:
            return None
        step, spacing = slice_step(clip.frames[0]), clip.frames[0].spacing
        return None if step is None or spacing is None else step / math.sqrt(spacing.pixel_area_mm2)

    def whole(self, frame_id: str) -> Slices | None:
        """All frames of a frame's volume or clip, in order; ``None`` where it is a file of its own. InputError."""
        found = None if self._clip_of is None else self._moment(frame_id)
        if found is None:
            return None
        clip, frames = found
        return tuple(self._read(clip, one) for one in frames)

    def _moment(self, frame_id: str) -> tuple[Clip, tuple[Frame, ...]] | None:
        """The file of a frame, and its frames at the same moment; ``None`` where that is one, or there is no file."""
        assert self._clip_of is not None
        clip = self._clip_of(frame_id)
        if clip is None:
            return None
        frames, slices = clip.frames, _slices_of_a_moment(clip.frames)
        if slices < len(frames):
            first = next(i for i, one in enumerate(frames) if one.id == frame_id) // slices * slices
            frames = frames[first : first + slices]
        return (clip, frames) if len(frames) > 1 else None

    def _read(self, clip: Clip, frame: Frame) -> Picture:
        found = self._kept.pop(frame.id, None)
        if found is None:
            found = Picture(frame.id, clip.grey(frame.index))
            self._size += found.pixels.nbytes
        self._kept[frame.id] = found
        while self._size > BUDGET and len(self._kept) > 1:
            self._size -= self._kept.popitem(last=False)[1].pixels.nbytes
        return found


def _slices_of_a_moment(frames: Sequence[Frame]) -> int:
    stack = frames[0].stack
    return stack.slices if stack is not None and stack.along is Along.DEPTH else len(frames)


class GivenNeighbours(Neighbours):
    """The neighbours that were read already, by frame."""

    def __init__(self, given: Mapping[str, Slices]) -> None:
        super().__init__()
        self._given = given

    def around(self, frame: Picture, slices: int) -> Slices | None:
        """So many of those that were given."""
        given = self._given.get(frame.frame_id)
        if given is None or slices < 2:
            return None
        first = len(given) // 2 - slices // 2
        return given[first : first + slices]


def of_dataset(*datasets: Dataset) -> Neighbours:
    """The neighbours of data sets' slices: those of the volume on the disk, whichever of them are in the data set.

    What is no slice of one, such as a single picture or a part of a slice, has none.
    """
    places = {one.frame_id(key): (one, key) for one in datasets for key in one.places}

    def clip_of(frame_id: str) -> Clip | None:
        dataset, key = places.get(frame_id, (None, ""))
        return None if dataset is None else dataset.clip(key)

    return Neighbours(clip_of) if places else Neighbours()
