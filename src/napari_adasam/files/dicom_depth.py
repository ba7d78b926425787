"""Whether the frames of a DICOM file are slices, and how far apart they are.

Positions and orientations of the planes decide, where every frame has both: slices are parallel planes, evenly apart,
each above the other. Else SpacingBetweenSlices does, unless the frames have times. SliceThickness is no distance, and
is not used.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from napari_adasam.domain.records import Along, Stack

AGREE = 0.01
SAME_MM = 1e-3
"""Planes that lie closer than this lie in the same place."""
SHORTEST_MM, LONGEST_MM = 0.001, 100.0
BY_POSITION, BY_SPACING = "DICOM slice positions", "DICOM slice spacing"


def stack_of(dataset: Dataset, frames: int, timed: bool) -> Stack:
    """What the frames of a file of several are to each other; ``timed``: whether their times are known."""
    otherwise = Stack(frames, Along.TIME if timed else Along.UNKNOWN)
    places = _places(dataset, frames)
    if places is not None:
        return _of_planes(*places, otherwise)
    step = _spacing(dataset)
    if timed or step is None:
        return otherwise
    return Stack(frames, Along.DEPTH, frames, step, BY_SPACING)


def _of_planes(middles: NDArray[np.float64], normal: NDArray[np.float64], otherwise: Stack) -> Stack:
    """Of planes at ``middles`` (frames, 3) in mm; unevenly or slantingly stacked ones have no distance."""
    steps = np.diff(middles, axis=0)
    along = steps @ normal
    if (np.abs(along) < SAME_MM).all():
        return otherwise
    step, slant = float(np.abs(along).mean()), np.linalg.norm(steps - along[:, None] * normal, axis=1)
    even = (np.abs(along - along[0]) <= AGREE * step).all() and (slant <= AGREE * step).all()
    if not even or not SHORTEST_MM <= step <= LONGEST_MM:
        return Stack(len(middles), Along.DEPTH, len(middles))
    return Stack(len(middles), Along.DEPTH, len(middles), step, BY_POSITION)


def _places(dataset: Dataset, frames: int) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Position of each frame (frames, 3), and the normal that all share; ``None`` where the file does not say it."""
    own = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    if len(own) != frames:
        return None
    try:
        middles = np.array([_item(one, shared, "PlanePositionSequence").ImagePositionPatient for one in own], float)
        turned = [_item(one, shared, "PlaneOrientationSequence").ImageOrientationPatient for one in own]
        rows, columns = np.split(np.array(turned, float).reshape(frames, 6), 2, axis=1)
    except (AttributeError, TypeError, ValueError, IndexError):
        return None
    normals = np.cross(rows, columns)
    if not np.isfinite(middles).all() or not np.allclose(normals, normals[0], atol=AGREE) or not normals[0].any():
        return None
    return middles.reshape(frames, 3), normals[0] / np.linalg.norm(normals[0])


def _item(own: Dataset, shared: Dataset, name: str) -> Any:
    return (own.get(name) or shared.get(name))[0]


def _spacing(dataset: Dataset) -> float | None:
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    measures = (shared.get("PixelMeasuresSequence") or [Dataset()])[0]
    for place in (measures, dataset):
        try:
            step = abs(float(place.get("SpacingBetweenSlices") or 0))
        except (TypeError, ValueError):
            continue
        if isfinite(step) and SHORTEST_MM <= step <= LONGEST_MM:
            return step
    return None
