"""Bytes without surprises: random access into a gzip file, unpacking with a limit, reading no more than there is.

Nothing is written to the disk, and no file is held in memory whole: a gzip file is run through once, and the state of
the unpacker is kept at up to 64 places (about 50 kB each), from which reading goes on.
"""

from __future__ import annotations

import os
import zlib
from bisect import bisect_right
from dataclasses import dataclass, field
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any, BinaryIO

PIECE = 16384
STEP = 1 << 20
PLACES = 64
GZIP = 31
RAW_DEFLATE = -15
GREATEST_PACKING = 1032
"""Deflate makes data at most so many times smaller."""


@dataclass(slots=True, eq=False)
class _Run:
    """A gzip file being unpacked: ``position`` counts unpacked bytes, ``taken`` the packed ones that are used up."""

    position: int
    taken: int
    unpacker: Any = field(repr=False)

    def copy(self) -> _Run:
        return _Run(self.position, self.taken, self.unpacker.copy())

    def step(self, file: BinaryIO) -> bytes:
        """Up to 1 MiB of what follows; empty at the end. Raises EOFError where the file is cut short."""
        while True:
            if self.unpacker.eof and not self._next_member(file):
                return b""
            piece = self.unpacker.unconsumed_tail or file.read(PIECE)
            unpacked = bytes(self.unpacker.decompress(piece, STEP))
            if not (piece or unpacked or self.unpacker.eof):
                raise EOFError("cut short")
            self.taken = file.tell() - len(self.unpacker.unconsumed_tail) - len(self.unpacker.unused_data)
            if unpacked:
                self.position += len(unpacked)
                return unpacked

    def _next_member(self, file: BinaryIO) -> bool:
        """Several gzip files in one are one; what follows and is not gzip is padding."""
        file.seek(self.taken)
        more = file.read(2) == b"\x1f\x8b"
        if more:
            file.seek(self.taken)
            self.unpacker = zlib.decompressobj(GZIP)
        return more


@dataclass(frozen=True, slots=True, eq=False)
class GzipIndex:
    """Random access to the first ``size`` unpacked bytes of a gzip file, for any thread. Made by :meth:`of`."""

    path: Path
    size: int
    places: tuple[_Run, ...] = field(repr=False)

    @classmethod
    def of(cls, path: Path, size: int) -> GzipIndex:
        """Run through the file once. Raises EOFError if there are less than ``size`` bytes, zlib.error if broken."""
        run = _Run(0, 0, zlib.decompressobj(GZIP))
        places = [run.copy()]
        with path.open("rb") as file:
            while run.position < size:
                if not run.step(file):
                    raise EOFError(f"expected {size} bytes, got {run.position}")
                if run.position - places[-1].position >= max(STEP, size // PLACES):
                    places.append(run.copy())
            run.step(file)  # the checksum stands behind the last byte
        return cls(path, size, tuple(places))

    def read(self, start: int, length: int) -> bytes:
        """Unpacked bytes from ``start``."""
        place = bisect_right(self.places, start, key=lambda run: run.position) - 1
        run = self.places[place].copy()
        pieces = []
        with self.path.open("rb") as file:
            file.seek(run.taken + len(run.unpacker.unconsumed_tail))
            while run.position < start + length:
                begin = run.position
                piece = run.step(file)
                if not piece:
                    raise EOFError(f"expected {start + length} bytes, got {begin}")
                pieces.append(piece[max(0, start - begin) : start + length - begin])
        return b"".join(pieces)


def beginning_of_gzip(path: Path, length: int) -> bytes:
    """The first unpacked bytes, at most ``length``. Raises zlib.error where it is not a gzip file."""
    with path.open("rb") as file:
        return bytes(zlib.decompressobj(GZIP).decompress(file.read(8 * PIECE), length))


def inflate(packed: bytes, limit: int, window: int = RAW_DEFLATE) -> bytes:
    """Unpack, but no more than ``limit`` bytes. Raises OverflowError where there are more, zlib.error if broken."""
    unpacker = zlib.decompressobj(window)
    unpacked = unpacker.decompress(packed, limit + 1)
    if len(unpacked) > limit:
        raise OverflowError(f"unpacks to more than {limit} bytes")
    if not unpacker.eof:
        raise EOFError("cut short")
    return unpacked


class BoundedFile(BufferedReader):
    """A file that makes no room for bytes that it does not have, however many a damaged header asks for."""

    def __init__(self, path: Path) -> None:
        raw = FileIO(path)
        super().__init__(raw)
        self._size = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to ``size`` bytes."""
        if size is None or size < 0 or size > self._size:
            size = max(0, self._size - self.tell())
        return super().read(size)
