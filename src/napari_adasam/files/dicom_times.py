"""When the frames of a DICOM cine were taken."""

from __future__ import annotations

from itertools import accumulate
from math import isfinite
from typing import Any

from pydicom import Dataset

FRAME_TIME, FRAME_TIME_VECTOR = 0x00181063, 0x00181065


def frame_times(dataset: Dataset, frames: int) -> tuple[float | None, ...]:
    """Seconds of each frame since the first; empty where the header does not say, or says what cannot be.

    In this order: what FrameIncrementPointer names; FrameTimeVector (ms since the frame before, the first of no
    meaning); FrameTime (ms between frames); CineRate, then RecommendedDisplayFrameRate (frames a second).
    """
    if frames < 2:
        return ()
    order: list[int] = [FRAME_TIME_VECTOR, FRAME_TIME]
    if _number(dataset.get("FrameIncrementPointer")) == FRAME_TIME:
        order.reverse()
    for tag in order:
        times = (
            _vector(dataset, frames) if tag == FRAME_TIME_VECTOR else _even(_float(dataset.get("FrameTime")), frames)
        )
        if times:
            return times
    for name in ("CineRate", "RecommendedDisplayFrameRate"):
        rate = _float(dataset.get(name))
        if rate > 0:
            return _even(1000 / rate, frames)
    return ()


def _vector(dataset: Dataset, frames: int) -> tuple[float | None, ...]:
    value: Any = dataset.get("FrameTimeVector")
    try:
        steps = [float(step) for step in value] if value is not None else []
    except (TypeError, ValueError):
        return ()
    if len(steps) != frames or not all(isfinite(step) and step >= 0 for step in steps) or not any(steps[1:]):
        return ()
    return tuple(passed / 1000 for passed in accumulate([0.0, *steps[1:]]))


def _even(step_ms: float, frames: int) -> tuple[float | None, ...]:
    return tuple(index * step_ms / 1000 for index in range(frames)) if isfinite(step_ms) and step_ms > 0 else ()


def _float(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if isfinite(number) else 0.0


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
