"""An export is there whole or not at all: full disks, refused moves, cancellation, and what was there before."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from export_samples import STRUCTURES, annotation, labels_of, plain_frame, write

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.files.atomic import not_written
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
        with pytest.raises(StorageError, match=r"no space left.*Nothing was exported \(\d of 3 images were ready"):
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
    folders = 0 if os.name == "nt" else 2  # that of the masks, and that above it; Windows cannot
    assert order[: 4 + folders] == ["flush"] * (4 + folders)
    assert order.count("move") == 4
    assert order[::-1].index("move") >= folders, "and the folders that they were moved to"


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
    for place in (tmp_path, tmp_path / "masks", tmp_path / "models" / "new"):
        with pytest.raises(InputError, match=r"(holds|is part of) a session; its masks"):
            write(place, FRAMES, ("png",))
    assert everything(tmp_path) == before
    write(tmp_path / "export", FRAMES, ("png",))
    assert (tmp_path / "export" / "masks").is_dir()


def test_a_name_that_is_too_long_is_refused_before_the_work(tmp_path: Path) -> None:
    for place in (tmp_path / ("x" * 300), tmp_path / ("x" * 300) / "below"):
        with pytest.raises(StorageError, match=r"too long for the disk.*Choose a shorter one"), Staging(place):
            raise AssertionError("work began")
    assert everything(tmp_path) == {}


def test_the_folder_that_may_not_be_written_to_is_the_one_that_is_named(tmp_path: Path) -> None:
    refused = PermissionError(errno.EACCES, "Permission denied")
    for place in (tmp_path, tmp_path / "new", tmp_path / "new" / "deeper"):
        assert not_written(place, refused).startswith(f"{tmp_path} may not be written to")


NAMES = (
    "a/../../evil.txt",
    "../evil.txt",
    "..",
    "",
    "{folder}/evil.txt",
    "a//evil.txt",
    "C:/evil.txt",
    "a\\..\\evil.txt",
    "a\0b",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("earlier", [False, True])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str, earlier: bool) -> None:
    (tmp_path / "evil.txt").write_text("mine")
    if earlier:
        (tmp_path / "out").mkdir()
    before = everything(tmp_path)
    with Staging(tmp_path / "out") as staging:
        with pytest.raises(InputError, match="cannot be the name of a file in the folder"):
            staging.write(name.replace("{folder}", str(tmp_path)), b"theirs")
        assert staging.files == {}
    assert everything(tmp_path) == before


def test_a_session_from_somebody_else_writes_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "evil.png").write_text("mine")
    (tmp_path / "out").mkdir()
    before = everything(tmp_path)
    for stem in ("../../evil", f"/{tmp_path}/evil", "/evil"):
        bad = replace(FRAMES[1], stem=stem)
        with pytest.raises(InputError, match=r"Nothing was exported \(1 of 2 images were ready"):
            write(tmp_path / "out", [FRAMES[0], bad], ("png",))
    assert everything(tmp_path) == before


def test_a_folder_that_is_given_by_a_detour_takes_two_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Newer versions of Python give the staging's folder without the detour."""
    real = tempfile.mkdtemp
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **given: os.path.abspath(real(**given)))
    (tmp_path / "work").mkdir()
    out = tmp_path / "work" / ".." / "out"
    write(out, FRAMES[:1], ("png",))
    report, _ = write(out, FRAMES, ("png",))
    assert {path.name for path in report.files} == {"a.png", "b.png", "c.png", "provenance.json"}
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["masks", "provenance.json"]


def test_a_folder_that_another_export_made_meanwhile_takes_both(tmp_path: Path) -> None:
    with Staging(tmp_path / "out") as first, Staging(tmp_path / "out") as second:
        first.write("a.txt", b"a")
        second.write("b.txt", b"b")
        first.commit()
        second.commit()
    assert everything(tmp_path) == {"out": None, "out/a.txt": b"a", "out/b.txt": b"b"}


def test_a_table_that_is_open_in_another_program_is_named_and_all_is_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, FRAMES[:2], ("png", "csv"))
    before, real = everything(tmp_path), Path.replace

    def held(path: Path, target: Path) -> Path:
        if path == tmp_path / "measurements.csv":
            error = PermissionError(errno.EACCES, "sharing violation", str(path), None, str(target))
            error.winerror = 32  # type: ignore[attr-defined]
            raise error
        return real(path, target)

    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(Path, "replace", held)
    with pytest.raises(StorageError, match=r"measurements\.csv is open in another program.*Nothing was exported"):
        write(tmp_path, FRAMES, ("png", "csv"))
    assert everything(tmp_path) == before
