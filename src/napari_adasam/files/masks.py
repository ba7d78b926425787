"""The accepted masks of a session on disk: immutable files named by their content."""

from __future__ import annotations

import hashlib
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import tifffile

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.packing import StoredLabels
from napari_adasam.domain.records import Labels
from napari_adasam.files.atomic import write_whole
from napari_adasam.files.clips import ID_LENGTH, MOST_PIXELS


def mask_name(labels: Labels) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of shape and values."""
    digest = hashlib.sha256(f"{labels.shape[0]}x{labels.shape[1]}:".encode())
    digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()[:ID_LENGTH]


def write_mask(folder: Path, labels: Labels) -> str:
    """Write a label image (height, width) uint8, unless it is there unharmed; returns its name. Raises StorageError."""
    name = mask_name(labels)
    if not _is_sound(folder, name):
        file = BytesIO()
        tifffile.imwrite(file, labels, compression="zlib", photometric="minisblack", metadata=None)
        write_whole(folder / f"{name}.tif", file.getvalue())
    return name


def stored_labels(folder: Path, name: str, shape: tuple[int, int]) -> StoredLabels:
    """A label image of the folder that is read, and checked, when it is opened."""
    return StoredLabels(shape, name, partial(read_mask, folder, name))


def read_mask(folder: Path, name: str) -> Labels:
    """Read a label image back, and check that it is the one that was written. Raises InputError if it is not."""
    path = folder / f"{name}.tif"
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            if page.size > MOST_PIXELS:
                raise ValueError(f"expected {MOST_PIXELS} pixels at most, got {page.shape}")
            labels = np.asarray(page.asarray(), np.uint8)
    except Exception as error:
        raise InputError(f"The mask {path.name} of this session is missing or damaged.") from error
    if mask_name(labels) != name:
        raise InputError(f"The mask {path.name} of this session has been changed by another program.")
    labels.setflags(write=False)
    return labels


def _is_sound(folder: Path, name: str) -> bool:
    """Whether the file is there as it was written."""
    try:
        read_mask(folder, name)
    except InputError:
        return False
    return True
