"""TIFF, plain, ImageJ and OME, through tifffile; one page is read at a time."""

from __future__ import annotations

import re
import struct
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Spacing
from napari_adasam.files.clips import Clip, Header, Pixels, broken, check_size, make_clip, to_unsigned

ENDINGS = (".tif", ".tiff")
MM_PER_UNIT = {
    "nm": 1e-6, "micron": 1e-3, "microns": 1e-3, "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "mm": 1.0, "millimeter": 1.0,
    "cm": 10.0, "m": 1000.0,
}  # fmt: skip
SCALED = "Its values are shown scaled from the smallest to the greatest in each frame."


def open_tiff(path: Path) -> Clip:
    """Open a TIFF; every page of its first series is a frame.

    The scale is read from ImageJ and OME headers only: the resolution of other TIFFs is most often that of a printer.

    Raises
    ------
    InputError
        If it is not a TIFF, is cut short, too small or too large, or laid out in a way that is not read.
    """
    try:
        with tifffile.TiffFile(path) as tiff:
            header = _header(path, tiff)
    except tifffile.TiffFileError as error:
        raise InputError(f"{path.name} is not a TIFF image, or its beginning is damaged; it was left out.") from error
    except InputError:
        raise
    except Exception as error:
        raise InputError(broken(path, error)) from error
    return make_clip(path, header, partial(_read, path))


def _header(path: Path, tiff: tifffile.TiffFile) -> Header:
    series = tiff.series[0]
    page: Any = series.keyframe
    check_size(path, page.imagelength, page.imagewidth)
    if page.imagedepth > 1 or page.ndim not in (2, 3) or page.samplesperpixel not in (1, 2, 3, 4):
        raise InputError(
            f"{path.name} holds {series.axes} data, not pictures; save it as single pictures and open those."
        )
    frames = _count(series)
    if _end_of_pixels(series, page, frames) > path.stat().st_size or _pages_missing(tiff, frames):
        raise InputError(broken(path, EOFError()))
    spacing = _spacing(tiff, page)
    note = "" if page.dtype in (np.uint8, np.uint16, np.bool_) else SCALED
    return Header(frames, page.imagelength, page.imagewidth, (spacing,), note)


def _count(series: Any) -> int:
    """Frames in the series; ImageJ writes large stacks as one page with the rest behind it."""
    per_page = int(np.prod(series.keyframe.shape))
    return max(1, int(np.prod(series.shape)) // per_page)


def _in_one_block(series: Any, frames: int) -> bool:
    return frames > 1 and series.dataoffset is not None and series.keyframe.compression == 1


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


def _read(path: Path, index: int) -> Pixels:
    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        page: Any = series.keyframe
        frames = _count(series)
        if _in_one_block(series, frames):
            stack = tifffile.memmap(path, series=0, mode="r").reshape(frames, *page.shape)
            values = np.array(stack[index])
        else:
            values = np.asarray(tiff.asarray(key=index, series=0))
        return _to_pixels(values, page)


def _to_pixels(values: NDArray[Any], page: Any) -> Pixels:
    """Grey as (height, width), colour as (height, width, 3), without transparency; white-is-zero is turned round."""
    photometric = int(page.photometric)
    if photometric == int(tifffile.PHOTOMETRIC.PALETTE) and page.colormap is not None:
        return np.asarray(np.moveaxis(page.colormap[:, values] >> 8, 0, -1), np.uint8)
    if values.ndim == 3 and page.axes.startswith("S"):
        values = np.moveaxis(values, 0, -1)
    pixels = to_unsigned(values)
    if photometric == int(tifffile.PHOTOMETRIC.MINISWHITE):
        pixels = np.iinfo(pixels.dtype).max - pixels
    if pixels.ndim == 3:
        pixels = pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., 0]
    if photometric == int(tifffile.PHOTOMETRIC.SEPARATED):
        pixels = np.iinfo(pixels.dtype).max - pixels
    return np.ascontiguousarray(pixels)


def _spacing(tiff: tifffile.TiffFile, page: Any) -> Spacing | None:
    try:
        sizes = _ome_sizes(tiff.ome_metadata) if tiff.is_ome else _imagej_sizes(tiff, page)
        return Spacing(sizes[0], sizes[1], "TIFF header") if sizes else None
    except (ValueError, KeyError, ZeroDivisionError, ElementTree.ParseError):
        return None


def _imagej_sizes(tiff: tifffile.TiffFile, page: Any) -> tuple[float, float] | None:
    """(height, width) of a pixel in mm from ImageJ's unit and the page's resolution."""
    if not tiff.is_imagej or not tiff.imagej_metadata:
        return None
    unit = str(tiff.imagej_metadata.get("unit", "")).replace("\\u00B5", "µ").strip().lower()
    if unit not in MM_PER_UNIT:
        return None
    per_unit = [page.tags[name].value for name in ("YResolution", "XResolution")]
    y, x = (MM_PER_UNIT[unit] * below / above for above, below in per_unit)
    return y, x


def _ome_sizes(xml: str | None) -> tuple[float, float] | None:
    """(height, width) of a pixel in mm from OME's PhysicalSize; its unit is µm where none is given."""
    element = ElementTree.fromstring(re.sub(r"\sxmlns=\"[^\"]+\"", "", xml or "<OME/>")).find(".//Pixels")
    if element is None or "PhysicalSizeX" not in element.attrib or "PhysicalSizeY" not in element.attrib:
        return None
    y, x = (
        float(element.attrib[f"PhysicalSize{axis}"])
        * MM_PER_UNIT[element.attrib.get(f"PhysicalSize{axis}Unit", "µm").lower()]
        for axis in "YX"
    )
    return y, x
