"""Decoding single frames of a video exactly; see :mod:`napari_adasam.files.video`."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from napari_adasam.domain.lazily import Lazily
from napari_adasam.files.clips import MOST_PIXELS
from napari_adasam.files.scaling import Pixels

if TYPE_CHECKING:
    import av
else:
    av = Lazily("av")

OPTIONS = {"max_pixels": str(MOST_PIXELS)}
PATIENCE_S = 8.0
GREY = ("gray", "gray8", "monow", "monob")
DEEP_GREY = ("gray9le", "gray10le", "gray12le", "gray14le", "gray16le", "gray16be")
MOST_OPEN = 4
"""So many videos are kept open, so that playing on needs no seeking."""


@dataclass(frozen=True, slots=True)
class Index:
    """Where the frames of a video are.

    Parameters
    ----------
    times
        Of the frames in the order of display, in the stream's own unit. Empty where frames must be counted.
    keys
        (time of display, time of decoding) of the key frames, in order.
    frames
        How many there are.
    """

    times: tuple[int, ...]
    keys: tuple[tuple[int, int], ...]
    frames: int

    def key_before(self, number: int) -> tuple[int, int] | None:
        """The last key frame that is shown no later than frame ``number``; decoding from it gives that frame."""
        place = bisect_right(self.keys, self.times[number], key=lambda key: key[0])
        return self.keys[place - 1] if place else None


@dataclass(slots=True, eq=False)
class Opened:
    """An open file and its first stream of pictures, ``None`` where it has none."""

    file: BinaryIO
    container: Any
    stream: Any

    @classmethod
    def of(cls, path: Path, kind: str) -> Opened:
        """Open as ``kind``. FFmpeg is given an open file and not a name, so that it can read no other."""
        file = path.open("rb")
        try:
            container = av.open(file, "r", format=kind, options=OPTIONS, timeout=PATIENCE_S)
        except BaseException:
            file.close()
            raise
        streams = container.streams.video
        if streams:
            streams[0].codec_context.options = OPTIONS
            streams[0].thread_count = 1
        return cls(file, container, streams[0] if streams else None)

    def close(self) -> None:
        """Close both."""
        self.container.close()
        self.file.close()


class _Cursor:
    """A decoder at some place of a video. It gives frames in the order of display, from there on."""

    def __init__(self, path: Path, kind: str, index: Index) -> None:
        self._index = index
        self._opened = Opened.of(path, kind)
        self._wanted: int | None = None
        self._coming = self._frames(None)
        self.next = 0
        self.signature = _signature(path)

    def close(self) -> None:
        self._opened.close()

    def frame(self, number: int) -> Any:
        """The decoded frame ``number``; the cursor must stand before it. Raises EOFError if it does not come."""
        wanted = self._index.times[number] if self._index.times else None
        self._wanted = wanted
        for frame in self._coming:
            if wanted is None:
                self.next += 1
                if self.next > number:
                    return frame
            elif frame.pts == wanted:
                self.next = number + 1
                return frame
            elif frame.pts is not None and frame.pts > wanted:
                break
        raise EOFError(f"frame {number} is missing")

    def reaches(self, number: int) -> bool:
        """Whether decoding on comes to frame ``number`` sooner than going to a key frame would."""
        if number < self.next:
            return False
        if not self._index.times or number == self.next:
            return True
        key = self._index.key_before(number)
        return key is None or self.next == 0 or key[0] <= self._index.times[self.next - 1]

    def go_before(self, number: int) -> None:
        """Stand at the last key frame before frame ``number``."""
        key = self._index.key_before(number)
        if key is None:
            raise EOFError("no key frame")
        self._opened.container.seek(key[1], stream=self._opened.stream, backward=True, any_frame=False)
        self._coming = self._frames(key[0])

    def _frames(self, key: int | None) -> Iterator[Any]:
        """Frames from here on; the first packet must be that of the key frame, or an earlier one."""
        for packet in self._opened.container.demux(self._opened.stream):
            if key is not None and packet.pts is not None and packet.pts > key:
                return
            key = None
            if packet.size or packet.dts is None:
                self._pass_over(packet)
                yield from packet.decode()

    def _pass_over(self, packet: Any) -> None:
        """Spare the decoder a frame that is shown before the wanted one and that no other is made from.

        In H.264 only: there a frame says by itself that it is of no use to any other.
        """
        context = self._opened.stream.codec_context
        passed = self._wanted is not None and packet.pts is not None and packet.pts < self._wanted
        context.skip_frame = "NONREF" if passed and context.name == "h264" else "DEFAULT"


class Video:
    """Frames of one video by number, turned by so many quarters to the left; may be read from any thread."""

    def __init__(self, path: Path, kind: str, index: Index, turns: int = 0) -> None:
        self._path, self._kind, self._index, self._turns = path, kind, index, turns
        self._lock = threading.Lock()
        self._cursor: _Cursor | None = None

    def read(self, number: int) -> Pixels:
        """(height, width) uint8 or uint16 where the video is grey, else (height, width, 3) uint8."""
        with self._lock:
            try:
                frame = self._decoded(number)
                pixels = _pixels(frame)
            except BaseException:
                self._close()
                raise
        _keep_open(self)
        return np.ascontiguousarray(np.rot90(pixels, self._turns))

    def close(self) -> None:
        """Give the file back; the next read opens it again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._cursor is not None:
            self._cursor.close()
            self._cursor = None

    def _decoded(self, number: int) -> Any:
        cursor = self._cursor
        if cursor is None or cursor.signature != _signature(self._path) or not cursor.reaches(number):
            if cursor is None or cursor.signature != _signature(self._path) or not self._index.times:
                cursor = self._fresh()
            if not cursor.reaches(number):
                cursor.go_before(number)
        try:
            return _sound(cursor.frame(number))
        except (EOFError, av.error.FFmpegError):
            # The container's own index may be wrong: from the beginning there is no doubt.
            return _sound(self._fresh().frame(number))

    def _fresh(self) -> _Cursor:
        self._close()
        self._cursor = _Cursor(self._path, self._kind, self._index)
        return self._cursor


