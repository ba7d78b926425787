"""The models of this computer: listing, fetching, installing and checking them. The commands ``models …``."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.domain.settings import ModelSettings
from napari_adasam.files.atomic import flush_folder, make_folder, not_written, write_whole, writing_whole
from napari_adasam.files.lock import FolderLock
from napari_adasam.model import library
from napari_adasam.model.library import BUNDLED, PUBLISHED, Record

OnProgress = Callable[[int, int, str], None]
State = Literal["bundled", "installed", "not here"]
CHUNK = 4 * 2**20
SUFFIXES = (".safetensors", ".pt", ".pth")


@dataclass(frozen=True, slots=True)
class Line:
    """One model of the list. ``size`` is in bytes, ``None`` where it is not known; ``file`` is empty if not here."""

    name: str
    state: State
    size: int | None
    sha256: str
    licence: str
    trained_on: str
    address: str
    file: str


def lines() -> list[Line]:
    """Every known model, the bundled one first. Files are looked for, not hashed."""
    return [_line(name) for name in library.known_names()]


def choices() -> dict[str, bool]:
    """The known names, and whether each one's file is on this computer."""
    return {name: library.whereabouts(name) is not None for name in library.known_names()}


def is_here(name: str) -> bool:
    """Whether there is a file for a known name, or at a path; it is not looked into."""
    known = name in library.known_names()
    return library.whereabouts(name) is not None if known else os.path.isfile(os.path.expanduser(name))


def _line(name: str) -> Line:
    path = library.whereabouts(name)
    state: State = "not here" if path is None else "bundled" if name == BUNDLED else "installed"
    sha256, file = library.expected_sha256(name) or "", str(path or "")
    entry = PUBLISHED.get(name)
    if entry is not None:
        return Line(name, state, entry.size, sha256, entry.licence, entry.trained_on, entry.address, file)
    card = library.card_of(path) if path else {}
    record = library.installed().get(name)
    licence = record.licence if record else str(card.get("licence", "unknown"))
    trained_on = f"{len(card['trained_on'])} images" if card.get("trained_on") else "unknown"
    size = path.stat().st_size if path else None
    return Line(name, state, size, sha256, licence, trained_on, "in the wheel" if record is None else "a file", file)


def fetch(name: str, on_progress: OnProgress) -> Path:
    """Fetch a published model unless it is here and whole; its file. ``on_progress`` takes (bytes, of bytes, what).

    Raises
    ------
    InputError
        If there is no published model of this name, or another window or command is fetching.
    ModelError
        If it cannot be had, or what came is something else.
    StorageError
        If the disk does not take it.
    """
    if name == BUNDLED:
        return library.find(BUNDLED)
    if name not in PUBLISHED:
        raise InputError(
            f'There is no published model "{name}". Nothing was fetched. Choose one of: {", ".join(PUBLISHED)}.'
        )
    from napari_adasam.model.fetching import fetch as fetch_entry

    folder = make_folder(library.models_folder())
    with _alone(folder):
        try:
            path = fetch_entry(PUBLISHED[name], on_progress)
        except OSError as error:
            raise StorageError(not_written(folder / PUBLISHED[name].file, error)) from error
    flush_folder(folder)
    return path


def install(file: Path, name: str | None = None) -> tuple[str, Path]:
    """Copy a model's file into the models folder; the name that it is now known by, and where it lies.

    A published checkpoint is known by its sha256, whatever its file is called. Anything else is loaded first, and
    gets ``name``, or the stem of its file. What was installed before and is gone or damaged by now is put back.

    Raises
    ------
    InputError
        If the file is missing, holds no model, or the name is taken or none.
    StorageError
        If the disk does not take it.
    """
    if not file.is_file():
        raise InputError(f"There is no file {file}. Nothing was installed. Give the file of a model.")
    digest = library.sha256(file)
    if digest == library.bundled_sha256():
        return BUNDLED, library.find(BUNDLED)
    published = next((known for known, entry in PUBLISHED.items() if entry.sha256 == digest), None)
    if published is not None:
        path = make_folder(library.models_folder()) / PUBLISHED[published].file
        return published, _whole(file, path, digest)
    chosen = name or file.stem
    earlier = library.installed().get(chosen)
    path = library.models_folder() / (earlier.file if earlier else f"{chosen}{_suffix(file)}")
    if earlier is not None and earlier.sha256 == digest:
        return chosen, _whole(file, path, digest)
    _check_name(chosen, path, digest)
    record = _describe(file, chosen, path.name, digest)
    make_folder(path.parent)
    if not path.exists():
        _copy(file, path, digest)
    write_whole(library.record_file(chosen), json.dumps(asdict(record), ensure_ascii=False, indent=2).encode())
    return chosen, path


