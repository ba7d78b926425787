"""AVI and MP4 through PyAV: any frame at any time, and always the very frame that decoding in order would give.

Opening reads the packets' times without decoding them; that counts the frames and finds the key frames. Reading frame n
goes to the last key frame that is shown no later than frame n, and decodes from there until the frame with n's own
time comes out (:mod:`napari_adasam.files.video_frames`). No frame is ever counted from an average rate.

AVI stores no times of display. Where every packet is a key frame (motion JPEG, uncompressed: most scanners) a packet's
place is its time. Where frames depend on others, decoding begins at the first frame and counts.

An MP4 is turned by quarters as its header says, as every player shows it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_adasam.domain.calibration import NOT_SQUARE
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Along, Stack
from napari_adasam.files.clips import Clip, Header, broken, check_count, check_size, make_clip
from napari_adasam.files.video_frames import DEEP_GREY, Index, Opened, Video, quarter_turns

ENDINGS = (".avi", ".mp4", ".m4v")
SQUARE = 0.01
"""Pixels whose sides differ by no more than this share count as square."""
MP4_STARTS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def open_video(path: Path) -> Clip:
    """Open an AVI or MP4; frames are decoded later, one by one.

    Raises
    ------
    InputError
        If it is neither, holds no pictures, is cut short, too small or too large.
    """
    try:
        kind = _kind(path)
        opened = Opened.of(path, kind)
        try:
            header, index = _header(path, opened, kind)
        finally:
            opened.close()
    except InputError:
        raise
    except Exception as error:
        raise InputError(broken(path, error)) from error
    turns = quarter_turns(path, kind) if kind == "mov" else 0  # AVI has no place for it
    if turns % 2:
        header = replace(header, height=header.width, width=header.height)
    return make_clip(path, header, Video(path, kind, index, turns).read)


def _kind(path: Path) -> str:
    """The container's name, from its first bytes: FFmpeg would otherwise open lists that name other files."""
    with path.open("rb") as file:
        start = file.read(12)
        size = os.fstat(file.fileno()).st_size
    if start[:4] == b"RIFF" and start[8:] == b"AVI ":
        if int.from_bytes(start[4:8], "little") + 8 > size:
            raise EOFError("cut short")
        return "avi"
    if start[4:8] in MP4_STARTS:
        return "mov"
    raise InputError(f"{path.name} is not an AVI or MP4 video, whatever its name says; it was left out.")


def _header(path: Path, opened: Opened, kind: str) -> tuple[Header, Index]:
    stream = opened.stream
    if stream is None:
        raise InputError(f"{path.name} holds no pictures; it was left out.")
    check_size(path, stream.codec_context.height, stream.codec_context.width, 3)
    check_count(path, stream.frames)
    index = _index(opened, kind)
    check_count(path, index.frames)
    form = str(stream.codec_context.pix_fmt)
    header = Header(
        frames=index.frames,
        height=stream.codec_context.height,
        width=stream.codec_context.width,
        times=_seconds(stream, index),
        stack=Stack(index.frames, Along.TIME),
        bits=16 if form in DEEP_GREY else 8,
        note="" if abs((stream.sample_aspect_ratio or 1) - 1) <= SQUARE else NOT_SQUARE,
    )
    return header, index


def _index(opened: Opened, kind: str) -> Index:
    """Every packet's times, without decoding; the first frame that is shown is frame 0."""
    shown: list[tuple[int | None, bool]] = []
    keys: list[tuple[int, int]] = []
    count = 0
    for packet in opened.container.demux(opened.stream):
        if packet.is_corrupt:
            raise EOFError("cut short")
        if packet.size == 0:
            continue
        count += 1
        if not packet.is_discard:
            shown.append((packet.pts, packet.is_keyframe))
        if packet.is_keyframe and packet.pts is not None:
            keys.append((packet.pts, packet.pts if packet.dts is None else packet.dts))
    if not shown or (kind == "mov" and count < opened.stream.frames):
        raise EOFError("cut short")
    times = sorted(time for time, _ in shown if time is not None)
    named = len(set(times)) == len(shown)
    if not named or (kind == "avi" and not all(key for _, key in shown)):
        return Index((), (), len(shown))
    return Index(tuple(times), tuple(sorted(keys)), len(shown))


def _seconds(stream: Any, index: Index) -> tuple[float | None, ...]:
    """Of each frame since the first: as the file says, or in AVI with dependent frames from its one rate."""
    if index.times and stream.time_base:
        return tuple(float((time - index.times[0]) * stream.time_base) for time in index.times)
    rate = stream.average_rate
    return tuple(float(number / rate) for number in range(index.frames)) if rate else ()
