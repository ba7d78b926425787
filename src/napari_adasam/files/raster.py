"""PNG and JPEG, through Pillow."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from napari_adasam.domain.errors import InputError
from napari_adasam.files.clips import Clip, Header, broken, check_count, check_size, make_clip
from napari_adasam.files.scaling import Pixels
from napari_adasam.files.unpacking import GREATEST_PACKING, BoundedFile

ENDINGS = (".png", ".jpg", ".jpeg")
FORMATS = ("PNG", "JPEG")
JPEG_END = b"\xff\xd9"
TAIL = 65536
PNG_START = b"\x89PNG\r\n\x1a\n"


def open_raster(path: Path) -> Clip:
    """Open a PNG (animated ones are clips) or JPEG; pixels are read later, the file's wholeness is checked now.

    Raises
    ------
    InputError
        If it is not one, is cut short, too small or too large.
    """
    try:
        with BoundedFile(path) as file, Image.open(file, formats=FORMATS) as image:
            check_size(path, image.height, image.width, 2 if image.mode.startswith("I") else len(image.getbands()))
            animated = image.format == "PNG" and getattr(image, "is_animated", False)
            frames = getattr(image, "n_frames", 1) if animated else 1
            check_count(path, frames)
            header = Header(frames, image.height, image.width, bits=_bits(image))
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
    return make_clip(path, header, partial(_read, path))


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
    """Raise where the end marker is missing: a part of the picture would be grey."""
    with BoundedFile(path) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
        if JPEG_END not in file.read():
            raise InputError(broken(path, EOFError()))


def _read(path: Path, index: int) -> Pixels:
    with BoundedFile(path) as file, Image.open(file, formats=FORMATS) as image:
        if index:
            image.seek(index)
        return to_pixels(image)


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
