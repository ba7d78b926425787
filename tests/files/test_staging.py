"""An export is there whole or not at all: full disks, refused moves, cancellation, and what was there before."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from export_samples import STRUCTURES, annotation, labels_of, plain_frame, write

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.files.exports import ExportOptions, export_steps
from napari_adasam.files.staging import PREFIX, STALE_SECONDS, SUFFIX, Staging
from napari_adasam.files.store import Store

FORMATS = ("png", "tiff", "nifti", "coco", "csv")
FRAMES = [plain_frame(key) for key in "abc"]


def everything(folder: Path) -> dict[str, bytes | None]:
    """Every file with its content and every folder below ``folder``, hidden ones too."""
    return {str(one.relative_to(folder)): one.read_bytes() if one.is_file() else None for one in folder.rglob("*")}


def fail_at(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, call: int, number: int = errno.ENOSPC) -> None:
    """Let the ``call``-th call (from 1) fail as a disk does, and all those after it work."""
    real: Callable[..., object] = getattr(owner, name)
    calls = 0

    def failing(*arguments: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(number, os.strerror(number))
        return real(*arguments, **options)

    monkeypatch.setattr(owner, name, failing)


@pytest.mark.parametrize("call", [1, 2, 7, 11])
@pytest.mark.parametrize("earlier", [False, True])
def test_a_full_disk_leaves_all_as_it_was_and_the_export_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int, earlier: bool
) -> None:
    if earlier:
        write(tmp_path / "out", FRAMES[:2], FORMATS)
        (tmp_path / "out" / "own notes.txt").write_text("mine")
    before = everything(tmp_path)
    with monkeypatch.context() as patch:
        fail_at(patch, os, "fsync", call)
        with pytest.raises(StorageError, match=r"no space left.*Nothing was exported \(\d of 3 frames were ready"):
            write(tmp_path / "out", FRAMES, FORMATS)
    assert everything(tmp_path) == before
    report, _ = write(tmp_path / "out", FRAMES, FORMATS)
    assert all(path.exists() for path in report.files)
    assert earlier == (tmp_path / "out" / "own notes.txt").exists()


@pytest.mark.parametrize("call", [1, 2, 5, 9, 14])
def test_a_move_that_fails_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    write(tmp_path, FRAMES[:2], FORMATS)
    before = everything(tmp_path)
    with monkeypatch.context() as patch:
        fail_at(patch, Path, "replace", call, errno.EACCES)
        with pytest.raises(StorageError, match="may not be written to"):
            write(tmp_path, list(reversed(FRAMES)), FORMATS)
    assert everything(tmp_path) == before


def test_stopping_leaves_nothing_behind(tmp_path: Path) -> None:
    annotations = {one.id: annotation(one, labels_of(0)) for one in FRAMES}
    steps = export_steps(annotations, FRAMES, STRUCTURES, tmp_path / "out", ExportOptions(FORMATS))
    next(steps)
    next(steps)
    assert any(PREFIX in name for name in everything(tmp_path))
    steps.close()
    assert everything(tmp_path) == {}


def test_a_picture_that_cannot_be_read_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    def pixels(frame: object) -> object:
        raise InputError("b.png is not there any more; put it back.")

    with pytest.raises(InputError, match=r"b\.png is not there any more.*Nothing was exported"):
        write(tmp_path / "out", FRAMES, ("png", "overlay"), pixels=pixels)
    assert everything(tmp_path) == {}


def test_files_are_flushed_before_they_are_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    sync, move = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("flush"), sync(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda path, to: (order.append("move"), move(path, to))[1])
    write(tmp_path, FRAMES, ("png",))
    assert order.index("move") >= 4
    assert order.count("move") == 4


def test_what_an_interrupted_export_left_long_ago_is_taken_away(tmp_path: Path) -> None:
    old, young = tmp_path / f"{PREFIX}old{SUFFIX}", tmp_path / f"{PREFIX}young{SUFFIX}"
    for folder in (old, young):
        folder.mkdir()
        (folder / "a.png").touch()
    long_ago = time.time() - STALE_SECONDS - 1
    os.utime(old, (long_ago, long_ago))
    write(tmp_path, FRAMES, ("png",))
    assert not old.exists()
    assert young.exists()


def test_without_commit_nothing_has_happened(tmp_path: Path) -> None:
    with Staging(tmp_path / "out") as staging:
        staging.write("a/b.txt", b"b")
        assert list(staging.files) == ["a/b.txt"]
    assert everything(tmp_path) == {}


def test_a_sessions_folder_is_no_place_for_an_export(tmp_path: Path) -> None:
    Store.create(tmp_path).close()
    before = everything(tmp_path)
    with pytest.raises(InputError, match="holds a session"):
        write(tmp_path, FRAMES, ("png",))
    assert everything(tmp_path) == before
