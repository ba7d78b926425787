"""The accepted masks of a session on disk: immutable files named by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Container
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import tifffile

from napari_adasam.domain.errors import AdasamError, InputError, StorageError
from napari_adasam.domain.packing import StoredLabels
from napari_adasam.domain.records import Labels
from napari_adasam.files.atomic import write_whole
from napari_adasam.files.clips import ID_LENGTH, MOST_PIXELS


def mask_name(labels: Labels) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of shape and values."""
    digest = hashlib.sha256(f"{labels.shape[0]}x{labels.shape[1]}:".encode())
    digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()[:ID_LENGTH]


def write_mask(folder: Path, labels: Labels, sound: Container[str] = ()) -> str:
    """Write a label image (height, width) uint8, unless it is there unharmed; returns its name. Raises StorageError.

    ``sound``: names of those that were found to be so.
    """
    name = mask_name(labels)
    if name not in sound and not _is_sound(folder, name):
        file = BytesIO()
        tifffile.imwrite(file, labels, compression="zlib", photometric="minisblack", metadata=None)
        _write(folder, name, file.getvalue())
    return name


def copy_mask(source: Path, folder: Path, name: str) -> None:
    """Take a label image of another session over, byte for byte, unless it is there unharmed.

    Raises InputError if it cannot be read in ``source``, StorageError if it cannot be written.
    """
    read_mask(source, name)
    if not _is_sound(folder, name):
        _write(folder, name, (source / f"{name}.tif").read_bytes())


def _write(folder: Path, name: str, content: bytes) -> None:
    """Write a file, and read it back once."""
    path = write_whole(folder / f"{name}.tif", content)
    if path.read_bytes() != content:
        raise StorageError(f"{path} is not on the disk as it was written; check the disk, or choose another folder.")


class MaskFolder:
    """Where a session's label images lie; when the session moves into another folder, ``path`` is set to that one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str) -> Labels:
        """See :func:`read_mask`."""
        return read_mask(self.path, name)

    def stored(self, name: str, shape: tuple[int, int]) -> StoredLabels:
        """A label image of the folder that is read, and checked, when it is opened."""
        return StoredLabels(shape, name, partial(self.read, name))


def read_mask(folder: Path, name: str) -> Labels:
    """Read a label image back, and check that it is the one that was written.

    Raises
    ------
    InputError
        If it is not.
    AdasamError
        If the memory is full.
    """
    path = folder / f"{name}.tif"
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            if page.size > MOST_PIXELS:
                raise ValueError(f"expected {MOST_PIXELS} pixels at most, got {page.shape}")
            labels = np.asarray(page.asarray(), np.uint8)
    except MemoryError as error:  # no InputError: nothing is to take the place of a mask that is sound
        raise AdasamError(
            f"There is not enough free memory to read the mask {path.name}. It is safe. Close other programs and try "
            "again."
        ) from error
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
