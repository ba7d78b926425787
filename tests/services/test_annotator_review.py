"""Looking back and sharing: versions, remarks, a second window, a second reader, images that moved or changed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from annotator_fakes import FULL, INSIDE, Desk, full_disk, make_desk, write_images
from PIL import Image

from napari_adasam.domain.packing import LabelImage, StoredLabels
from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.settings import LearnSettings, Settings
from napari_adasam.domain.structures import MUSCLE_PRESET as STRUCTURES
from napari_adasam.files.exports.naming import KEY_FILE
from napari_adasam.files.store import DATABASE, Store, is_session
from napari_adasam.services import checking
from napari_adasam.services.filing import ALL_KNOWN

Open = Callable[..., Desk]


@pytest.fixture
def desks() -> Iterator[Open]:
    """Open a path in a window of its own."""
    made = []

    def opened(path: Path) -> Desk:
        desk = make_desk(Settings(learn=LearnSettings(every=0)), STRUCTURES)
        made.append(desk)
        desk.problems += desk.annotator.open([path])
        desk.settle()
        return desk

    yield opened
    for desk in made:
        desk.annotator.close()


@pytest.fixture
def first(desks: Open, tmp_path: Path) -> Desk:
    """Three scans in a session's folder; the first is accepted as suggested, the second is on the screen."""
    desk = desks(write_images(tmp_path / "scans", 3))
    assert desk.annotator.save_as(tmp_path / "session")
    desk.accept()
    desk.settle()
    return desk


def paint(desk: Desk, value: int, row: int) -> None:
    labels = desk.labels().copy()
    labels[row, :20] = value
    desk.annotator.stroke(labels)


def ids(desk: Desk) -> list[str]:
    return [frame.id for frame in desk.session.frames]


def test_every_version_can_be_looked_at_and_brought_back_as_a_new_one(first: Desk, tmp_path: Path) -> None:
    one = ids(first)[0]
    suggested = first.session.labels(one).copy()
    first.annotator.go_to(one)
    paint(first, 1, 2)
    first.accept()
    first.annotator.go_to(one)
    names = [version.words.split(",")[0] for version in first.annotator.versions(one)]
    assert names == ["the suggestion", "version 1", "version 2"]
    oldest = first.annotator.versions(one)[1]
    assert np.array_equal(oldest.labels.open(), suggested)
    assert first.annotator.bring_back(oldest)
    assert np.array_equal(first.labels(), suggested)
    assert first.session.status(one) is FrameStatus.CORRECTED
    assert first.annotator.undo()
    assert (first.labels()[2, :20] == 1).all()
    first.annotator.redo()
    first.accept()
    assert len(first.annotator.versions(one)) == 4
    assert np.array_equal(Store.read(tmp_path / "session").annotations[one].labels, suggested)


def test_a_reader_whose_session_is_gone_is_named_once(first: Desk, desks: Open, tmp_path: Path) -> None:
    first.annotator.close()
    store = Store.open(tmp_path / "session")
    store.save_readers((("second reader", tmp_path / "gone"),))
    store.close()
    again = desks(tmp_path / "session")
    for frame_id in ids(again):
        assert "second reader" not in [one.words for one in again.annotator.versions(frame_id)]
    assert [str(tmp_path / "gone") in one for one in again.problems] == [True]


def test_a_version_without_its_mask_is_refused_in_a_sentence(first: Desk, tmp_path: Path) -> None:
    first.annotator.go_to(ids(first)[0])
    before = first.labels().copy()
    version = first.annotator.versions(first.current)[-1]
    for path in (tmp_path / "session" / "masks").iterdir():
        path.unlink()
    assert not first.annotator.bring_back(version)
    assert "missing or damaged" in first.problems[-1]
    assert np.array_equal(first.labels(), before)


def test_notes_and_unusable_frames_are_kept(first: Desk, desks: Open, tmp_path: Path) -> None:
    second = first.current
    assert first.annotator.note("  probe tilted ")
    first.annotator.mark_unusable()
    assert first.current == ids(first)[2]
    assert first.session.is_unusable(second)
    first.annotator.skip()
    assert not first.session.is_unusable(ids(first)[2])
    first.annotator.close()
    again = desks(tmp_path / "session")
    assert again.session.remark(second).note == "probe tilted"
    assert again.session.is_unusable(second)
    again.annotator.go_to(second)
    again.annotator.reopen()
    assert not again.session.is_unusable(second)


