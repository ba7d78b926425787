from __future__ import annotations

import errno
import os
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from session_facts import FRAMES, annotation, reopened

from napari_adasam.domain.errors import InputError, OnlyReadableError, StorageError
from napari_adasam.domain.records import FrameStatus
from napari_adasam.files.store import DATABASE, SessionRecord, Store, is_session


def test_a_damaged_mask_is_named_and_the_earlier_one_stands_in(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_annotation(annotation(fill=1))
    before = set(store.masks.iterdir())
    store.save_annotation(annotation(fill=2))
    store.save_annotation(annotation("f2", fill=3))
    second, third = sorted(set(store.masks.iterdir()) - before, key=lambda path: path.stat().st_mtime_ns)
    second.write_bytes(b"damaged")
    third.unlink()
    record = reopened(store)
    assert record.annotations["f1"].labels.max() == 1
    assert "f2" not in record.annotations
    assert len(record.problems) == 2
    assert all("missing or damaged" in problem for problem in record.problems)


def test_a_damaged_mask_is_written_again_when_its_outlines_are_accepted_again(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_annotation(annotation(fill=1))
    (mask,) = store.masks.iterdir()
    mask.write_bytes(mask.read_bytes()[:-9])
    store.save_annotation(annotation(fill=1))
    store.save_annotation(annotation("f2", fill=1))
    record = reopened(store)
    assert not record.problems
    assert sorted(record.annotations) == ["f1", "f2"]


def test_changes_that_cannot_be_read_without_writing_are_told_of_and_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.create(tmp_path)
    store.save_annotation(annotation(fill=1))
    assert (tmp_path / f"{DATABASE}-wal").stat().st_size
    connect = sqlite3.connect

    def on_a_read_only_disk(name: str, **more: Any) -> sqlite3.Connection:
        if "mode=ro" in name:
            raise sqlite3.OperationalError("unable to open database file")
        return connect(name, **more)

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", on_a_read_only_disk)
        with pytest.raises(InputError, match="copy the whole folder to one of your own"):
            Store.read(tmp_path)
    store.close()  # takes the changes in
    monkeypatch.setattr(sqlite3, "connect", on_a_read_only_disk)
    assert list(Store.read(tmp_path).annotations) == ["f1"]


def test_a_mask_changed_by_another_program_is_noticed(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_annotation(annotation(fill=1))
    (mask,) = store.masks.iterdir()
    store.save_annotation(annotation("f2", fill=2))
    (other,) = set(store.masks.iterdir()) - {mask}
    mask.write_bytes(other.read_bytes())
    record = reopened(store)
    assert list(record.annotations) == ["f2"]
    assert "changed by another program" in record.problems[0]


def test_no_space_for_the_mask_leaves_the_session_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.create(tmp_path)
    store.save_annotation(annotation(fill=1))

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(StorageError, match="There is no space left"):
            store.save_annotation(annotation(fill=2))
    assert len(list(store.masks.iterdir())) == 1
    assert store.load().annotations["f1"].labels.max() == 1
    store.save_annotation(annotation(fill=3))
    assert reopened(store).annotations["f1"].labels.max() == 3


def test_no_space_for_the_rows_leaves_all_of_them_out(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_status("f1", FrameStatus.SUGGESTED)
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StorageError, match="no space left"):
        store.save_frames(replace(FRAMES[0], id=f"f{number}", path="p" * 500) for number in range(200))
    assert store.load().frames == ()
    store._connection.execute("PRAGMA max_page_count=100000")
    store.save_frames(FRAMES)
    assert reopened(store).frames == FRAMES


def test_a_session_that_may_only_be_read_says_so(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store._connection.execute("PRAGMA query_only=ON")
    with pytest.raises(StorageError, match="may not be written to"):
        store.save_status("f1", FrameStatus.SKIPPED)
    store.close()


def test_a_second_program_that_is_writing_is_named(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store._connection.execute("PRAGMA busy_timeout=10")
    other = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="another program is writing"):
        store.save_status("f1", FrameStatus.SKIPPED)
    other.close()
    store.close()


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "one")
    store.close()
    with pytest.raises(InputError, match="holds a session already"):
        Store.create(tmp_path / "one")
    with pytest.raises(InputError, match="holds no session"):
        Store.open(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="could not be written"):
        Store.create(tmp_path / "file" / "session")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / DATABASE).write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match="is damaged and was not changed"):
        Store.open(tmp_path / "odd")


def test_a_session_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    Store.create(tmp_path).close()
    database = sqlite3.connect(tmp_path / DATABASE)
    database.execute("UPDATE schema_version SET version = 99")
    database.commit()
    database.close()
    with pytest.raises(InputError, match="newer version"):
        Store.open(tmp_path)


def test_rows_that_make_no_sense_are_a_sentence(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store._append("statuses", [("f1", "dancing")])
    with pytest.raises(StorageError, match="is damaged and was not changed"):
        store.load()
    store.close()


def test_a_creation_that_was_cut_off_is_an_empty_session(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / DATABASE)
    database.execute("PRAGMA journal_mode=WAL")
    database.close()
    store = Store.open(tmp_path)
    assert reopened(store) == SessionRecord()


def test_a_session_whose_file_may_not_be_written_is_only_to_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.create(tmp_path).close()
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, _mode: Path(path).name != DATABASE)
        with pytest.raises(OnlyReadableError, match="cannot be written to"):
            Store.open(tmp_path)
    Store.open(tmp_path).close()


def test_a_place_that_cannot_be_looked_into_holds_no_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("s" * 300)
    assert not is_session(folder)
    with pytest.raises(StorageError, match="could not be written"):
        Store.create(folder)
    Store.create(tmp_path).close()

    def refuse(*_given: object) -> None:
        raise PermissionError("not for you")

    with monkeypatch.context() as patch:
        patch.setattr(os.path, "getsize", refuse)
        assert not is_session(tmp_path)
    assert is_session(tmp_path)
