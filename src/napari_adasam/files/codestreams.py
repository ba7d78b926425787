"""The size that a compressed frame itself says it has, so that no decoder makes room for another one."""

from __future__ import annotations

JPEG_START = b"\xff\xd8"
JPEG_2000_START = b"\xff\x4f\xff\x51"
FRAME_MARKS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
"""Start of frame: JPEG's of all kinds but for tables of arithmetic and Huffman codes, and JPEG-LS's."""
BARE_MARKS = frozenset(range(0xD0, 0xD8)) | {0x01, 0xFF}
LOOKED_THROUGH = 4096
"""JPEG 2000 may come in a box, whose header is shorter than this."""


def codestream_size(frame: bytes) -> tuple[int, int] | None:
    """(height, width) of a JPEG, JPEG-LS or JPEG 2000 frame; ``None`` where it does not say, or is another kind."""
    if frame[:2] == JPEG_START:
        return _jpeg_size(frame)
    start = frame.find(JPEG_2000_START, 0, LOOKED_THROUGH)
    return _jpeg_2000_size(frame[start:]) if start >= 0 else None


def _jpeg_size(frame: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 < len(frame) and frame[at] == 0xFF:
        mark = frame[at + 1]
        if mark in FRAME_MARKS:
            height, width = int.from_bytes(frame[at + 5 : at + 7]), int.from_bytes(frame[at + 7 : at + 9])
            return (height, width) if height else None
        at += 1 if mark == 0xFF else 2 if mark in BARE_MARKS else 2 + int.from_bytes(frame[at + 2 : at + 4])
    return None


def _jpeg_2000_size(frame: bytes) -> tuple[int, int] | None:
    if len(frame) < 24:
        return None
    x1, y1, x0, y0 = (int.from_bytes(frame[at : at + 4]) for at in (8, 12, 16, 20))
    return y1 - y0, x1 - x0