def test_a_note_is_written_to_the_frame_that_it_was_begun_on(first: Desk, desks: Open, tmp_path: Path) -> None:
    begun, other = ids(first)[1:]
    first.annotator.go_to(other)
    assert first.annotator.note("probe tilted", begun)
    assert first.session.remark(begun).note == "probe tilted"
    assert first.session.remark(other).note == ""
    second = desks(tmp_path / "session")
    assert not second.annotator.note("of a window that only looks", begun)
    assert second.session.remark(begun).note == "probe tilted"


def test_the_second_window_looks_and_changes_nothing(first: Desk, desks: Open, tmp_path: Path) -> None:
    paint(first, 1, 3)
    second = desks(tmp_path / "session")
    assert "open in another window" in second.problems[0]
    assert ids(second) == ids(first)
    assert second.session.status(ids(first)[0]) is FrameStatus.ACCEPTED
    second.annotator.go_to(ids(first)[1])
    assert (second.labels()[3, :20] == 1).all(), "work in progress is seen too"
    before = second.labels().copy()
    paint(second, 1, 0)
    second.annotator.click(INSIDE, 1)
    second.annotator.set_structures(STRUCTURES[:1])
    assert not second.annotator.accept()
    assert not second.annotator.start_round()
    assert np.array_equal(second.labels(), before)
    assert len(second.session.structures) == 2
    assert second.annotator.why_not("accept") == second.annotator.only_to_look_at
    first.accept()
    assert len(Store.read(tmp_path / "session").annotations) == 2


def test_a_copy_of_what_is_only_looked_at_can_be_worked_on(first: Desk, desks: Open, tmp_path: Path) -> None:
    second = desks(tmp_path / "session")
    assert second.annotator.save_as(tmp_path / "copy")
    assert second.annotator.only_to_look_at == ""
    second.annotator.go_to(ids(second)[2])
    second.accept()
    assert len(Store.read(tmp_path / "copy").annotations) == 2
    assert len(Store.read(tmp_path / "session").annotations) == 1


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_only_be_read_is_looked_at(first: Desk, desks: Open, tmp_path: Path) -> None:
    first.annotator.close()
    (tmp_path / "session").chmod(0o555)
    second = desks(tmp_path / "session")
    assert "may not be written to" in second.annotator.only_to_look_at
    (tmp_path / "session").chmod(0o755)


def test_a_second_reader_sees_nothing_of_the_first(first: Desk, desks: Open, tmp_path: Path) -> None:
    assert first.annotator.second_reader(tmp_path / "second")
    second = desks(tmp_path / "second")
    assert ids(second) == ids(first)
    assert len(second.session.annotations) == 0
    assert [one.name for one in second.session.structures] == [one.name for one in first.session.structures]
    assert not first.annotator.second_reader(tmp_path / "second")
    assert "holds a session already" in first.problems[-1]


