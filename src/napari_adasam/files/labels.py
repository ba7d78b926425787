"""Label images: integers a pixel, 0 background; from PNG (grey or palette), TIFF and NIfTI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Labels
from napari_adasam.files import nifti
from napari_adasam.files.clips import broken, check_size, ending_of
from napari_adasam.files.raster import check_png
from napari_adasam.files.tiff import ENDINGS as TIFF_ENDINGS
from napari_adasam.files.tiff import page_values
from napari_adasam.files.unpacking import BoundedFile

ENDINGS = (".png", *TIFF_ENDINGS, *nifti.ENDINGS)
PNG_DEPTH = 24
"""Where the bits of a value stand in a PNG; whether it is grey (0) stands behind them."""


def count_labels(path: Path) -> int:
    """How many label images a file holds: the pages of a TIFF, the slices of a NIfTI. Raises InputError."""
    if ending_of(path) in nifti.ENDINGS:
        return nifti.open_volume(path).frames
    if ending_of(path) not in TIFF_ENDINGS:
        return 1
    try:
        with tifffile.TiffFile(path) as tiff:
            return len(tiff.pages)
    except Exception as error:
        raise InputError(broken(path, error)) from error


def read_labels(path: Path, index: int = 0) -> Labels:
    """(height, width) uint8 label image; of a palette PNG the indices, not the colours.

    Parameters
    ----------
    index
        Which one of a file with several; slices of a NIfTI lie as those of a picture read from NIfTI do.

    Raises
    ------
    InputError
        If the file is missing, broken, not a label image, or holds values above 255.
    """
    try:
        values = _values(path, index)
    except InputError:
        raise
    except Exception as error:
        raise InputError(broken(path, error)) from error
    if values.ndim != 2 or values.dtype.kind not in "uib":
        raise InputError(
            f"{path.name} is not a label image: expected one whole number a pixel, "
            f"got {values.dtype} in shape {values.shape}."
        )
    if values.size and not 0 <= int(values.min()) <= int(values.max()) <= 255:
        raise InputError(f"{path.name} holds the values {values.min()} to {values.max()}; labels are 0 to 255.")
    return values.astype(np.uint8)


def _values(path: Path, index: int) -> NDArray[Any]:
    ending = ending_of(path)
    if ending in nifti.ENDINGS:
        return _whole(nifti.open_volume(path).values(index))
    if ending in TIFF_ENDINGS:
        return _tiff(path, index)
    with BoundedFile(path) as file, Image.open(file, formats=("PNG",)) as image:
        check_size(path, image.height, image.width)
        check_png(path)
        values = np.array(image)
    factor = _stretched(path)
    return values if factor == 1 else values // factor


def _stretched(path: Path) -> int:
    """What Pillow multiplies the values of a grey PNG of 2 or 4 bits with, to fill 8: 85 or 17; 1 for all others."""
    with path.open("rb") as file:
        file.seek(PNG_DEPTH)
        depth, colour = file.read(2)
    return 255 // (2**depth - 1) if depth in (2, 4) and colour == 0 else 1


def _tiff(path: Path, index: int) -> NDArray[Any]:
    with tifffile.TiffFile(path) as tiff:
        page: Any = tiff.pages[index]
        check_size(path, page.imagelength, page.imagewidth)
        return page_values(path, page, index)


def _whole(values: NDArray[Any]) -> NDArray[Any]:
    """Many programs write labels in NIfTI as floats: whole ones are taken as what they are."""
    if values.dtype.kind == "f" and np.isfinite(values).all() and np.array_equal(values, np.rint(values)):
        return values.astype(np.int64)
    return values
