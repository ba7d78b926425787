"""What frames and files are called in an export: by their own names, or by pseudonyms that only a key can repeat."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePath, PureWindowsPath

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.domain.records import Frame
from napari_adasam.files.atomic import REFUSED, write_new
from napari_adasam.files.tables import composed

KEY_FILE = "pseudonyms.key"
KEY_BYTES = 32
DIGITS = 12
LONGEST_BYTES, NUMBER_BYTES = 235, 16
KEY_NOT_KEPT = (
    "The session's folder may not be written to, so that later exports may use other names; to have names that stay, "
    "copy the session to a folder of your own first, and export from there."
)


def as_path(path: str) -> PurePath:
    """A path as the system takes it apart that it is of: Windows', where it has a disk or a share, also elsewhere."""
    windows = PureWindowsPath(path)
    return windows if windows.drive and (windows.root or "\\" in path) else Path(path)


def word_for(frames: Sequence[Frame]) -> str:
    """What sentences call them: frames are of clips and volumes; others are images, as in the window."""
    return "frame" if frames and all(one.id != one.file_id for one in frames) else "image"


def output_names(frames: Sequence[Frame]) -> dict[str, str]:
    """Frame id to its name in the export: its stem, with ``_2``, ``_3``… behind it where another frame has that name.

    Upper and lower case are not told apart, nor letters whose accents are kept in another way, as on many disks.
    """
    return unique_names((frame.id, frame.stem) for frame in frames)


def unique_names(wanted: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Key to a name of its own, from pairs of key and wished-for name; a backslash becomes ``_``, a long one is cut."""
    pairs = [(key, _short(stem.replace("\\", "_"))) for key, stem in wanted]
    names: dict[str, str] = {}
    taken: set[str] = {_alike(stem) for _, stem in pairs}
    used: set[str] = set()
    for key, stem in pairs:
        name, number = stem, 1
        while _alike(name) in (used if number == 1 else used | taken):
            number += 1
            name = f"{stem}_{number}"
        used.add(_alike(name))
        names[key] = name
    return names


def _short(stem: str) -> str:
    """A name that a number and an ending fit behind, for disks take 255 bytes; a frame's number at its end stays."""
    kept = stem.encode(errors="replace")
    if len(kept) <= LONGEST_BYTES:
        return stem
    return (kept[: LONGEST_BYTES - NUMBER_BYTES] + kept[-NUMBER_BYTES:]).decode(errors="ignore")


def _alike(name: str) -> str:
    """The same for names that some disk takes for one."""
    return composed(composed(name).casefold())


def pseudonym(key: bytes, text: str) -> str:
    """The first hexadecimal digits of HMAC-SHA256 (RFC 2104): the same for the same key, and no way back without it."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:DIGITS]


def without_names(frame: Frame, key: bytes) -> Frame:
    """The frame under a pseudonym, without path and note; frames of one file keep their number in it."""
    alias = f"image_{pseudonym(key, frame.file_id)}"
    stem = f"{alias}_{frame.index:04d}" if frame.id != frame.file_id else alias
    return replace(frame, path="", stem=stem, note="")


def read_key(folder: Path) -> bytes:
    """The key of a session's folder, made if it has none; it stays there and is in no export.

    Raises
    ------
    InputError
        If the file with the key is damaged.
    StorageError
        If it cannot be read or written.
    """
    path = folder / KEY_FILE
    key = _found_key(path)
    if key is None:
        key = secrets.token_bytes(KEY_BYTES)
        if not write_new(path, key.hex().encode()):
            return _found_key(path) or key  # of an export that began at the same time
    return key


def key_of(folder: Path) -> tuple[bytes, bool]:
    """The key of a session's folder, and whether it is kept: in a folder that may not be written to it is for once.

    Raises as :func:`read_key` does.
    """
    try:
        return read_key(folder), True
    except StorageError as error:
        refused = isinstance(error.__cause__, OSError) and error.__cause__.errno in REFUSED
        if not refused or os.path.lexists(folder / KEY_FILE):
            raise
        return secrets.token_bytes(KEY_BYTES), False


def _found_key(path: Path) -> bytes | None:
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
        if len(key) != KEY_BYTES:
            raise ValueError(f"expected {KEY_BYTES} bytes, got {len(key)}")
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError(
            f"The key of the pseudonyms, {path.name}, is damaged, and nothing was exported. Put it back from a copy, "
            "or remove it: then all names will be others than before."
        ) from error
    except OSError as error:
        raise StorageError(
            f"The key of the pseudonyms, {path}, cannot be read; nothing was exported. Ask for access to it."
        ) from error
    return key


def carry_key(source: Path, target: Path) -> None:
    """Take the key of a session's folder over to a new one, if it has one: the same image keeps its pseudonym.

    Raises StorageError; InputError where the new folder has another key.
    """
    key = source / KEY_FILE
    if not key.is_file():
        return
    try:
        text = key.read_bytes()
    except OSError as error:
        raise StorageError(
            f"The key of the pseudonyms, {key}, cannot be read; nothing was changed. Ask for access to it."
        ) from error
    if not write_new(target / KEY_FILE, text) and (target / KEY_FILE).read_bytes().strip() != text.strip():
        raise InputError(
            f"{target} holds another key of pseudonyms ({KEY_FILE}), by which the images would get other names. "
            "Nothing was changed. Choose another folder."
        )
