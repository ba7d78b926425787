"""What frames and files are called in an export: by their own names, or by pseudonyms that only a key can repeat."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.domain.records import Frame
from napari_adasam.files.atomic import write_whole

KEY_FILE = "pseudonyms.key"
KEY_BYTES = 32
DIGITS = 12


def output_names(frames: Sequence[Frame]) -> dict[str, str]:
    """Frame id to its name in the export: its stem, with ``_2``, ``_3``… behind it where another frame has that name.

    Upper and lower case are not told apart, as on many disks.
    """
    return unique_names((frame.id, frame.stem) for frame in frames)


def unique_names(wanted: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Key to a name of its own, from pairs of key and wished-for name."""
    pairs = list(wanted)
    names: dict[str, str] = {}
    taken: set[str] = {stem.casefold() for _, stem in pairs}
    used: set[str] = set()
    for key, stem in pairs:
        name, number = stem, 1
        while name.casefold() in (used if number == 1 else used | taken):
            number += 1
            name = f"{stem}_{number}"
        used.add(name.casefold())
        names[key] = name
    return names


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
    try:
        if path.exists():
            key = bytes.fromhex(path.read_text(encoding="ascii").strip())
            if len(key) != KEY_BYTES:
                raise ValueError(f"expected {KEY_BYTES} bytes, got {len(key)}")
            return key
    except ValueError as error:
        raise InputError(
            f"The key of the pseudonyms, {path.name}, is damaged, and nothing was exported. Put it back from a copy, "
            "or remove it: then all names will be others than before."
        ) from error
    except OSError as error:
        raise StorageError(f"The key of the pseudonyms, {path}, cannot be read; nothing was exported.") from error
    key = secrets.token_bytes(KEY_BYTES)
    _write_key(path, key.hex().encode())
    return key


def carry_key(source: Path, target: Path) -> None:
    """Take the key of a session's folder over to a new one, if it has one: the same image keeps its pseudonym.

    Raises StorageError.
    """
    if not (source / KEY_FILE).is_file() or (target / KEY_FILE).exists():
        return
    try:
        text = (source / KEY_FILE).read_bytes()
    except OSError as error:
        raise StorageError(f"The key of the pseudonyms, {source / KEY_FILE}, cannot be read.") from error
    _write_key(target / KEY_FILE, text)


def _write_key(path: Path, text: bytes) -> None:
    write_whole(path, text)
    path.chmod(0o600)
