"""Label images: integers a pixel, 0 background; from PNG (grey or palette) and TIFF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Labels
from napari_adasam.files.clips import broken, check_size

TIFF_ENDINGS = (".tif", ".tiff")


def read_labels(path: Path) -> Labels:
    """(height, width) uint8 label image; of a palette PNG the indices, not the colours.

    Raises
    ------
    InputError
        If the file is missing, broken, not a label image, or holds values above 255.
    """
    try:
        values = _tiff(path) if path.suffix.lower() in TIFF_ENDINGS else _png(path)
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


def _png(path: Path) -> NDArray[Any]:
    with Image.open(path, formats=("PNG",)) as image:
        check_size(path, image.height, image.width)
        return np.array(image)


def _tiff(path: Path) -> NDArray[Any]:
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        check_size(path, page.imagelength, page.imagewidth)
        return np.asarray(page.asarray())
