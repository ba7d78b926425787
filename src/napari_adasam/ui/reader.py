"""The npe2 reader: ultrasound files and folders, dropped on napari, as lazy image layers.

When the dock is open it offers to take the same files into the session.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_adasam.domain.errors import InputError
from napari_adasam.files.clips import Clip
from napari_adasam.files.readers import open_paths
from napari_adasam.ui.image_layer import contrast_limits, is_color
from napari_adasam.ui.placement import Placement

LayerData = tuple[Any, dict[str, Any], str]


class LazyClip:
    """The frames of a clip as an array (frame, height, width[, 3]) that reads a frame when it is asked for."""

    def __init__(self, clip: Clip) -> None:
        first = clip.read(0)
        self._clip = clip
        self.shape: tuple[int, ...] = (len(clip.frames), *first.shape)
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
            pixels = self._clip.read(int(frames) % len(self))
            return np.asarray(pixels[tuple(rest)])
        wanted = range(*frames.indices(len(self))) if isinstance(frames, slice) else frames
        stack = np.stack([self._clip.read(int(index)) for index in wanted])
        return stack[(slice(None), *rest)]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """npe2's entry: the reader function, or ``None`` where nothing can be read."""
    return read_layers if any(one.exists() for one in _paths(path)) else None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """The first clips of the paths as image layers, in mm where the spacing is known.

    Raises
    ------
    InputError
        If none of the files can be read; one sentence.
    """
    result = open_paths(_paths(path))
    if not result.clips:
        raise InputError(" ".join(result.problems) or "There is no ultrasound image here.")
    return [_layer(clip) for clip in result.clips]


def _paths(path: str | Sequence[str]) -> list[Path]:
    return [Path(path)] if isinstance(path, str) else [Path(one) for one in path]


def _layer(clip: Clip) -> LayerData:
    frame = clip.frames[0]
    first = clip.read(0)
    color = is_color(first)
    data: Any = first if len(clip.frames) == 1 else LazyClip(clip)
    place = Placement.of(frame)
    scale: tuple[float, ...] = place.scale
    units: tuple[str, ...] = (place.unit, place.unit)
    if len(clip.frames) > 1:
        scale, units = (1.0, *scale), ("pixel", *units)
    arguments = {"name": clip.path.stem, "rgb": color, "scale": scale, "units": units}
    if not color:
        arguments["contrast_limits"] = contrast_limits(first)
    return (data, arguments, "image")