_open_videos: deque[Video] = deque()
_open_lock = threading.Lock()


def _keep_open(video: Video) -> None:
    """Keep this one open, and close the one that was read longest ago."""
    with _open_lock:
        if video in _open_videos:
            _open_videos.remove(video)
        _open_videos.append(video)
        oldest = _open_videos.popleft() if len(_open_videos) > MOST_OPEN else None
    if oldest is not None:
        oldest.close()


def close_videos() -> None:
    """Give back every file that is kept open, so that it can be renamed or its disk removed. Any thread."""
    with _open_lock:
        kept = tuple(_open_videos)
        _open_videos.clear()
    for video in kept:
        video.close()


def quarter_turns(path: Path, kind: str) -> int:
    """By how many quarters to the left the frames are to be turned, as a telephone that was held upright says; 0 to 3.

    That stands with the first frame. Where it cannot be decoded nothing is turned: reading it says what is wrong.
    """
    opened = Opened.of(path, kind)
    try:
        return round(int(next(opened.container.decode(opened.stream)).rotation) / 90) % 4
    except (StopIteration, EOFError, av.error.FFmpegError):
        return 0
    finally:
        opened.close()


def _signature(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


def _sound(frame: Any) -> Any:
    if frame.is_corrupt:
        raise ValueError("damaged frame")
    return frame


def _pixels(frame: Any) -> Pixels:
    name = frame.format.name
    if name in DEEP_GREY:
        return np.asarray(frame.to_ndarray(format="gray16le"), np.uint16)
    return np.asarray(frame.to_ndarray(format="gray" if name in GREY else "rgb24"), np.uint8)
