"""Files are whole or not there: moments in which others hold them, disks without rights or links, drives' caches."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

import pytest
from held_files import hold

from napari_adasam.domain.errors import StorageError
from napari_adasam.domain.renaming import PAUSES
from napari_adasam.files import atomic
from napari_adasam.files.atomic import UMASK, write_new, write_whole
from napari_adasam.files.exports import naming, read_key


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("number", [5, 32, 33])
def test_a_file_that_a_virus_scanner_holds_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    slept = hold(monkeypatch, 3, number)
    write_whole(tmp_path / "a.txt", b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"new"
    assert slept == list(PAUSES[:3])


@pytest.mark.parametrize("number", [None, 17])
def test_what_waiting_does_not_help_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    slept = hold(monkeypatch, 1, number)
    with pytest.raises(StorageError, match="may not be written to"):
        write_whole(tmp_path / "a.txt", b"new")
    assert slept == []


def test_a_file_that_is_open_elsewhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "table.csv").write_bytes(b"old")
    slept = hold(monkeypatch, 1000)
    with pytest.raises(StorageError, match=r"^table\.csv is open in another program.*Close it there and do it again"):
        write_whole(tmp_path / "table.csv", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("table.csv", b"old")]
    assert sum(slept) == pytest.approx(2.0, abs=0.1)


def test_a_folder_that_is_refused_is_no_open_file(tmp_path: Path) -> None:
    (tmp_path / "table.csv").touch()
    error = PermissionError(errno.EACCES, "held", str(tmp_path / ".x.part"))
    error.winerror = 5  # type: ignore[attr-defined]
    assert "may not be written to" in atomic.not_written(tmp_path / "table.csv", error)


def test_a_share_that_knows_no_rights_takes_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object, **options: object) -> None:
        raise PermissionError(errno.EPERM, "no rights here")

    monkeypatch.setattr(Path, "chmod", refuse)
    write_whole(tmp_path / "a.txt", b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"new"
    assert len(read_key(tmp_path)) == naming.KEY_BYTES


def test_writing_does_not_change_what_other_threads_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(mask: int) -> int:
        raise AssertionError("the umask is of the whole process")

    monkeypatch.setattr(os, "umask", never)
    assert mode(write_whole(tmp_path / "a.txt", b"new")) == 0o666 & ~UMASK


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_is_its_owners_from_the_first_byte_and_replaces_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*given: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    modes: set[int] = set()
    monkeypatch.setattr(atomic, "sync", lambda handle: modes.update(mode(path) for path in tmp_path.iterdir()))
    assert write_new(tmp_path / "key", b"first")
    assert not write_new(tmp_path / "key", b"second")
    assert modes == {0o600}
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("key", b"first")]


def test_two_first_exports_at_once_have_one_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, others = naming.secrets.token_bytes, list[bytes]()

    def meanwhile(count: int) -> bytes:
        monkeypatch.setattr(naming.secrets, "token_bytes", real)
        others.append(read_key(tmp_path))
        return real(count)

    monkeypatch.setattr(naming.secrets, "token_bytes", meanwhile)
    assert [read_key(tmp_path)] == others
    assert [path.name for path in tmp_path.iterdir()] == [naming.KEY_FILE]


@pytest.mark.parametrize("supported", [True, False])
def test_macos_empties_the_drives_cache_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, supported: bool) -> None:
    fcntl = pytest.importorskip("fcntl")
    flushed: list[str] = []

    def control(handle: int, command: int) -> int:
        assert command == 51
        if not supported:
            raise OSError(errno.ENOTSUP, "not on this disk")
        flushed.append("drive")
        return 0

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", control)
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append("system"))
    write_whole(tmp_path / "a.txt", b"new")
    assert flushed == ["drive" if supported else "system"] * 2
