"""In which order frames are offered, and why, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_adasam.domain.looks import Look, most_telling_first
from napari_adasam.domain.records import Frame, FrameStatus

Order = Literal["file", "random", "active"]
ORDERS: tuple[Order, ...] = ("file", "random", "active")
DONE = (FrameStatus.ACCEPTED, FrameStatus.SKIPPED)
NOT_LOOKED = "the model has not looked at it yet, so its place is that of the files"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one is in a session: the frame on the screen (empty for none), and the order in which frames come."""

    current: str = ""
    how: Order = "file"
    seed: int = 0


def order(
    frames: Sequence[Frame],
    status: Callable[[str], FrameStatus],
    how: Order = "file",
    seed: int = 0,
    looks: Mapping[str, Look] | None = None,
    names: Mapping[int, str] | None = None,
) -> dict[str, str]:
    """Ids of the frames still to be done, in the order they are offered, each with the reason in words.

    Parameters
    ----------
    how
        ``"file"``: as they were added; ``"random"``: seeded; ``"active"``: :func:`most_telling_first`, frames that the
        model has not looked at last.
    looks
        Frame id to the model's look at it, of frames done too; for ``"active"``.
    names
        Structure value to name.
    """
    left = [frame for frame in frames if status(frame.id) not in DONE]
    if how == "random":
        shuffled = np.random.default_rng(seed).permutation(len(frames))
        rank = {frames[place].id: position for position, place in enumerate(shuffled)}
        left.sort(key=lambda frame: rank[frame.id])
        return dict.fromkeys((frame.id for frame in left), "drawn at random")
    if how == "file":
        return dict.fromkeys((frame.id for frame in left), "next in the order of the files")
    known = looks or {}
    done = [known[frame.id] for frame in frames if frame.id in known and status(frame.id) is FrameStatus.ACCEPTED]
    first = most_telling_first(left, known, done, names or {})
    return first | {frame.id: NOT_LOOKED for frame in left if frame.id not in known}
