"""Files that are either there whole or not at all: written under another name, flushed to the disk, renamed."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from napari_adasam.domain.errors import StorageError
from napari_adasam.domain.renaming import is_held, replaced

REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)
OWNER_ONLY = 0o600
UNFINISHED = ".part"


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
        with _beside(path) as (temporary, file):
            yield file
            _finish(file)
            with contextlib.suppress(OSError):  # some network disks have no such rights
                temporary.chmod(0o666 & ~UMASK)
            replaced(temporary, path)
    except OSError as error:
        raise StorageError(not_written(path, error)) from error
    flush_folder(path.parent)


def remove_unfinished(path: Path) -> None:
    """Remove what processes that were killed have left of writing a file; nobody may be writing it now."""
    for one in path.parent.glob(f".{glob.escape(_short(path))}.*{UNFINISHED}"):
        with contextlib.suppress(OSError):
            one.unlink()


def write_new(path: Path, content: bytes) -> bool:
    """Write a file that its owner alone can read, from the first byte on; ``False`` where there is one already.

    Of several that write it at once, one gets ``True``. Raises StorageError.
    """
    try:
        with _beside(path) as (temporary, file):
            file.write(content)
            _finish(file)
            _link(temporary, path, content)
    except FileExistsError:
        return False
    except OSError as error:
        raise StorageError(not_written(path, error)) from error
    flush_folder(path.parent)
    return True


def _link(temporary: Path, path: Path, content: bytes) -> None:
    """Give the file its name unless that is taken; a rename would replace the other file."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a disk without links, such as a memory stick
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, OWNER_ONLY)) as file:
            file.write(content)
            sync(file.fileno())


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A file for the owner only in the same folder; at the end of the block it is gone, unless it was renamed."""
    handle, name = tempfile.mkstemp(prefix=f".{_short(path)}.", suffix=UNFINISHED, dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield temporary, file
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _short(path: Path) -> str:
    """So much of a file's name that there is room for more."""
    return path.name[:40]


def _finish(file: IO[bytes]) -> None:
    file.flush()
    sync(file.fileno())
    file.close()  # Windows renames no open file


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
    if is_held(error) and error.filename2 is not None and path.is_file():  # only a rename has a second name
        return f"{path.name} is open in another program; nothing there was changed. Close it there and do it again."
    if error.errno in REFUSED:
        place = next((one for one in (path, *path.parents) if os.path.isdir(one)), path.parent)
        return f"{place} may not be written to; nothing there was changed. Choose another folder."
    if error.errno == errno.ENAMETOOLONG:
        name = max(path.parts, key=len)
        return (
            f"{name:.40}… could not be written, for that name is too long for the disk; nothing there was changed. "
            "Choose a shorter one."
        )
    return (
        f"{path} could not be written ({error.strerror or error}); what was there before is unchanged. "
        "Check the disk, or choose another folder."
    )


def sync(handle: int) -> None:
    """Bring an open file to the disk; on macOS out of the drive's own cache too, where ``fsync`` leaves it."""
    if sys.platform == "darwin":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
            return
    os.fsync(handle)


def flush_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system can; some network disks and Windows cannot."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            sync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


UMASK = _umask()
"""Read once: it can only be read by changing it, for all threads."""
