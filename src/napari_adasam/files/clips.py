"""One opened file: its frames by reference, and how to read their pixels when they are needed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Along, Frame, Geometry, Spacing, Stack
from napari_adasam.files.pixels import grey_levels, to_grey
from napari_adasam.files.scaling import Pixels

SMALLEST_SIDE = 16
MOST_PIXELS = 89_000_000
"""A frame with more pixels is refused before it is unpacked: about 9400 × 9400, far beyond any ultrasound image."""
MOST_BYTES = 270_000_000
"""A frame that would take more memory than this is refused, too."""
MOST_FRAMES = 100_000
"""About an hour of video: a file that claims more frames is refused."""
FULL_BITS = 16
ID_LENGTH = 16
DOUBLE_ENDING = ".nii.gz"
ENDING = re.compile(r"\.[a-z][a-z0-9]{1,5}")
LEFT_OUT = ("; it was left out", ", and was left out")
"""How a reader's sentence goes on where a file is one of many and the rest is opened."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One file with one frame or many.

    Parameters
    ----------
    path
        The file.
    frames
        In the order of the file; all of one size.
    reader
        Gives the pixels of frame ``index``; called by :meth:`read` only.
    white
        Gives the value that is white for the model in all frames of a volume, where its file states no bits, or 16.
    values
        Gives the values of frame ``index`` as the file means them, where pixels are scaled to be shown; ``None`` where
        pixels are these values.
    """

    path: Path
    frames: tuple[Frame, ...]
    reader: Callable[[int], Pixels] = field(repr=False)
    white: Callable[[], int] | None = field(default=None, repr=False)
    values: Callable[[int], NDArray[Any]] | None = field(default=None, repr=False)

    def read(self, index: int) -> Pixels:
        """Pixels of one frame, read from the file now: (height, width) or (height, width, 3) RGB, uint8 or uint16.

        Raises
        ------
        InputError
            If the file is gone, was changed, or is broken.
        """
        pixels = self._from_file(self.reader, index)
        if pixels.dtype not in (np.uint8, np.uint16) or pixels.shape[2:] not in ((), (3,)):
            raise InputError(broken(self.path, TypeError(f"{pixels.dtype} {pixels.shape}")))
        self._check_size(index, pixels)
        return pixels

    def own_values(self, index: int) -> NDArray[Any] | None:
        """Values of one frame as its file means them, (height, width) or (height, width, 3), where pixels are scaled.

        ``None`` where pixels are these values. Raises as :meth:`read` does.
        """
        if self.values is None:
            return None
        values = self._from_file(self.values, index)
        self._check_size(index, values)
        return values

    def levels(self, index: int) -> NDArray[Any]:
        """Grey levels (height, width) of one frame as its file has them, to be measured. Raises as :meth:`read` does.

        Colour is made grey; what is no number is masked (:mod:`numpy.ma`).
        """
        own = self.own_values(index)
        return grey_levels(self.read(index) if own is None else own)

    def _check_size(self, index: int, pixels: NDArray[Any]) -> None:
        frame = self.frames[index]
        if pixels.shape[:2] != (frame.height, frame.width):
            raise InputError(
                f"{self.path.name} has changed since it was opened (now {pixels.shape[0]} × {pixels.shape[1]} px, "
                f"{frame.height} × {frame.width} px before); open it again."
            )

    def _from_file(self, reader: Callable[[int], NDArray[Any]], index: int) -> NDArray[Any]:
        try:
            return reader(index)
        except InputError:
            raise
        except Exception as error:
            raise InputError(broken(self.path, error)) from error

    def grey(self, index: int) -> NDArray[np.uint8]:
        """Pixels of one frame for the model, (height, width) uint8, see :func:`to_grey`. Raises as :meth:`read` does.

        Bits under 16 are what the file's maker states, and hold for all of its frames; 16 is merely the size of the
        numbers, in which 12 bits are often kept, so that what the frame uses counts then. A volume's frames have one
        white.
        """
        bits, pixels = self.frames[index].bits, self.read(index)
        if bits is not None and bits < FULL_BITS:
            return to_grey(pixels, bits)
        return to_grey(pixels, white=None if self.white is None or pixels.dtype == np.uint8 else self.white())


@dataclass(frozen=True, slots=True)
class Header:
    """What a reader learns from a file without unpacking its pixels.

    Parameters
    ----------
    frames, height, width
        Number of frames, and their size in pixels.
    spacings
        One for all frames, or one a frame; ``None`` where the scale is unknown.
    note
        A sentence for the clinician; empty for none.
    times
        Seconds since the first frame, one a frame; empty where unknown.
    bits
        See :class:`Frame`.
    regions
        Like ``spacings``: what they hold for.
    geometry
        Of a volume.
    stack
        What the frames are to each other; ``None``: along time where there are times, else nobody knows.
    """

    frames: int
    height: int
    width: int
    spacings: tuple[Spacing | None, ...] = (None,)
    note: str = ""
    times: tuple[float | None, ...] = ()
    bits: int | None = None
    regions: tuple[tuple[int, int, int, int] | None, ...] = (None,)
    geometry: Geometry | None = None
    stack: Stack | None = None

    def stacked(self) -> Stack | None:
        """What the frames are to each other; ``None`` for one alone."""
        if self.frames < 2 or self.stack is not None:
            return self.stack if self.frames > 1 else None
        return Stack(self.frames, Along.TIME if self.times else Along.UNKNOWN)


def make_clip(
    path: Path,
    header: Header,
    reader: Callable[[int], Pixels],
    white: Callable[[], int] | None = None,
    values: Callable[[int], NDArray[Any]] | None = None,
) -> Clip:
    """Check the sizes and name the frames: ids from the file's content, stems from its name. See :class:`Clip`.

    Raises
    ------
    InputError
        If the frames are too small, too large or too many.
    """
    check_size(path, header.height, header.width)
    check_count(path, header.frames)
    content, stem = content_id(path), stem_of(path)
    several, stack = header.frames > 1, header.stacked()
    frames = [
        Frame(
            id=f"{content}-{index}" if several else content,
            path=str(path),
            index=index,
            height=header.height,
            width=header.width,
            stem=f"{stem}_{index:04d}" if several else stem,
            spacing=header.spacings[index % len(header.spacings)],
            note=header.note,
            time_s=header.times[index] if header.times else None,
            bits=header.bits,
            region=header.regions[index % len(header.regions)],
            geometry=header.geometry,
            stack=stack,
        )
        for index in range(header.frames)
    ]
    return Clip(path, tuple(frames), reader, white, values)


def check_size(path: Path, height: int, width: int, bytes_a_pixel: int = 1) -> None:
    """Raise InputError where a frame of this size cannot be worked on."""
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(
            f"{path.name} is too small ({height} × {width} px); an image needs sides of at least {SMALLEST_SIDE} px."
        )
    if height * width > MOST_PIXELS:
        raise InputError(
            f"{path.name} claims to be {height} × {width} px, more than the {MOST_PIXELS // 1_000_000} million pixels "
            "that are read; it was left out. Save it smaller."
        )
    if height * width * bytes_a_pixel > MOST_BYTES:
        raise InputError(
            f"{path.name} claims frames of {height * width * bytes_a_pixel // 1_000_000} million bytes, more than the "
            f"{MOST_BYTES // 1_000_000} million that are read; it was left out. Save it smaller."
        )


def check_count(path: Path, frames: int) -> None:
    """Raise InputError where a file claims too many frames."""
    if frames > MOST_FRAMES:
        raise InputError(
            f"{path.name} claims to hold {frames} frames, more than the {MOST_FRAMES} that are read; it was left out. "
            "Save it in parts."
        )


def ending_of(path: Path) -> str:
    """The file's ending in small letters, ``.nii.gz`` as one; empty if what is behind the last dot looks like none.

    An ending begins with a letter and has two to six characters: DICOM files are often called by a UID, and the last
    number of that is none.
    """
    if path.name.lower().endswith(DOUBLE_ENDING):
        return DOUBLE_ENDING
    ending = path.suffix.lower()
    return ending if ENDING.fullmatch(ending) else ""


def stem_of(path: Path) -> str:
    """The file's name without its ending."""
    ending = ending_of(path)
    return path.name[: -len(ending)] if ending and len(path.name) > len(ending) else path.name


def content_id(path: Path) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:ID_LENGTH]


def broken(path: Path, error: BaseException) -> str:
    """The sentence for a file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return f"{path.name} is not there any more; put it back or open it from its new place."
    if isinstance(error, PermissionError):
        return f"{path.name} may not be read by this user; ask for access, or copy it to a folder of your own."
    if isinstance(error, MemoryError):
        return (
            f"{path.name} is too large for the memory of this computer; it was left out. Close other programs and try "
            "again."
        )
    return f"{path.name} is damaged or cut short, and was left out; copy it again from where it came."


def needed(sentence: str) -> str:
    """A reader's sentence where the file is not one of many the rest of which is opened."""
    for words in LEFT_OUT:
        sentence = sentence.replace(words, "")
    return sentence


def natural_key(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key in which ``img2`` comes before ``img10``, upper and lower case alike."""
    parts = re.split(r"(\d+)", text.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part], text


def spread(spacings: Sequence[Spacing | None]) -> tuple[Spacing | None, ...]:
    """One spacing where all are the same, else all of them."""
    return tuple(spacings) if any(spacing != spacings[0] for spacing in spacings) else (spacings[0],)