def test_a_second_readers_session_that_the_disk_does_not_take_is_not_left_half_made(
    first: Desk, desks: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        full_disk(patch, "save_frames")
        assert not first.annotator.second_reader(tmp_path / "second")
    assert first.problems == [FULL]
    assert not is_session(tmp_path / "second")
    assert first.annotator.second_reader(tmp_path / "second")
    assert ids(desks(tmp_path / "second")) == ids(first)


def test_images_that_moved_are_found_by_their_content(first: Desk, desks: Open, tmp_path: Path) -> None:
    first.annotator.close()
    (tmp_path / "elsewhere").mkdir()
    shutil.move(tmp_path / "scans", tmp_path / "elsewhere" / "renamed")
    again = desks(tmp_path / "session")
    assert any("open the folder where it is now" in one for one in again.problems)
    said = again.annotator.open([tmp_path / "elsewhere" / "renamed"])
    assert said == [f"3 images were found again in {tmp_path / 'elsewhere' / 'renamed'}."]
    assert len(again.session.frames) == 3
    again.annotator.go_to(ids(again)[2])
    again.accept()
    again.annotator.close()
    last = desks(tmp_path / "session")
    assert last.problems == []
    assert len(last.session.annotations) == 2


def test_an_image_that_changes_on_the_disk_is_noticed(first: Desk, tmp_path: Path) -> None:
    path = Path(first.session.frames[0].path)
    Image.fromarray(np.full((40, 60), 7, np.uint8)).save(path)
    os.utime(path, ns=(1, 1))
    first.annotator.go_to(ids(first)[0])
    assert first.current == ids(first)[1]
    assert "another file than when the session was made" in first.problems[-1]


def test_masks_are_read_when_they_are_needed_and_a_damaged_one_is_replaced(
    first: Desk, desks: Open, tmp_path: Path
) -> None:
    one = ids(first)[0]
    suggested = first.session.labels(one).copy()
    known = set((tmp_path / "session" / "masks").iterdir())
    first.annotator.go_to(one)
    paint(first, 1, 2)
    first.accept()
    first.annotator.close()
    (newest,) = set((tmp_path / "session" / "masks").iterdir()) - known
    newest.write_bytes(b"broken")
    again = make_desk(Settings(learn=LearnSettings(every=0)), STRUCTURES)
    assert again.annotator.open([tmp_path / "session"]) == []
    assert isinstance(again.session.packed(one), StoredLabels)
    again.settle()
    assert any("missing or damaged" in problem for problem in again.problems)
    assert again.session.status(one) is FrameStatus.ACCEPTED
    assert np.array_equal(again.session.labels(one), suggested)
    again.annotator.close()


def test_a_mask_that_is_damaged_and_the_only_one_leaves_a_new_frame(first: Desk, desks: Open, tmp_path: Path) -> None:
    first.annotator.close()
    for path in (tmp_path / "session" / "masks").iterdir():
        path.write_bytes(b"broken")
    again = desks(tmp_path / "session")
    assert len(again.session.annotations) == 0
    assert any("missing or damaged" in problem for problem in again.problems)


def test_stopping_the_looks_does_not_stop_the_check_of_the_masks(
    first: Desk, desks: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first.annotator.set_order("active")
    first.settle()
    first.annotator.close()
    stopped, check = threading.Event(), checking.check

    def slow(stored: Mapping[str, LabelImage]) -> Generator[None, None, list[str]]:
        while not stopped.wait(0.01):
            yield
        return (yield from check(stored))

    monkeypatch.setattr(checking, "check", slow)
    for path in (tmp_path / "session" / "masks").iterdir():
        path.write_bytes(b"broken")
    again = make_desk(Settings(learn=LearnSettings(every=0)), STRUCTURES)
    again.predictor.before_answer = lambda: time.sleep(0.02)
    again.annotator.open([tmp_path / "session"])
    while again.annotator._looking._sent is None:
        again.annotator.wait_idle(0.01)
    again.annotator._looking.cancel()
    again.annotator.wait_idle(0.2)
    stopped.set()
    again.settle()
    assert any("missing or damaged" in problem for problem in again.problems)
    again.annotator.close()


@pytest.mark.parametrize("done", ["reopened", "drawn on"])
def test_a_frame_on_the_screen_is_worked_on_though_its_saved_mask_is_gone(
    first: Desk, desks: Open, tmp_path: Path, done: str
) -> None:
    first.annotator.close()
    again, one = desks(tmp_path / "session"), ids(first)[0]
    again.annotator.go_to(one)
    if done == "reopened":
        again.annotator.reopen()
    suggested = again.labels().copy()
    (tmp_path / "session" / "masks").rename(tmp_path / "away")
    paint(again, 1, 2)
    painted = again.labels().copy()
    assert np.array_equal(Store.read(tmp_path / "session").drafts[one].annotation.labels, painted)
    (tmp_path / "session" / "masks").mkdir()
    assert again.annotator.accept()
    assert np.array_equal(Store.read(tmp_path / "session").annotations[one].labels, painted)
    assert again.annotator.undo()
    assert again.annotator.undo()
    assert np.array_equal(again.labels(), suggested)
    assert again.problems == []


def test_a_mask_that_is_damaged_when_its_frame_is_gone_to_is_told_of_once(
    first: Desk, desks: Open, tmp_path: Path
) -> None:
    first.annotator.close()
    again, one = desks(tmp_path / "session"), ids(first)[0]
    for path in (tmp_path / "session" / "masks").iterdir():
        path.unlink()
    again.annotator.go_to(one)
    (said,) = again.problems
    assert "missing or damaged" in said
    assert again.current == one
    assert again.session.status(one) is FrameStatus.NEW


def test_a_copy_takes_every_version_and_the_key_of_pseudonyms_along(first: Desk, desks: Open, tmp_path: Path) -> None:
    one = ids(first)[0]
    first.annotator.go_to(one)
    paint(first, 1, 3)
    first.accept()
    (tmp_path / "session" / KEY_FILE).write_bytes(b"k" * 32)
    before = first.annotator.versions(one)
    second = desks(tmp_path / "session")
    assert [version.words for version in second.annotator.versions(one)][-2:] == [one.words for one in before[-2:]]
    assert second.annotator.save_as(tmp_path / "copy")
    assert first.annotator.save_as(tmp_path / "other")
    first.annotator.close()
    shutil.rmtree(tmp_path / "session")
    for desk in (second, first):
        if desk is first:
            desk = desks(tmp_path / "other")
        own = [version for version in desk.annotator.versions(one) if version.number]
        assert [(version.number, version.at) for version in own] == [(v.number, v.at) for v in before if v.number]
        assert all(version.labels.open().any() for version in own)
    assert (tmp_path / "copy" / KEY_FILE).read_bytes() == (tmp_path / "other" / KEY_FILE).read_bytes() == b"k" * 32


def test_images_that_moved_are_found_by_a_window_that_only_looks(first: Desk, desks: Open, tmp_path: Path) -> None:
    second = desks(tmp_path / "session")
    (tmp_path / "scans").rename(tmp_path / "moved")
    said = second.annotator.open([tmp_path / "moved"])
    assert any("3 images were found again" in one for one in said)
    assert second.annotator.pixels(ids(second)[2]).any()
    assert Path(Store.read(tmp_path / "session").frames[0].path).parent == tmp_path / "scans"


def test_an_accepted_image_that_was_skipped_and_reopened_is_still_vouched_for(first: Desk) -> None:
    one = ids(first)[0]
    first.annotator.go_to(one)
    first.annotator.skip()
    first.annotator.go_to(one)
    first.annotator.reopen()
    assert first.session.status(one) is FrameStatus.CORRECTED
    assert first.session.touched(one) == {structure.value for structure in STRUCTURES}


def test_the_suggestion_is_beside_what_was_accepted_after_reopening_too(
    first: Desk, desks: Open, tmp_path: Path
) -> None:
    second = first.current
    suggested = first.session.suggested_labels(second).copy()
    paint(first, 1, 2)
    first.accept()
    assert first.annotator.save_as(tmp_path / "elsewhere")
    first.annotator.close()
    for folder in ("session", "elsewhere"):
        again = desks(tmp_path / folder)
        beside = again.annotator.versions(second)[0]
        assert beside.words == "the suggestion"
        assert np.array_equal(beside.labels.open(), suggested)
        assert not np.array_equal(again.session.labels(second), suggested)
        again.annotator.go_to(second)
        assert again.annotator.bring_back(beside)
        assert np.array_equal(again.labels(), suggested)
        again.annotator.close()


def test_the_suggestion_of_a_reopened_session_goes_where_the_session_goes(
    first: Desk, desks: Open, tmp_path: Path
) -> None:
    suggested = first.session.suggested_labels(ids(first)[0]).copy()
    first.annotator.close()
    again = desks(tmp_path / "session")
    assert again.annotator.save_as(tmp_path / "elsewhere")
    again.annotator.close()
    last = desks(tmp_path / "elsewhere")
    beside = last.annotator.versions(ids(last)[0])[0]
    assert beside.words == "the suggestion"
    assert np.array_equal(beside.labels.open(), suggested)


def test_what_was_accepted_again_without_a_suggestion_keeps_the_first_one_beside_it(
    first: Desk, desks: Open, tmp_path: Path
) -> None:
    one = ids(first)[0]
    suggested = first.session.suggested_labels(one).copy()
    first.annotator.close()
    again = desks(tmp_path / "session")
    again.annotator.go_to(one)
    paint(again, 1, 3)
    paint(again, 2, 4)
    again.settle()
    again.accept()
    again.annotator.close()
    last = desks(tmp_path / "session")
    assert np.array_equal(last.annotator.versions(one)[0].labels.open(), suggested)


def test_a_suggestion_that_is_damaged_on_the_disk_is_not_offered(first: Desk, desks: Open, tmp_path: Path) -> None:
    first.annotator.close()
    with closing(sqlite3.connect(tmp_path / "session" / DATABASE)) as database, database:
        database.execute("UPDATE suggested SET mask = x'00'")
    again = desks(tmp_path / "session")
    assert [one.words[:9] for one in again.annotator.versions(ids(again)[0])] == ["version 1"]


def test_images_that_are_all_in_the_session_are_told_of(first: Desk, tmp_path: Path) -> None:
    (tmp_path / "scans" / "broken.png").write_bytes(b"no picture")
    said = first.annotator.open([tmp_path / "scans"])
    assert said[1:] == [ALL_KNOWN]
    assert "broken.png" in said[0]
    write_images(tmp_path / "scans", 4)
    (tmp_path / "scans" / "broken.png").unlink()
    assert first.annotator.open([tmp_path / "scans"]) == [], "one of them is new"


def test_images_of_a_session_that_is_only_looked_at_are_told_of(first: Desk, desks: Open, tmp_path: Path) -> None:
    second = desks(tmp_path / "session")
    assert second.annotator.only_to_look_at
    assert second.annotator.open([tmp_path / "scans"]) == [ALL_KNOWN]
