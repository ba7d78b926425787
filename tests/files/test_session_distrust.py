"""A session's file that a stranger made: it neither fills the memory nor goes on for ever, and is a sentence."""

from __future__ import annotations

import os
import sqlite3
import tracemalloc
import zlib
from contextlib import nullcontext
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pytest
import tifffile
from session_facts import FRAMES, annotation

from napari_adasam.domain.errors import InputError, OnlyReadableError, StorageError
from napari_adasam.domain.packing import PackedLabels, PackedMask, unpacked
from napari_adasam.domain.records import Draft
from napari_adasam.files import home, schema
from napari_adasam.files.lock import LOCK, FolderLock
from napari_adasam.files.masks import read_mask
from napari_adasam.files.store import DATABASE, Store
from napari_adasam.files.store_sentences import not_opened

DAMAGED = "is damaged and was not changed"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS row, 'f' AS frame_id FROM n"


def made(folder: Path) -> Path:
    store = Store.create(folder)
    store.save_frames(FRAMES)
    store.save_draft(Draft(annotation(), frozenset({1})))
    store.close()
    return folder


def change(folder: Path, *statements: str) -> bytes:
    database = sqlite3.connect(folder / DATABASE, isolation_level=None)
    for statement in statements:
        database.execute(statement)
    database.close()
    return (folder / DATABASE).read_bytes()


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        (PureWindowsPath("\\\\nas\\case\\session.sqlite"), "file:////nas/case/session.sqlite"),
        (PureWindowsPath("\\\\nas\\case 7\\a#b\\session.sqlite"), "file:////nas/case%207/a%23b/session.sqlite"),
        (PureWindowsPath("Z:\\case\\session.sqlite"), "file:///Z:/case/session.sqlite"),
        (PurePosixPath("/exams/a b?c#d%e/session.sqlite"), "file:///exams/a%20b%3Fc%23d%25e/session.sqlite"),
    ],
)
def test_the_uri_of_a_database_has_no_authority(path: PureWindowsPath | PurePosixPath, uri: str) -> None:
    assert schema.database_uri(path) == uri


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not allow")
@pytest.mark.parametrize("name", ["a b", "what?mode=rw", "no#1", "100%20", "ü"])
def test_a_folder_of_any_name_is_read(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    assert Store.read(made(folder)).frames == FRAMES


def test_a_place_that_sqlite_does_not_take_is_no_damage() -> None:
    with pytest.raises(sqlite3.OperationalError) as refused:
        sqlite3.connect("file://nas/case/session.sqlite", uri=True)
    sentence = not_opened(Path("/nas/case"), refused.value)
    assert "damaged" not in sentence
    assert "nothing was changed" in sentence
    assert "a disk of this computer" in sentence


@pytest.mark.parametrize(
    "statements",
    [
        ("DROP TABLE frames", f"CREATE VIEW frames AS {ENDLESS}"),
        ("DROP TABLE drafts", f"CREATE VIEW Drafts AS {ENDLESS}"),
        ("DROP TABLE schema_version", f"CREATE VIEW schema_version AS {ENDLESS}"),
        ("ALTER TABLE drafts ADD COLUMN more AS (zeroblob(900000000))",),
        (f"CREATE TRIGGER t AFTER INSERT ON statuses BEGIN INSERT INTO ticks SELECT * FROM ({ENDLESS}); END",),
        ("DELETE FROM schema_version",),
        ("UPDATE schema_version SET version = 'four'",),
    ],
    ids=["view", "view in capitals", "version", "made up column", "trigger", "no version", "no number"],
)
def test_what_is_no_table_of_ours_is_a_damaged_session(tmp_path: Path, statements: tuple[str, ...]) -> None:
    before = change(made(tmp_path), *statements)
    for opening in (Store.open, Store.read):
        with pytest.raises(InputError, match=DAMAGED):
            opening(tmp_path)
    assert (tmp_path / DATABASE).read_bytes() == before
    assert home.known_pictures_folder(tmp_path.parent, {"f1": "a.png"}) is None


def test_what_a_file_defines_is_not_trusted_and_a_commit_reaches_the_disk(tmp_path: Path) -> None:
    made(tmp_path)
    read, written = schema.connect_to_read(tmp_path / DATABASE), schema.connect(tmp_path / DATABASE)
    assert [one.execute("PRAGMA trusted_schema").fetchone() for one in (read, written)] == [(0,), (0,)]
    assert written.execute("PRAGMA fullfsync").fetchone() == (1,)
    read.close()
    written.close()


@pytest.mark.parametrize("table", ["drafts", "propagated"])
def test_a_draft_that_unpacks_to_more_than_its_frame_takes_no_memory(tmp_path: Path, table: str) -> None:
    made(tmp_path)
    bomb = zlib.compress(bytes(200_000_000))
    database = sqlite3.connect(tmp_path / DATABASE)
    database.execute("UPDATE drafts SET labels = ?", (bomb,))
    row = ("f1", 20, 30, bomb, "f2-3", "f2-3", 0.5, "[1]", "m0")
    database.execute(schema.insert("propagated"), row)
    if table == "propagated":
        database.execute("DELETE FROM drafts")
    database.commit()
    database.close()
    tracemalloc.start()
    record = Store.read(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
    assert not record.drafts
    assert not record.propagated
    assert all("is damaged and was left out" in problem for problem in record.problems)
    assert len(record.problems) == (2 if table == "drafts" else 1)


@pytest.mark.parametrize(
    "change_of_row",
    [
        "height = 100000, width = 100000",
        "height = -20, width = -30",
        "height = 20.5",
        "width = 'wide'",
        "labels = 'text'",
        "origins = '[]'",
        "touched = '{deep}'",
    ],
)
def test_a_draft_that_makes_no_sense_is_left_out(tmp_path: Path, change_of_row: str) -> None:
    change(made(tmp_path), f"UPDATE drafts SET {change_of_row.replace('{deep}', '[' * 100_000)}")
    record = Store.read(tmp_path)
    assert record.drafts == {}
    assert "is damaged and was left out" in record.problems[0]
    assert record.frames == FRAMES


def test_a_frame_of_a_size_that_is_never_read_is_a_damaged_session(tmp_path: Path) -> None:
    store = Store.open(made(tmp_path))
    store._append("frames", [("f9", "/a.png", 0, 10**6, 10**6, "a", None, None, None, "")])
    store.close()
    with pytest.raises(StorageError, match=DAMAGED):
        Store.read(tmp_path)


def test_a_damaged_lock_is_a_sentence(tmp_path: Path) -> None:
    (made(tmp_path) / LOCK).write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match="remove that one file"):
        Store.open(tmp_path)
    (tmp_path / LOCK).unlink()
    Store.open(tmp_path).close()


def test_packed_data_are_what_their_size_says_or_refused() -> None:
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert np.array_equal(PackedLabels.of(labels).open(), labels)
    assert np.array_equal(PackedMask.of(labels > 4).open(), labels > 4)
    assert unpacked(zlib.compress(b""), 0) == b""
    whole = zlib.compress(bytes(12))
    for data, size in ((whole, 11), (whole, 13), (whole[:-2], 12), (whole + b"more", 12)):
        with pytest.raises(ValueError, match="expected"):
            unpacked(data, size)
    with pytest.raises(ValueError, match="expected"):
        PackedMask((3, 4), zlib.compress(bytes(3))).open()


def test_a_mask_file_that_claims_to_be_huge_is_called_damaged(tmp_path: Path) -> None:
    pixels = np.zeros((9500, 9500), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression="zlib", metadata=None)
    del pixels
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"a\.tif of this session is missing or damaged"):
            read_mask(tmp_path, "a")
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("code", "refused"),
    [
        (sqlite3.SQLITE_BUSY, True),
        (sqlite3.SQLITE_BUSY_RECOVERY, True),
        (sqlite3.SQLITE_PROTOCOL, True),
        (sqlite3.SQLITE_READONLY, False),
        (sqlite3.SQLITE_CANTOPEN, False),
    ],
)
def test_where_a_lock_cannot_be_had_the_session_is_only_looked_at(
    code: int, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        def execute(self, _statement: str) -> None:
            error = sqlite3.OperationalError("locking protocol")
            error.sqlite_errorcode = code
            raise error

        def close(self) -> None:
            pass

    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: Refusing())
    with pytest.raises(OnlyReadableError, match="open in another window") if refused else nullcontext():
        FolderLock(tmp_path).take()
