"""In which order frames are offered, and why, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from napari_adasam.domain.records import Frame, FrameStatus

Order = Literal["file", "random", "active"]
ORDERS: tuple[Order, ...] = ("file", "random", "active")
DONE = (FrameStatus.ACCEPTED, FrameStatus.SKIPPED)


def order(
    frames: Sequence[Frame],
    status: Callable[[str], FrameStatus],
    scores: Callable[[str], Mapping[int, float]],
    how: Order = "file",
    seed: int = 0,
) -> tuple[str, ...]:
    """Ids of the frames still to be done, in the order they are offered.

    Parameters
    ----------
    status, scores
        Of a frame id; scores maps structure value to the suggestion's score, empty where there is no suggestion.
    how
        ``"file"``: as they were added; ``"random"``: seeded; ``"active"``: the least sure suggestion first, one frame
        of each file before the second of any, frames without a suggestion last.
    """
    left = [frame for frame in frames if status(frame.id) not in DONE]
    if how == "random":
        shuffled = np.random.default_rng(seed).permutation(len(frames))
        rank = {frames[place].id: position for position, place in enumerate(shuffled)}
        left.sort(key=lambda frame: rank[frame.id])
    elif how == "active":
        left = _least_sure_first(left, scores)
    return tuple(frame.id for frame in left)


def _least_sure_first(left: Sequence[Frame], scores: Callable[[str], Mapping[int, float]]) -> list[Frame]:
    sureness = {frame.id: sureness_of(scores(frame.id)) for frame in left}
    by_score = sorted(left, key=lambda frame: sureness[frame.id])
    seen: dict[str, int] = {}
    turn: dict[str, int] = {}
    for frame in by_score:
        turn[frame.id] = seen.get(frame.path, 0)
        seen[frame.path] = turn[frame.id] + 1
    return sorted(by_score, key=lambda frame: (sureness[frame.id] > 1, turn[frame.id], sureness[frame.id]))


def sureness_of(scores: Mapping[int, float]) -> float:
    """How sure the model is of a frame: the lowest score of its suggestions, 0 to 1; 2 where there are none."""
    return min(scores.values(), default=2.0)


def why(scores: Mapping[int, float], how: Order, names: Mapping[int, str]) -> str:
    """Why a frame is offered at its place; ``names`` maps structure value to name."""
    if how == "file":
        return "next in the order of the files"
    if how == "random":
        return "drawn at random"
    if not scores:
        return "no suggestion yet, so its place is that of the files"
    weakest = min(scores, key=lambda value: scores[value])
    return f"the model is least sure here: {names.get(weakest, weakest)}, {scores[weakest]:.0%}"
