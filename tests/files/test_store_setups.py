"""Scales and sectors by hand on the disk, and sessions of earlier versions."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from session_facts import FRAMES, annotation, reopened

from napari_adasam.domain.calibration import NOT_SET, FrameSetup
from napari_adasam.domain.choices import Choices
from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.domain.packing import PackedMask
from napari_adasam.domain.queue import Place
from napari_adasam.domain.records import Spacing
from napari_adasam.domain.sector import rectangle, whole_picture
from napari_adasam.domain.versions import Remark
from napari_adasam.files import schema
from napari_adasam.files.store import DATABASE, Store

CHOICES = Choices("vit_b", None, "masam", 3, 7)
SUGGESTED = {value: PackedMask.of(annotation().labels == 1) for value in (1, 2)}
SETUP = FrameSetup(Spacing(0.25, 0.2, "by hand"), rectangle(1, 2, 15, 20, "by hand"))


def as_version_1(folder: Path) -> None:
    """Make a session what the first version wrote: no tables for scales and sectors."""
    with sqlite3.connect(folder / DATABASE) as database:
        for table in ("scales", "sectors"):
            database.execute(f"DROP TABLE {table}")
        database.execute("UPDATE schema_version SET version = 1")
    database.close()


def version(folder: Path) -> int:
    database = sqlite3.connect(folder / DATABASE)
    found = database.execute("SELECT version FROM schema_version").fetchall()
    database.close()
    assert len(found) == 1
    return int(found[0][0])


def test_scales_and_sectors_come_back_and_can_be_taken_back(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_setups({}, {"f1": SETUP, "f2-3": FrameSetup(sector=whole_picture("by hand"))})
    store.save_setups({"f2-3": FrameSetup(sector=whole_picture("by hand"))}, {"f2-3": NOT_SET})
    assert reopened(store).setups == {"f1": SETUP}


def test_rows_are_added_and_never_changed(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_setups({}, {"f1": SETUP})
    store.save_setups({"f1": SETUP}, {"f1": FrameSetup(sector=SETUP.sector)})
    assert [len(store._rows(table)) for table in ("scales", "sectors")] == [2, 1]
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        store._connection.execute("UPDATE scales SET y_mm = 1")
    store.close()


def test_a_session_of_the_first_version_opens_with_everything_it_holds(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_frames(FRAMES)
    store.save_annotation(annotation())
    store.close()
    as_version_1(tmp_path)
    store = Store.open(tmp_path)
    assert version(tmp_path) == schema.VERSION
    store.save_setups({}, {"f1": SETUP})
    record = reopened(store)
    assert record.frames == FRAMES
    assert record.annotations["f1"].labels.any()
    assert record.setups == {"f1": SETUP}


def test_a_session_of_the_second_version_is_read_as_it_is_and_brought_up_to_date_when_opened(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_frames(FRAMES)
    store.save_annotation(annotation())
    store.close()
    with sqlite3.connect(tmp_path / DATABASE) as database:
        for table in ("remarks", "readers"):
            database.execute(f"DROP TABLE {table}")
        database.execute("UPDATE schema_version SET version = 2")
    database.close()
    assert Store.read(tmp_path).annotations["f1"].labels.any()
    assert version(tmp_path) == 2, "reading changes nothing"
    store = Store.open(tmp_path)
    store.save_remark("f1", Remark("blurred", True))
    assert len(store.versions("f1")) == 1
    assert reopened(store).remarks == {"f1": Remark("blurred", True)}
    assert version(tmp_path) == schema.VERSION


def test_where_one_left_is_one_row_and_an_order_of_later_is_the_usual_one(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    for place in (Place("f1", "active"), Place("f2", "random", 7)):
        store.save_place(place)
    assert len(store._rows("places")) == 1
    assert store.load().place == Place("f2", "random", 7)
    store._connection.execute("UPDATE places SET how = 'by smell'")
    assert store.load().place == Place("f2", "file", 7)
    with closing(store):
        store._connection.execute("DROP TABLE places")
        store._connection.execute("UPDATE schema_version SET version = 4")
    assert Store.read(tmp_path).place == Place()
    store = Store.open(tmp_path)
    store.save_place(Place("f1"))
    assert reopened(store).place == Place("f1")


def test_a_session_of_the_fifth_version_has_nothing_chosen_and_takes_what_is(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_frames(FRAMES)
    store.save_annotation(annotation())
    with closing(store):
        for table in ("choices", "suggested"):
            store._connection.execute(f"DROP TABLE {table}")
        store._connection.execute("UPDATE schema_version SET version = 5")
    assert Store.read(tmp_path).choices is None
    with closing(Store.to_read(tmp_path)) as reading:
        assert reading.suggested("f1") == {}
    assert version(tmp_path) == 5, "reading changes nothing"
    store = Store.open(tmp_path)
    store.save_choices(CHOICES)
    store.save_annotation(annotation(), SUGGESTED)
    assert store.suggested("f1") == SUGGESTED
    assert reopened(store).choices == CHOICES
    assert version(tmp_path) == schema.VERSION


def test_the_last_choices_hold_and_those_that_cannot_be_set_here_do_not(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    for choices in (replace(CHOICES, every=1), CHOICES):
        store.save_choices(choices)
    assert store.load().choices == CHOICES
    assert len(store._rows("choices")) == 2, "which model was chosen before can be found"
    for odd in (replace(CHOICES, method="by smell"), replace(CHOICES, slices=0), replace(CHOICES, every=-1)):  # type: ignore[arg-type]
        store.save_choices(odd)
        assert store.load().choices is None
    store.close()


def test_of_what_was_suggested_the_last_is_kept(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_annotation(annotation(), SUGGESTED)
    store.save_annotation(annotation())
    assert store.suggested("f1") == SUGGESTED
    less = {2: SUGGESTED[2]}
    store.save_annotation(annotation(), less)
    assert store.suggested("f1") == less
    assert store.suggested("f2-3") == {}
    store.close()


def test_a_migration_that_fails_leaves_the_session_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.create(tmp_path).close()
    as_version_1(tmp_path)
    with monkeypatch.context() as patch:
        patch.setitem(schema.COLUMNS, "sectors", ("no such thing (",))
        with pytest.raises(StorageError, match="was not saved"):
            Store.open(tmp_path)
    assert version(tmp_path) == 1
    store = Store.open(tmp_path)
    assert version(tmp_path) == schema.VERSION
    assert reopened(store).setups == {}


def test_a_session_of_the_next_version_is_refused_and_not_touched(tmp_path: Path) -> None:
    Store.create(tmp_path).close()
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute("UPDATE schema_version SET version = ?", (schema.VERSION + 1,))
    database.close()
    with pytest.raises(InputError, match="newer version"):
        Store.open(tmp_path)
    assert version(tmp_path) == schema.VERSION + 1
