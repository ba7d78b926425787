"""A set of files that appears in a folder all together or not at all.

The files are written into a hidden folder on the same disk, each flushed, and moved to their places at the end. Where
the folder is new, the move is one rename; where it holds earlier files, they are put aside first and put back if a
move fails. An interruption by power cut or kill leaves the hidden folder, which the next export takes away.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from types import TracebackType
from typing import IO

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.domain.renaming import replaced
from napari_adasam.files.atomic import flush_folder, make_folder, not_written

PREFIX, SUFFIX = ".adasam-export-", ".part"
STALE_SECONDS = 24 * 3600.0
"""A hidden folder of that age belongs to nobody any more."""


class Staging:
    """``with Staging(folder) as staging:`` write files, then :meth:`commit`; without it nothing has happened.

    Parameters
    ----------
    folder
        Where the files shall appear; made if need be.

    Raises
    ------
    InputError
        From :meth:`open` and :meth:`write`, if a name leads out of the folder.
    StorageError
        From every method, if the disk does not take it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = Path(os.path.abspath(folder))  # without "..", as the system's own functions make it
        self._files: dict[str, str] = {}
        self._place = self._folder

    @property
    def files(self) -> dict[str, str]:
        """Names of the files written so far, with ``/`` between folders, and the SHA-256 of each in hexadecimal."""
        return dict(self._files)

    @property
    def targets(self) -> list[Path]:
        """Where the files written so far will be."""
        return [self._folder / name for name in self._files]

    def __enter__(self) -> Staging:
        fresh = not os.path.exists(self._folder)
        beside = self._folder.parent if fresh else self._folder
        make_folder(beside)
        _sweep(beside)
        try:
            with contextlib.suppress(FileNotFoundError):
                self._folder.lstat()  # a name that the disk does not take is refused now, and not after the work
            if not fresh and not self._folder.is_dir():
                raise NotADirectoryError(20, "Not a directory")
            self._place = Path(tempfile.mkdtemp(prefix=PREFIX, suffix=SUFFIX, dir=beside))
        except OSError as error:
            raise StorageError(not_written(self._folder, error)) from error
        (self._place / "new").mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        shutil.rmtree(self._place, ignore_errors=True)

    def write(self, name: str, content: bytes) -> None:
        """Write one file, ``name`` relative to the folder."""
        with self.open(name) as file:
            file.write(content)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Write one file piece by piece; flushed to the disk, and its SHA-256 taken, when the block ends."""
        path = _inside(self._place / "new", name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                self._files[name] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise StorageError(not_written(self._folder / name, error)) from error

    @contextlib.contextmanager
    def scratch(self) -> Iterator[IO[bytes]]:
        """A file for what is too large for the memory; gone when the block ends."""
        try:
            with tempfile.TemporaryFile(dir=self._place) as file:
                yield file
        except OSError as error:
            raise StorageError(not_written(self._folder, error)) from error

    def commit(self) -> list[Path]:
        """Move everything to its place and return the paths in the order of writing; a failure leaves all as before."""
        new = self._place / "new"
        try:
            for folder in {(new / name).parent for name in self._files} | {new}:
                flush_folder(folder)  # on macOS this empties the drive's cache, once for all files
            if self._folder.exists():
                self._move(new)
            else:
                replaced(new, self._folder)
        except OSError as error:
            raise StorageError(not_written(self._folder, error)) from error
        for folder in {target.parent for target in self.targets} | {self._folder.parent}:
            flush_folder(folder)
        return self.targets

    def _move(self, new: Path) -> None:
        """File by file into a folder that holds others; taken back if one cannot be moved."""
        aside = self._place / "earlier"
        aside.mkdir()
        with contextlib.ExitStack() as back:
            for number, name in enumerate(self._files):
                target = self._folder / name
                for folder in reversed([one for one in target.parents if not one.exists()]):
                    folder.mkdir()
                    back.callback(_remove_folder, folder)
                try:
                    if target.exists():
                        replaced(target, aside / str(number))
                        back.callback(replaced, aside / str(number), target)
                    replaced(new / name, target)
                except OSError as error:
                    raise StorageError(not_written(target, error)) from error
                back.callback(replaced, target, new / name)
            back.pop_all()


def _inside(folder: Path, name: str) -> Path:
    """Where a file goes below a folder; a session from somebody else may have names that lead out of it."""
    path, windows = folder / name, PureWindowsPath(name)
    bad = ".." in windows.parts or windows.anchor or any(one in name for one in ("\\", "//", "\0"))
    if bad or folder.resolve() not in path.resolve().parents:
        raise InputError(
            f'"{name}" cannot be the name of a file in the folder, and nothing was written by it. '
            "Rename the picture, or ask whoever made the session."
        )
    return path


def _sweep(folder: Path) -> None:
    """Take away what an interrupted export left long ago."""
    for rest in folder.glob(f"{PREFIX}*{SUFFIX}"):
        with contextlib.suppress(OSError):
            if time.time() - rest.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(rest, ignore_errors=True)


def _remove_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
