"""The npe2 reader: ultrasound files and folders, dropped on napari, as lazy image layers.

Frames of one size and scale make one layer with a slider, however many files they come from. When the dock is open it
offers to take the same files into the session.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.notifications import show_warning
from numpy.typing import DTypeLike, NDArray

from napari_adasam.domain.errors import InputError
from napari_adasam.files.clips import Clip
from napari_adasam.files.readers import open_paths
from napari_adasam.ui.image_layer import contrast_limits, is_color
from napari_adasam.ui.placement import Placement

LayerData = tuple[Any, dict[str, Any], str]
FILES = "ultrasound_files"
"""In a layer's metadata: the paths of the files it shows, as strings."""
MOST_LAYERS = 4
"""Images of many sizes would be many layers: those of the commonest sizes are shown, the others are told of."""
TOLD_PROBLEMS = 3


class LazyFrames:
    """Frames of one size as an array (frame, height, width[, 3]) that reads a frame when it is asked for.

    All are given in the colours and the depth of the first one, which an array needs. The frame read last is kept.

    Raises
    ------
    InputError
        If the first frame cannot be read.
    """

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._places = [(clip, index) for clip in clips for index in range(len(clip.frames))]
        first = self._places[0][0].read(0)
        self._last: tuple[int, NDArray[Any]] = (0, first)
        self.shape: tuple[int, ...] = (len(self._places), *first.shape)
        self.dtype: np.dtype[Any] = first.dtype
        self.ndim = len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        frames, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(frames, (int, np.integer)):
            return np.asarray(self._frame(int(frames) % len(self))[tuple(rest)])
        wanted = range(*frames.indices(len(self))) if isinstance(frames, slice) else frames
        stack = np.stack([self._frame(int(number)) for number in wanted])
        return stack[(slice(None), *rest)]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)

    def _frame(self, number: int) -> NDArray[Any]:
        last, pixels = self._last
        if number != last:
            clip, index = self._places[number]
            pixels = alike(clip.read(index), self.ndim - 1, self.dtype)
            self._last = (number, pixels)
        return pixels


def alike(pixels: NDArray[Any], ndim: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Pixels (height, width[, 3]) as grey (``ndim`` 2) or colour (3), with 8 or 16 bits; for the eye only."""
    if pixels.ndim < ndim:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    elif pixels.ndim > ndim:
        pixels = np.rint(pixels.mean(axis=-1)).astype(pixels.dtype)
    if pixels.dtype.itemsize < dtype.itemsize:
        return np.asarray(pixels.astype(dtype) * dtype.type(257), dtype)
    return (pixels >> 8).astype(dtype) if pixels.dtype.itemsize > dtype.itemsize else pixels


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """npe2's entry: the reader function, or ``None`` where nothing can be read."""
    return read_layers if any(one.exists() for one in _paths(path)) else None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """The images of the paths as layers, one for each size, in mm where the spacing is known.

    What cannot be read or is not shown is told by a warning of napari's.

    Raises
    ------
    InputError
        If none of the files can be read; one sentence.
    """
    result = open_paths(_paths(path))
    groups: dict[tuple[int, int, Placement], list[Clip]] = {}
    for clip in result.clips:
        frame = clip.frames[0]
        groups.setdefault((frame.height, frame.width, Placement.of(frame)), []).append(clip)
    commonest = sorted(groups, key=lambda size: -_count(groups[size]))[:MOST_LAYERS]
    problems = list(result.problems)
    layers = [layer for size in groups if size in commonest for layer in _layers(groups[size], problems)]
    if not layers:
        raise InputError(" ".join(problems[:TOLD_PROBLEMS]) or "There is no ultrasound image here.")
    hidden = sum(_count(groups[size]) for size in groups if size not in commonest)
    if hidden:
        problems.append(f"{hidden} images of other sizes are not shown here; the AdaSAM ultrasound panel opens them.")
    if problems:
        more = [f"And {len(problems) - TOLD_PROBLEMS} more."] if len(problems) > TOLD_PROBLEMS else []
        show_warning(" ".join([*problems[-TOLD_PROBLEMS:], *more]))
    return layers


def _paths(path: str | Sequence[str]) -> list[Path]:
    return [Path(path)] if isinstance(path, str) else [Path(one) for one in path]


def _count(clips: Sequence[Clip]) -> int:
    return sum(len(clip.frames) for clip in clips)


def _layers(clips: Sequence[Clip], problems: list[str]) -> list[LayerData]:
    """One layer of clips of one size, from the first one on that can be read; none if there is none."""
    for start in range(len(clips)):
        try:
            return [_layer(clips[start:])]
        except InputError as error:
            problems.append(str(error))
    return []


def _layer(clips: Sequence[Clip]) -> LayerData:
    frames = LazyFrames(clips)
    first = frames[0]
    several = len(frames) > 1
    place = Placement.of(clips[0].frames[0])
    arguments: dict[str, Any] = {
        "name": clips[0].path.stem if len(clips) == 1 else clips[0].path.parent.name,
        "rgb": is_color(first),
        "scale": (1.0, *place.scale) if several else place.scale,
        "units": ("pixel", place.unit, place.unit) if several else (place.unit, place.unit),
        "metadata": {FILES: [str(clip.path) for clip in clips]},
    }
    if not is_color(first):
        arguments["contrast_limits"] = contrast_limits(first)
    return (frames if several else first, arguments, "image")
