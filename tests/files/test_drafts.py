"""Work in progress, the serving model and the lock: what a session's folder keeps beside what is accepted."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from session_facts import FRAMES, annotation, reopened, same

from napari_adasam.domain.errors import InputError, OnlyReadableError
from napari_adasam.domain.records import Draft
from napari_adasam.domain.structures import Structure
from napari_adasam.files import home
from napari_adasam.files.store import DATABASE, Store


def test_a_draft_comes_back_and_the_latest_one_holds(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_draft(Draft(annotation(fill=1), frozenset({1})))
    store.save_draft(Draft(annotation("f2-3", fill=2), frozenset({2})))
    store.save_draft(Draft(annotation(fill=3), frozenset({1, 2})))
    record = reopened(store)
    assert set(record.drafts) == {"f1", "f2-3"}
    assert same(record.drafts["f1"].annotation, annotation(fill=3))
    assert record.drafts["f1"].touched == {1, 2}
    assert record.annotations == {}


def test_an_accepted_frame_has_no_draft_any_more(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_draft(Draft(annotation(fill=1), frozenset({1})))
    store.save_annotation(annotation(fill=2))
    assert reopened(store).drafts == {}


def test_a_draft_that_was_taken_back_is_gone(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_draft(Draft(annotation(), frozenset({1})))
    store.drop_draft("f1")
    assert reopened(store).drafts == {}


def test_a_damaged_draft_is_named_and_the_rest_is_there(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_annotation(annotation("f2-3"))
    store.save_draft(Draft(annotation(), frozenset({1})))
    store._connection.execute("UPDATE drafts SET labels = x'00'")
    record = reopened(store)
    assert record.drafts == {}
    assert list(record.annotations) == ["f2-3"]
    assert len(record.problems) == 1
    assert "is damaged and was left out" in record.problems[0]


def test_which_model_serves(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    assert store.load().serving is None
    store.save_serving(store.models / "a.safetensors")
    assert store.load().serving == store.models / "a.safetensors"
    store.save_serving(None)
    assert reopened(store).serving is None


def test_values_that_were_ever_used_are_known(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_structures([Structure(1, "muscle"), Structure(2, "bone")])
    store.save_structures([Structure(1, "muscle"), Structure(5, "fat")])
    assert reopened(store).used == {1, 2, 5}


def test_a_session_of_the_first_version_is_opened_and_brought_up_to_date(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_frames(FRAMES)
    store.save_annotation(annotation())
    store.close()
    database = sqlite3.connect(tmp_path / DATABASE)
    for table in ("drafts", "serving"):
        database.execute(f"DROP TABLE {table}")
    database.execute("UPDATE schema_version SET version = 1")
    database.commit()
    database.close()
    again = Store.open(tmp_path)
    record = again.load()
    assert record.frames == FRAMES
    assert same(record.annotations["f1"], annotation())
    again.save_draft(Draft(annotation("f2-3"), frozenset({1})))
    assert set(reopened(again).drafts) == {"f2-3"}


def test_a_second_window_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_annotation(annotation())
    with pytest.raises(OnlyReadableError, match="open in another window"):
        Store.open(tmp_path)
    assert same(Store.read(tmp_path).annotations["f1"], annotation())
    store.save_annotation(annotation(fill=2))
    assert reopened(store).annotations["f1"].labels.max() == 2


HOLDER = """
import sys, time
from pathlib import Path
from napari_adasam.files.store import Store
store = Store.create(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_killed_window_does_not_keep_the_folder(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(InputError, match="open in another window"):
        Store.open(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    Store.open(tmp_path).close()


def test_a_session_that_could_not_be_made_whole_leaves_no_database(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_annotation(annotation())
    store.discard()
    assert not (tmp_path / DATABASE).exists()
    assert len(list((tmp_path / "masks").iterdir())) == 1
    Store.create(tmp_path).close()


def test_the_folder_for_pictures_does_not_tell_their_name_and_follows_a_move(tmp_path: Path) -> None:
    pictures, elsewhere = tmp_path / "Anna Example", tmp_path / "usb" / "study"
    pictures.mkdir()
    assert home.earlier_folders(tmp_path, pictures) == []
    folder = home.new_folder(tmp_path, pictures)
    assert "Anna" not in folder.name
    folder.mkdir()
    assert home.earlier_folders(tmp_path, pictures) == [folder]
    assert home.kept_in(folder) == folder
    assert home.new_folder(tmp_path, pictures) != folder
    elsewhere.mkdir(parents=True)
    home.leave_word(folder, elsewhere)
    assert home.kept_in(folder) == elsewhere
    elsewhere.rmdir()
    with pytest.raises(InputError, match="is not there now"):
        home.kept_in(folder)


def test_of_sessions_begun_beside_the_first_the_newest_comes_next(tmp_path: Path) -> None:
    pictures, made = tmp_path / "scans", []
    for _ in range(11):
        made.append(home.new_folder(tmp_path, pictures))
        made[-1].mkdir()
    assert home.earlier_folders(tmp_path, pictures) == [made[0], *made[:0:-1]]


def test_labels_of_any_shape_are_packed_exactly(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 4, (37, 53)).astype(np.uint8)
    one = annotation()
    store = Store.create(tmp_path)
    store.save_draft(Draft(type(one)("f1", labels, one.origins, one.changed_share, 1.0, ""), frozenset()))
    assert np.array_equal(reopened(store).drafts["f1"].annotation.labels, labels)
