"""Files that are either there whole or not at all: written under another name, flushed to the disk, renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from napari_adasam.domain.errors import StorageError


def write_whole(path: Path, content: bytes) -> Path:
    """Write ``content`` to ``path``, replacing what was there; after the return it has reached the disk.

    Raises
    ------
    StorageError
        If it did not: then the earlier file, if any, is as it was.
    """
    with writing_whole(path) as file:
        file.write(content)
    return path


@contextlib.contextmanager
def writing_whole(path: Path) -> Iterator[IO[bytes]]:
    """Write a file piece by piece, as :func:`write_whole` does; an exception in the block leaves all as it was."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(not_written(path, error)) from error
    flush_folder(path.parent)


def make_folder(folder: Path) -> Path:
    """Make a folder and those above it. Raises StorageError if that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(not_written(folder, error)) from error
    return folder


def not_written(path: Path, error: OSError) -> str:
    """The sentence for a write that failed."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"There is no space left to write {path.name}; all that was saved before is safe. "
            "Free some space and repeat."
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{path.parent} may not be written to; nothing there was changed. Choose another folder."
    return (
        f"{path} could not be written ({error.strerror or error}); what was there before is unchanged. "
        "Check the disk, or choose another folder."
    )


def flush_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system can; some network disks and Windows cannot."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
