"""What encoders have computed of pictures, kept on the disk between sittings. Deleting it loses time only.

One file a value, named by the hash of its key: a digest of what follows, then NumPy's own format, half precision. Two
programs may use one folder: files are renamed into place whole, and one that another has removed is a value not kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from napari_adasam.domain.errors import StorageError
from napari_adasam.files.atomic import write_whole
from napari_adasam.files.own_folders import make_own_folder

logger = logging.getLogger(__name__)

Half = NDArray[np.float16]
LIMIT_BYTES = 2 * 2**30
ENDING = ".act"
KEPT_SHARE = 0.8
"""How full the folder is after the least recently used files were removed."""
DIGEST = hashlib.sha256().digest_size


def activations_home() -> Path:
    """The folder in the user's cache folder of this computer."""
    return user_cache_path("napari-adasam") / "activations"


class ActivationStore:
    """Arrays by key in a folder of limited size.

    Parameters
    ----------
    folder
        Made when the first value is kept, for this user alone.
    limit
        In bytes; beyond it the least recently used files go.
    """

    def __init__(self, folder: Path, limit: int = LIMIT_BYTES) -> None:
        self._folder, self._limit = folder, limit
        self._size: int | None = None

    def get(self, key: str) -> Half | None:
        """The array kept for a key; ``None`` if there is none, or it is damaged, which is logged."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(content[DIGEST:]).digest() != content[:DIGEST]:
            logger.warning("%s is damaged; it is removed and made anew", path)
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # used now
        found: Half = np.load(io.BytesIO(content[DIGEST:]), allow_pickle=False)
        return found

    def put(self, key: str, value: Half) -> None:
        """Keep an array. What the disk does not take is logged, and not kept."""
        buffer = io.BytesIO()
        np.save(buffer, value, allow_pickle=False)
        body = buffer.getvalue()
        try:
            make_own_folder(self._folder)
            write_whole(self._path(key), hashlib.sha256(body).digest() + body)
        except StorageError as error:
            logger.warning("what was computed of a picture is not kept for the next time: %s", error)
            return
        self._size = self._measured() if self._size is None else self._size + DIGEST + len(body)
        if self._size > self._limit:
            self._shrink()

    def _path(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}{ENDING}"

    def _files(self) -> list[tuple[float, int, Path]]:
        """(time of the last use, bytes, path) of each file that is still there."""
        found = []
        for path in self._folder.glob(f"*{ENDING}"):
            with contextlib.suppress(OSError):
                about = path.stat()
                found.append((about.st_mtime_ns, about.st_size, path))
        return sorted(found)

    def _measured(self) -> int:
        return sum(size for _, size, _ in self._files())

    def _shrink(self) -> None:
        """Remove what was not used for longest; the size is taken from the disk, where others may have been at work."""
        files = self._files()
        left = sum(size for _, size, _ in files)
        for _, size, path in files[:-1]:
            if left <= KEPT_SHARE * self._limit:
                break
            with contextlib.suppress(OSError):
                path.unlink()
            left -= size
        self._size = left
