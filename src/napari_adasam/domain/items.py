"""A session's files as items: a single image, or the frames of a clip or a volume together, and how many stand how.

Kept up to date frame by frame: what a change costs does not grow with the session.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from napari_adasam.domain.facts import Facts
from napari_adasam.domain.queue import DONE
from napari_adasam.domain.records import Frame, FrameStatus


class Standing(StrEnum):
    """Where a frame stands within its item. An accepted frame of several is a key frame."""

    ACCEPTED = "accepted"
    SKIPPED = "skipped"
    PROPAGATED = "propagated"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Item:
    """One file: its place among the items, and the ids of its frames in their order."""

    number: int
    frames: tuple[str, ...]

    @property
    def several(self) -> bool:
        """Whether it is a clip or a volume."""
        return len(self.frames) > 1


def file_stem(frame: Frame) -> str:
    """What a clip or a volume is called: the name of one of its frames without the frame's number.

    >>> file_stem(Frame("c-3", "/scans/b/cine.avi", 3, 40, 60, stem="cine_0003_2"))  # there is another cine
    'cine_2'
    """
    before, _, behind = frame.stem.rpartition(f"_{frame.index:04d}")
    return before + behind


class Items:
    """The files of a session, in the order in which they were added. GUI thread."""

    def __init__(self, session: Facts) -> None:
        self._session = session
        self._ids: object = None
        self._items: tuple[Item, ...] = ()
        self._of: dict[str, int] = {}
        self._standing: dict[str, Standing] = {}
        self._counts: list[Counter[Standing]] = []
        session.frames_changed.connect(self._forget)
        session.status_changed.connect(self._note)
        session.suggestions_changed.connect(self._note)
        session.labels_changed.connect(self._note)

    @property
    def all(self) -> tuple[Item, ...]:
        """Every item."""
        self._list()
        return self._items

    def of(self, frame_id: str) -> Item:
        """The item that a frame belongs to."""
        self._list()
        return self._items[self._of[frame_id]]

    def standing(self, frame_id: str) -> Standing:
        """Where a frame stands."""
        self._list()
        return self._standing[frame_id]

    def counts(self, item: Item) -> Counter[Standing]:
        """How many frames of an item stand how."""
        self._list()
        return self._counts[item.number]

    def counting(self, item: Item) -> int:
        """How many frames of an item are accepted, or have outlines that came from a key frame."""
        counts = self.counts(item)
        return counts[Standing.ACCEPTED] + counts[Standing.PROPAGATED]

    def beside(self, frame_id: str, step: int) -> str | None:
        """The frame so many steps further in the same file; ``None`` beyond its ends."""
        frames = self.of(frame_id).frames
        at = self._place(frame_id) + step
        return frames[at] if 0 <= at < len(frames) else None

    def first_open(self, item: Item) -> str:
        """The first frame of an item that is to be done; where there is none, its first one."""
        left = (one for one in item.frames if self.standing(one) in (Standing.OPEN, Standing.PROPAGATED))
        return next(left, item.frames[0])

    def _place(self, frame_id: str) -> int:
        return self.of(frame_id).frames.index(frame_id)

    def _forget(self) -> None:
        self._ids = None

    def _list(self) -> None:
        """Group the frames by file, once after frames were added."""
        if self._ids is not None:
            return
        grouped: dict[str, list[tuple[int, str]]] = {}
        for frame in self._session.frames:
            grouped.setdefault(frame.file_id, []).append((frame.index, frame.id))
        self._items = tuple(
            Item(number, tuple(one for _, one in sorted(frames))) for number, frames in enumerate(grouped.values())
        )
        self._of = {frame_id: item.number for item in self._items for frame_id in item.frames}
        self._standing = {frame_id: self._stands(frame_id) for frame_id in self._of}
        self._counts = [Counter(self._standing[frame_id] for frame_id in item.frames) for item in self._items]
        self._ids = self._of

    def _note(self, frame_id: str) -> None:
        if self._ids is None or frame_id not in self._standing:
            return
        was, now = self._standing[frame_id], self._stands(frame_id)
        if was is not now:
            counts = self._counts[self._of[frame_id]]
            counts[was] -= 1
            counts[now] += 1
            self._standing[frame_id] = now

    def _stands(self, frame_id: str) -> Standing:
        status = self._session.status(frame_id)
        if status in DONE:
            return Standing.ACCEPTED if status is FrameStatus.ACCEPTED else Standing.SKIPPED
        as_it_came = self._session.propagated(frame_id) is not None and not self._session.touched(frame_id)
        return Standing.PROPAGATED if as_it_came else Standing.OPEN
