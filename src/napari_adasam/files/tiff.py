"""TIFF, plain, ImageJ and OME, one page at a time: through tifffile, and what it lacks a decoder for through Pillow."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import ExifTags, Image

from napari_adasam.domain.errors import InputError
from napari_adasam.files.clips import Clip, Header, broken, check_count, check_size, make_clip
from napari_adasam.files.levels import Levels
from napari_adasam.files.raster import TURNS, UPRIGHT, to_pixels
from napari_adasam.files.scaling import SCALED_ALIKE, Ends, Pixels, ends_of, to_unsigned
from napari_adasam.files.tiff_headers import spacing_of, stack_of, times_of
from napari_adasam.files.tiff_pages import Pages, Place, find_pages
from napari_adasam.files.unpacking import GREATEST_PACKING, inflate

logging.getLogger("tifffile").addHandler(logging.NullHandler())
ENDINGS = (".tif", ".tiff")
PLAIN = 1
DEFLATE = (8, 32946, 50013)
BY_IMAGECODECS = (5, 32773)
"""LZW and PackBits: tifffile has imagecodecs unpack them, to no more than a page holds."""
BY_PILLOW = (2, 3, 4, 6, 7)
"""CCITT and JPEG: tifffile reads CCITT only with the newest imagecodecs."""
WHITE_IS_ZERO = int(tifffile.PHOTOMETRIC.MINISWHITE)
SUBSAMPLED = int(tifffile.PHOTOMETRIC.YCBCR)
OTHER_COLOURS = (8, 9, 10, 32844, 32845)
"""L*a*b* and LogLuv."""
TURNED_BACK = TURNS | {6: TURNS[8], 8: TURNS[6]}
"""What undoes the turn of each orientation."""
UNGUARDED_BYTES = 100_000_000
AS_THEY_ARE = (np.uint8, np.uint16, np.bool_)
"""Types whose values are shown as they are."""
Found = TypeVar("Found")


def open_tiff(path: Path) -> Clip:
    """Open a TIFF; every page of its first series is a frame, or every page that is like the first one.

    The scale is read from ImageJ and OME headers only: the resolution of other TIFFs is most often that of a printer.

    Raises
    ------
    InputError
        If it is not a TIFF, is cut short, too small or too large, or laid out in a way that is not read.
    """
    try:
        with tifffile.TiffFile(path) as tiff:
            header, pages = _header(path, tiff)
            levels = _levels(path, header, tiff, pages)
    except tifffile.TiffFileError as error:
        raise InputError(f"{path.name} is not a TIFF image, or its beginning is damaged; it was left out.") from error
    except InputError:
        raise
    except Exception as error:
        raise InputError(broken(path, error)) from error
    own = (lambda index: _look(path, pages.place(index), _own)) if SCALED_ALIKE in header.note else None
    header = replace(header, note=levels.noted(header.note))
    return make_clip(path, header, levels.pixels, levels.white_of_all(), own)


def _levels(path: Path, header: Header, tiff: tifffile.TiffFile, pages: Pages) -> Levels:
    """Frames of a stack are shown alike, whatever they hold; their range is read from the file that is open."""
    page: Any = tiff.series[0].keyframe
    ends_at = None if page.dtype in AS_THEY_ARE else (lambda index: _look_at(path, tiff, pages.place(index), _ends))
    frame_bytes = header.height * header.width * page.samplesperpixel * page.dtype.itemsize
    return Levels(
        lambda index, ends: _look(path, pages.place(index), partial(_to_pixels, ends=ends)),
        ends_at,
        header.frames,
        frame_bytes,
    )


def _header(path: Path, tiff: tifffile.TiffFile) -> tuple[Header, Pages]:
    """What the file says of its frames, and which of its pages they are."""
    _check_chain(tiff)
    check_count(path, len(tiff.pages))
    series = tiff.series[0]
    page: Any = series.keyframe
    _check_page(path, page)
    frames = _count(series)
    check_count(path, frames)
    if _end_of_pixels(series, page, frames) > path.stat().st_size or _pages_missing(tiff, frames):
        raise InputError(broken(path, EOFError()))
    pages = find_pages(tiff, frames)
    frames = len(pages.places) or frames
    scaled = "" if page.dtype in AS_THEY_ARE else SCALED_ALIKE
    header = Header(
        frames=frames,
        height=page.imagelength,
        width=page.imagewidth,
        spacings=(spacing_of(tiff, page),),
        note=" ".join(filter(None, (pages.note, scaled))),
        times=times_of(tiff, frames),
        bits=int(np.max(page.bitspersample)) if page.dtype.kind in "ub" else None,
        stack=stack_of(tiff, frames),
    )
    return header, pages


def _check_chain(tiff: tifffile.TiffFile) -> None:
    """Raise EOFError where the pages' lists of tags take more room than the file has: they overlap, and may go on."""
    form, file = tiff.tiff, tiff.filehandle
    offset, room = tiff.pages[0].offset, file.size
    while 0 < offset < file.size - form.tagnosize:
        file.seek(offset)
        (tags,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
        room -= form.tagnosize + tags * form.tagsize
        if room < 0:
            raise EOFError("lists of tags that overlap")
        file.seek(tags * form.tagsize, 1)
        following = file.read(form.offsetsize)
        offset = struct.unpack(form.offsetformat, following)[0] if len(following) == form.offsetsize else 0


def _check_page(path: Path, page: Any) -> None:
    """Raise InputError where a page is too large, no picture, or packed in a way that is not read."""
    if page.imagedepth > 1 or page.ndim not in (2, 3) or page.samplesperpixel not in (1, 2, 3, 4):
        raise InputError(
            f"{path.name} holds {page.axes} data, not pictures; save it as single pictures and open those."
        )
    if page.dtype is None or page.dtype.kind not in "iufb" or int(page.photometric) in OTHER_COLOURS:
        raise InputError(f"{path.name} holds values that are no picture's grey or colour; save it as RGB or grey.")
    if page.compression not in (PLAIN, *DEFLATE, *BY_IMAGECODECS, *BY_PILLOW):
        raise InputError(f"{path.name} is packed in a way that is not read; save it uncompressed, or with deflate.")
    pixel = page.samplesperpixel * page.dtype.itemsize
    check_size(path, page.imagelength, page.imagewidth, pixel)
    if page.is_tiled:
        check_size(path, page.tilelength, page.tilewidth, pixel)


def _count(series: Any) -> int:
    """Frames in the series; ImageJ writes large stacks as one page with the rest behind it."""
    per_page = int(np.prod(series.keyframe.shape))
    return max(1, int(np.prod(series.shape, dtype=object)) // per_page)


def _in_one_block(series: Any, frames: int) -> bool:
    return frames > 1 and series.dataoffset is not None and series.keyframe.compression == PLAIN


def _end_of_pixels(series: Any, page: Any, frames: int) -> int:
    """The byte behind the last pixel, as the header promises."""
    if _in_one_block(series, frames):
        return int(series.dataoffset) + frames * int(np.prod(page.shape)) * int(page.dtype.itemsize)
    ends = [0]
    for one in (page, series.pages[-1]):
        if one is not None:
            ends += [start + length for start, length in zip(one.dataoffsets, one.databytecounts, strict=False)]
    return max(ends)


def _pages_missing(tiff: tifffile.TiffFile, frames: int) -> bool:
    """Whether the header promises more pages than there are; tifffile itself reads on with those it finds."""
    if tiff.is_imagej and int((tiff.imagej_metadata or {}).get("images", 1)) > frames:
        return True
    form = tiff.tiff
    file = tiff.filehandle
    file.seek(tiff.pages[-1].offset)
    (tags,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
    file.seek(tags * form.tagsize, 1)
    (following,) = struct.unpack(form.offsetformat, file.read(form.offsetsize))
    return bool(following)


def _look(path: Path, place: Place, then: Callable[[NDArray[Any], Any], Found]) -> Found:
    """What is made of a page's stored values and its tags; ``None`` for these where Pillow has heeded them."""
    with tifffile.TiffFile(path) as tiff:
        return _look_at(path, tiff, place, then)


def _look_at(path: Path, tiff: tifffile.TiffFile, place: Place, then: Callable[[NDArray[Any], Any], Found]) -> Found:
    """The same in a file that is open: with many pages, opening it takes far longer than reading one."""
    if not place.in_series:  # where each page is a series, looking for series takes long
        return _look_through(path, tiff.pages[place.number], None, then)
    series = tiff.series[0]
    page: Any = series.keyframe
    _check_page(path, page)
    frames = _count(series)
    if _in_one_block(series, frames):
        stack = tifffile.memmap(path, series=0, mode="r").reshape(frames, *page.shape)
        return then(np.array(stack[place.number]), page)
    one: Any = series.pages[place.number]
    if one is None:
        raise InputError(f"{path.name} is one of several files that belong together; put them into one folder.")
    return _look_through(path, one, page, then)


def _look_through(path: Path, one: Any, first: Any, then: Callable[[NDArray[Any], Any], Found]) -> Found:
    """The same of a page; the tags are those of the first of its series, ``None`` where it stands alone."""
    page = one if first is None else first
    _check_page(path, page)
    if _needs_pillow(page):
        return then(_read_by_pillow(path, one), None)
    return then(_unpacked(path, one), page)


def page_values(path: Path, page: Any, index: int) -> NDArray[Any]:
    """The stored values of page ``index`` of the file, palettes not applied. Raises InputError."""
    _check_page(path, page)
    if not _needs_pillow(page):
        return _unpacked(path, page)
    values = np.array(_by_pillow(path, index))
    # Pillow turns white-is-zero round; of one bit, which is all that CCITT has, that is taken back.
    return ~values if int(page.photometric) == WHITE_IS_ZERO and values.dtype == np.bool_ else values


def _unpacked(path: Path, page: Any) -> NDArray[Any]:
    """Values of a page, after a look at whether its parts lie in the file, and whether any is packed to burst."""
    if any(start + length > page.parent.filehandle.size for start, length in _parts(page)):
        raise EOFError("cut short")
    if page.compression in DEFLATE:
        file = page.parent.filehandle
        for start, length in _parts(page):
            if length * GREATEST_PACKING > UNGUARDED_BYTES:
                file.seek(start)
                try:
                    inflate(file.read(length), max(UNGUARDED_BYTES, page.nbytes), window=15)
                except OverflowError as error:
                    raise InputError(
                        f"{path.name} unpacks to far more than its size in pixels; it was left out. Save it again."
                    ) from error
    return np.asarray(page.asarray(maxworkers=1))


def _parts(page: Any) -> Iterator[tuple[int, int]]:
    """Where each strip or tile begins in the file, and how many bytes it has there."""
    return zip(page.dataoffsets, page.databytecounts, strict=True)


def _needs_pillow(page: Any) -> bool:
    odd = int(np.max(page.bitspersample)) not in (1, 2, 4, 8, 16, 32, 64)
    return page.compression in BY_PILLOW or int(page.photometric) == SUBSAMPLED or odd


def _read_by_pillow(path: Path, page: Any) -> NDArray[Any]:
    if page.dtype.kind == "i":
        raise InputError(f"{path.name} holds values below 0, packed in a way that is not read; save it uncompressed.")
    image = _by_pillow(path, page.index)
    return np.array(image) if image.mode == "F" else to_pixels(image)


def _by_pillow(path: Path, index: int) -> Image.Image:
    """A page as it is stored, as the other ones are: what Pillow turns, it turns back."""
    with Image.open(path, formats=("TIFF",)) as image:
        image.seek(index)
        back = TURNED_BACK.get(image.getexif().get(ExifTags.Base.Orientation, UPRIGHT))
        image.load()
        return image.copy() if back is None else image.transpose(back)


def _ends(values: NDArray[Any], page: Any) -> Ends:
    return ends_of(values)


def _own(values: NDArray[Any], page: Any) -> NDArray[Any]:
    """Values as they are: grey as (height, width), colour as (height, width, 3)."""
    if page is not None and values.ndim == 3 and page.axes.startswith("S"):
        values = np.moveaxis(values, 0, -1)
    return values if values.ndim == 2 else values[..., :3] if values.shape[-1] >= 3 else values[..., 0]


def _to_pixels(values: NDArray[Any], page: Any, ends: Ends | None) -> Pixels:
    """Grey as (height, width), colour as (height, width, 3), without transparency; white-is-zero is turned round."""
    if page is None:
        return to_unsigned(values, ends)
    photometric = int(page.photometric)
    if photometric == int(tifffile.PHOTOMETRIC.PALETTE) and page.colormap is not None:
        unused = 8 if page.colormap.max() > 255 else 0  # some programs write bytes where words are meant
        return np.asarray(np.moveaxis(page.colormap[:, values] >> unused, 0, -1), np.uint8)
    if values.ndim == 3 and page.axes.startswith("S"):
        values = np.moveaxis(values, 0, -1)
    pixels = to_unsigned(values, ends)
    bits = int(np.max(page.bitspersample))
    if bits in (2, 4):
        pixels = np.asarray(pixels * (255 // (2**bits - 1)), np.uint8)
    if photometric == WHITE_IS_ZERO:
        pixels = np.iinfo(pixels.dtype).max - pixels
    if pixels.ndim == 3:
        pixels = pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., 0]
    if photometric == int(tifffile.PHOTOMETRIC.SEPARATED):
        pixels = np.iinfo(pixels.dtype).max - pixels
    return np.ascontiguousarray(pixels)
