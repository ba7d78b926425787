"""A small encoder of lossless JPEG (process 14, first-order prediction) for 8-bit and 16-bit grey test pictures."""

from __future__ import annotations

import numpy as np

KINDS = 17
"""Differences of 0 to 16 bits. All get a Huffman code of five bits, in order: simple, and far from short."""


def encoded(pixels: np.ndarray) -> bytes:
    """One grey picture, uint8 or uint16, as a JPEG of its own."""
    height, width = pixels.shape
    bits = 8 * pixels.dtype.itemsize
    frame = bytes([bits]) + height.to_bytes(2) + width.to_bytes(2) + bytes([1, 1, 0x11, 0])
    table = bytes([0x00, 0, 0, 0, 0, KINDS, *[0] * 11, *range(KINDS)])
    scan = bytes([1, 1, 0x00, 1, 0, 0])
    segments = _segment(0xC3, frame) + _segment(0xC4, table) + _segment(0xDA, scan)
    return b"\xff\xd8" + segments + _entropy(pixels, bits).replace(b"\xff", b"\xff\x00") + b"\xff\xd9"


def _segment(mark: int, body: bytes) -> bytes:
    return bytes([0xFF, mark]) + (len(body) + 2).to_bytes(2) + body


def _entropy(pixels: np.ndarray, bits: int) -> bytes:
    """Each pixel minus its left neighbour; the first of a row minus the one above; the very first minus half."""
    values = pixels.astype(np.int64)
    before = np.roll(values, 1, axis=1)
    before[1:, 0] = values[:-1, 0]
    before[0, 0] = 1 << (bits - 1)
    digits = []
    for difference in ((values - before + 32768) % 65536 - 32768).ravel():
        kind = int(abs(difference)).bit_length()
        digits.append(f"{kind:05b}")
        if 0 < kind < 16:
            digits.append(f"{int(difference if difference > 0 else difference + (1 << kind) - 1):0{kind}b}")
    text = "".join(digits)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8)
