"""PNG and JPEG, through Pillow; a JPEG is turned as its camera says, as every program shows it."""

from __future__ import annotations

import os
import warnings
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from imagecodecs import png_decode
from PIL import ExifTags, Image, UnidentifiedImageError

from napari_adasam.domain.errors import InputError
from napari_adasam.files.clips import Clip, Header, broken, check_count, check_size, make_clip
from napari_adasam.files.scaling import Pixels
from napari_adasam.files.unpacking import GREATEST_PACKING, BoundedFile

ENDINGS = (".png", ".jpg", ".jpeg")
FORMATS = ("PNG", "JPEG")
JPEG_END = b"\xff\xd9"
START_OF_SCAN = b"\xff\xda"
FILLING = b"\xff"
PIECE = 1 << 20
PNG_START = b"\x89PNG\r\n\x1a\n"
DEEP = (bytes((16, 2)), bytes((16, 4)), bytes((16, 6)))
"""Bits and kind of colour in the head of a PNG of 16 bits with colour or transparency, of which Pillow reads 8 bits."""
DEPTH_AT = 24
UPRIGHT = 1
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What is done with a picture of each Exif orientation, so that up is up."""
SIDEWAYS = tuple(TURNS[orientation] for orientation in (5, 6, 7, 8))


def open_raster(path: Path) -> Clip:
    """Open a PNG (animated ones are clips) or JPEG; pixels are read later, the file's wholeness is checked now.

    Raises
    ------
    InputError
        If it is not one, is cut short, too small or too large.
    """
    try:
        with BoundedFile(path) as file, Image.open(file, formats=FORMATS) as image:
            deep = _is_deep(file)
            bytes_a_pixel = 2 if image.mode.startswith("I") else len(image.getbands()) * (1 + deep)
            check_size(path, image.height, image.width, bytes_a_pixel)
            animated = image.format == "PNG" and getattr(image, "is_animated", False)
            frames = getattr(image, "n_frames", 1) if animated else 1
            check_count(path, frames)
            height, width = (image.width, image.height) if _turn(image) in SIDEWAYS else (image.height, image.width)
            deep = deep and frames == 1
            header = Header(frames, height, width, bits=16 if deep else _bits(image))
            is_png = image.format == "PNG"
        if is_png:
            check_png(path)
        else:
            _check_jpeg(path)
        if is_png and animated and _frames_there(path) < frames:
            raise InputError(broken(path, EOFError()))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{path.name} claims to be larger than any image that is read; it was left out.") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path.name} is not a PNG or JPEG image, whatever its name says; it was left out.") from error
    except InputError:
        raise
    except Exception as error:
        raise InputError(broken(path, error)) from error
    return make_clip(path, header, partial(_read_deep if deep else _read, path))


def _is_deep(file: BinaryIO) -> bool:
    """Whether a file is a PNG of :data:`DEEP`; afterwards it stands where it stood."""
    at = file.tell()
    file.seek(0)
    head = file.read(DEPTH_AT + len(DEEP[0]))
    file.seek(at)
    return head.startswith(PNG_START) and head.endswith(DEEP)


def _read_deep(path: Path, _index: int) -> Pixels:
    with BoundedFile(path) as file:
        values = png_decode(file.read())
    return np.ascontiguousarray(values[..., 0] if values.shape[2] == 2 else values[..., :3], np.uint16)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """How a JPEG is to be turned; ``None``: not, or what it says of that is damaged. PNG is as it is stored."""
    if image.format == "PNG":
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, UPRIGHT))
        except Exception:  # noqa: BLE001 - Pillow has many kinds, and the picture itself is sound
            return None


def _bits(image: Image.Image) -> int:
    return 1 if image.mode == "1" else 16 if image.mode.startswith("I") else 8


def _frames_there(path: Path) -> int:
    """How many frames an animated PNG really has: its head only claims a number."""
    count = 0
    with path.open("rb") as file:
        file.seek(len(PNG_START))
        while len(head := file.read(8)) == 8:
            count += head[4:] == b"fcTL"
            file.seek(int.from_bytes(head[:4]) + 4, os.SEEK_CUR)
    return count


def check_png(path: Path) -> None:
    """Raise where a checksum is wrong, or the head claims more than so few bytes can hold; makes no room for it."""
    with BoundedFile(path) as file, Image.open(file, formats=("PNG",)) as image:
        bits = 16 if image.mode.startswith("I") else 1 if len(image.getbands()) == 1 else 8 * len(image.getbands())
        if image.height * image.width * bits // 8 > GREATEST_PACKING * path.stat().st_size:
            raise EOFError("cut short")
        image.verify()


def _check_jpeg(path: Path) -> None:
    """Raise where the end marker is missing behind the head: a part of the picture would be grey.

    A preview in the head has one of its own; what a telephone puts behind the end, such as a film, may be long.
    """
    with BoundedFile(path) as file:
        file.seek(_end_of_head(file))
        last = b""
        while piece := file.read(PIECE):
            if JPEG_END in last + piece:
                return
            last = piece[-1:]
    raise InputError(broken(path, EOFError()))


def _end_of_head(file: BinaryIO) -> int:
    """The byte at which the packed pixels of a JPEG begin, or what is no part of a head."""
    at = len(JPEG_END)
    while True:
        file.seek(at)
        mark = file.read(4)
        if mark[:1] != FILLING or mark[:2] == START_OF_SCAN:
            return at
        at += 1 if mark[1:2] == FILLING else 2 + int.from_bytes(mark[2:])


def _read(path: Path, index: int) -> Pixels:
    with BoundedFile(path) as file, Image.open(file, formats=FORMATS) as image:
        if index:
            image.seek(index)
        turn = _turn(image)
        return to_pixels(image if turn is None else image.transpose(turn))


def to_pixels(image: Image.Image) -> Pixels:
    """Grey as (height, width) uint8 or uint16, all else as (height, width, 3) RGB; transparency is left out."""
    if image.mode in ("1", "LA", "La"):
        image = image.convert("L")
    elif image.mode in ("P", "PA"):
        image = image.convert("RGBA").convert("RGB")
    elif image.mode in ("I", "I;16", "I;16B", "I;16L"):
        return np.asarray(np.clip(np.asarray(image), 0, 65535), np.uint16)
    elif image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    return np.array(image, np.uint8)