@dataclass(frozen=True, slots=True)
class Check:
    """One file that was hashed; ``problem`` is a sentence, empty where it is as it must be."""

    name: str
    file: str
    sha256: str
    problem: str = ""


def verify() -> Iterator[Check]:
    """Hash the bundled file and everything in the models folder that is known by a name."""
    for name in library.known_names():
        path = library.whereabouts(name)
        if path is None:
            if name not in PUBLISHED:
                yield Check(name, "", "", f"The file of the model {name} is gone. Install it again.")
            continue
        digest = library.sha256(path)
        sound = digest == library.expected_sha256(name)
        yield Check(name, str(path), digest, "" if sound else library.differs(name, path))
    for record in library.record_files():
        try:
            library.read_record(record)
        except InputError as error:
            yield Check(record.stem, str(record), "", str(error))


def _check_name(name: str, path: Path, digest: str) -> None:
    """Raise InputError where a name is none, or stands for something else already."""
    if not re.fullmatch(r"\w[\w .+-]*", name) or name.endswith((".", " ", *SUFFIXES)):
        raise InputError(
            f'"{name}" cannot be a model\'s name. Nothing was installed. Give one of letters, digits, "-" and "_" '
            "with --name."
        )
    there = library.known_names()
    taken = name in there or any(name.casefold() == one.casefold() for one in there)
    if taken or library.record_file(name).exists() or (path.exists() and library.sha256(path) != digest):
        raise InputError(
            f"There is another model named {name} already. It was left as it is, and nothing was installed. Give "
            "another name with --name."
        )


def _describe(file: Path, name: str, file_name: str, digest: str) -> Record:
    """Load a model's file, which shows that it can be used; what is to be noted of it."""
    from napari_adasam.services.torch_start import keep_triton_out

    keep_triton_out()
    from napari_adasam.model import checkpoints, registry

    net = registry.load(ModelSettings(name=str(file.absolute())))
    kind = str(library.card_of(file).get("kind", "sam"))
    fingerprint = checkpoints.fingerprint(net.state_dict())
    card, size = net.card, file.stat().st_size
    return Record(name, file_name, digest, size, str(card.licence), kind, card.architecture, fingerprint)


def _suffix(file: Path) -> str:
    return file.suffix if file.suffix in SUFFIXES else ".pth"


def _whole(file: Path, path: Path, digest: str) -> Path:
    """The path where a file of this digest lies; copied there where that is gone or damaged. Raises StorageError."""
    if not (path.is_file() and library.sha256(path) == digest):
        _copy(file, path, digest)
    return path


def _copy(file: Path, path: Path, digest: str) -> None:
    """Copy a file whole or not at all; raises StorageError, also if it was changed meanwhile."""
    with writing_whole(path) as copy, file.open("rb") as source:
        _pour(source, copy)
    if library.sha256(path) != digest:
        path.unlink()
        raise StorageError(f"{file} changed while it was copied. Nothing was installed. Try it again.")


def _pour(source: IO[bytes], target: IO[bytes]) -> None:
    while piece := source.read(CHUNK):
        target.write(piece)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One download at a time: two would write into the same unfinished file."""
    lock = FolderLock(
        folder, "Another window or command is fetching a model. Nothing was fetched. Wait for it, and try again."
    )
    lock.take()
    try:
        yield
    finally:
        lock.release()
