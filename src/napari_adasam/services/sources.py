"""Pixels by frame: read from their files when they are needed, a few kept for the screen."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.calibration import FROM_REGION
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Frame
from napari_adasam.files.clips import broken
from napari_adasam.files.readers import Clip, open_file
from napari_adasam.files.video_frames import close_videos
from napari_adasam.services.ports import Pixels

BUDGET = 64 * 1024 * 1024
NOWHERE = (0, 0, 0, 0)
"""A region that nothing lies in."""
GONE = (-1, -1)
"""The stamp of a file that is not there."""
QUICK_BYTES = 4 * 1024 * 1024
"""A file of up to so many bytes is opened at once, where it is shown; a larger one on the lane first."""
LARGE_PIXELS = 4 * 1024 * 1024
"""A picture of more pixels is read on the lane before it is shown: 16 million of a PNG take 0.3 s."""
FETCHED = 3
"""So many such pictures are kept until they are shown: those that come next."""
NAMED = 3
"""How many files a sentence about many of them names."""


class Sources:
    """Which file each frame comes from.

    Parameters
    ----------
    budget
        Bytes of pixels kept for the screen; the frame shown last is kept whatever its size.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._frames: dict[str, Frame] = {}
        self._clips: dict[str, Clip] = {}
        self._stamps: dict[str, tuple[int, int]] = {}
        self._kept: OrderedDict[str, Pixels] = OrderedDict()
        self._fetched: dict[str, tuple[tuple[int, int], Pixels]] = {}

    def add_clips(self, clips: Sequence[Clip]) -> tuple[Frame, ...]:
        """Remember opened files, and return those of their frames that are new, with stems that are still free."""
        fresh: dict[str, Frame] = {}
        for frame in (frame for clip in clips for frame in clip.frames if frame.id not in self._frames):
            fresh.setdefault(frame.id, frame)
        taken = {frame.stem.casefold() for frame in self._frames.values()}
        named = []
        for frame in fresh.values():
            frame = replace(frame, stem=_free_stem(frame.stem, taken))
            taken.add(frame.stem.casefold())
            named.append(frame)
        self.add_frames(named)
        for clip in clips:  # a file that is changed before its first frame is read is another one, too
            self._clips[str(clip.path)], self._stamps[str(clip.path)] = clip, _stamp(str(clip.path))
        return tuple(named)

    def close(self) -> None:
        """Give files back that are kept open; those that are read after all are opened again."""
        close_videos()

    def same_pictures(self, clips: Sequence[Clip]) -> list[str]:
        """Say which of some clips, once they are added, are another file's picture and so are not shown again.

        One sentence for all of them, or none; a file that is opened a second time is not worth one.
        """
        pairs = []
        for clip in clips:
            shown = Path(self._frames[clip.frames[0].id].path)
            if shown.resolve() != clip.path.resolve():
                pairs.append(_told_apart(clip.path, shown))
        if len(pairs) < 2:
            return [f"{copy} is the same picture as {shown}, so it is shown once." for copy, shown in pairs]
        named = "; ".join(f"{copy} is {shown}" for copy, shown in pairs[:NAMED])
        rest = f"; and {len(pairs) - NAMED} more" if len(pairs) > NAMED else ""
        return [f"{len(pairs)} files are the same pictures as others, so each is shown once ({named}{rest})."]

    def add_frames(self, frames: Iterable[Frame]) -> None:
        """Remember frames of a saved session; their files are opened when they are read."""
        self._frames.update({frame.id: frame for frame in frames})

    def missing(self) -> list[str]:
        """Say which files are not there: the first by name, and how many more."""
        paths = dict.fromkeys(frame.path for frame in self._frames.values())
        missing = [path for path in paths if not os.path.exists(path)]
        return [
            f"{path} is not there any more. Put it back, or open the folder where it is now. Its masks are safe."
            for path in missing[:1]
        ] + ([f"{len(missing) - 1} more files are not there either."] if len(missing) > 1 else [])

    def found_again(self, clips: Sequence[Clip]) -> dict[str, str]:
        """Known pictures that lie in these files, and no longer where they were: frame id to its new path."""
        moved = {}
        for frame in (frame for clip in clips for frame in clip.frames):
            known = self._frames.get(frame.id)
            if known is not None and known.path != frame.path and not os.path.exists(known.path):
                self._frames[frame.id] = replace(known, path=frame.path)
                moved[frame.id] = frame.path
        return moved

    def drop(self, frames: Iterable[Frame]) -> None:
        """Forget frames that were not taken in after all."""
        for frame in frames:
            del self._frames[frame.id]

    def read(self, frame_id: str) -> Pixels:
        """(height, width) or (height, width, 3), uint8 or uint16, read from the file now. Any thread.

        Raises InputError if the file is gone, changed or broken.
        """
        frame = self._frames[frame_id]
        return self._clip(frame).read(frame.index)

    def fetch(self, frame_id: str) -> None:
        """Open a frame's file and, where it is large, have its pixels at hand for :meth:`pixels`. Lane's thread.

        Raises InputError as :meth:`read` does.
        """
        now, pixels = _stamp(self._frames[frame_id].path), self.read(frame_id)
        if self._is_large(frame_id):
            self._fetched[frame_id] = now, pixels
            for earlier in [*self._fetched][:-FETCHED]:
                self._fetched.pop(earlier, None)

    def _is_large(self, frame_id: str) -> bool:
        frame = self._frames[frame_id]
        return frame.height * frame.width > LARGE_PIXELS

    def own_values(self, frame_id: str) -> NDArray[Any] | None:
        """Values as the file means them where :meth:`read` gives scaled ones (:meth:`Clip.own_values`). Any thread."""
        frame = self._frames[frame_id]
        return self._clip(frame).own_values(frame.index)

    def grey(self, frame_id: str) -> NDArray[np.uint8]:
        """The same for the model: (height, width) uint8 by the file's bits (:meth:`Clip.grey`). Any thread."""
        frame = self._frames[frame_id]
        return self._clip(frame).grey(frame.index)

    def clip(self, frame_id: str) -> Clip:
        """The opened file of a frame. Any thread. Raises InputError as :meth:`read` does."""
        return self._clip(self._frames[frame_id])

    def facts(self, frame: Frame) -> Frame:
        """A frame with what its file says and a session does not keep, such as times, bits, geometry. Any thread.

        The frame's own scale stays, by hand or not. Where the file cannot be read, a scale that holds for a region only
        holds for nothing, since the region is not known.
        """
        try:
            own = self._clip(frame).frames[frame.index]
        except InputError:
            regional = frame.spacing is not None and frame.spacing.source == FROM_REGION
            return replace(frame, region=NOWHERE) if regional and frame.region is None else frame
        whole = replace(frame, time_s=own.time_s, bits=own.bits, region=own.region)
        return replace(whole, geometry=own.geometry, stack=own.stack)

    def _clip(self, frame: Frame) -> Clip:
        """The frame's file, opened if it is not; InputError if it is gone, or another one than it was."""
        clip, now = self._clips.get(frame.path), _stamp(frame.path)
        if clip is None or self._stamps.setdefault(frame.path, now) != now:  # never opened, or changed on the disk
            if clip is not None and now == GONE:
                raise InputError(broken(Path(frame.path), FileNotFoundError()))
            clip = open_file(Path(frame.path))
            self._clips[frame.path], self._stamps[frame.path] = clip, now
        if frame.index >= len(clip.frames) or clip.frames[frame.index].id != frame.id:
            raise InputError(
                f"{Path(frame.path).name} is another file than when the session was made; put the original back. "
                "Its masks are safe."
            )
        return clip

    def name(self, frame_id: str) -> str:
        """What a frame's file is called."""
        return Path(self._frames[frame_id].path).name

    def at_hand(self, frame_id: str) -> bool:
        """Whether its pixels, or why there are none, come without a wait: its file is open, small or gone.

        Opening a file means to read all of it, for its hash, and of a packed one to unpack all of it. Pixels of a large
        picture come without a wait where they have been read.
        """
        path = self._frames[frame_id].path
        now = _stamp(path)
        if self._is_large(frame_id) and now != GONE:
            return frame_id in self._kept or frame_id in self._fetched
        return now[0] <= QUICK_BYTES or (path in self._clips and self._stamps.get(path, now) == now)

    def pixels(self, frame_id: str) -> Pixels:
        """The same for the screen, read-only, from memory if it was shown lately. GUI thread.

        What is in memory stays good where its file is gone, such as with a stick that was pulled out.
        """
        frame = self._frames[frame_id]
        now = _stamp(frame.path)
        if frame_id in self._kept and now not in (GONE, self._stamps.get(frame.path, now)):
            del self._kept[frame_id]  # the file was changed meanwhile: reading it says how
        if frame_id not in self._kept:
            stamp, read = self._fetched.pop(frame_id, (GONE, None))
            pixels = (self.read(frame_id) if read is None or stamp != now else read).view()
            pixels.flags.writeable = False
            self._kept[frame_id] = pixels
        self._kept.move_to_end(frame_id)
        while len(self._kept) > 1 and sum(one.nbytes for one in self._kept.values()) > self._budget:
            self._kept.popitem(last=False)
        return self._kept[frame_id]


def _stamp(path: str) -> tuple[int, int]:
    """Size and time of the last change: another stamp is another content, or may be."""
    try:
        found = os.stat(path)
    except OSError:
        return GONE  # reading it will say so
    return (found.st_size, found.st_mtime_ns)


def _told_apart(one: Path, other: Path) -> tuple[str, str]:
    """The names of two files, with their folders where they have the same name."""
    if one.name != other.name:
        return one.name, other.name
    return f"{one.parent.name}/{one.name}", f"{other.parent.name}/{other.name}"


def _free_stem(stem: str, taken: set[str]) -> str:
    number, free = 1, stem
    while free.casefold() in taken:
        number += 1
        free = f"{stem}_{number}"
    return free
