"""A session's folder or database is taken away while it is open: what is still to be saved can be, in another one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from annotator_fakes import Desk, make_desk, write_images

from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.settings import LearnSettings, Settings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.files import home
from napari_adasam.files.store import DATABASE, Store


@pytest.mark.parametrize("disk_there", [True, False])
def test_a_session_whose_own_folder_was_deleted_is_kept_in_another_and_found_by_its_images(
    disk_there: bool, tmp_path: Path
) -> None:
    desk = make_desk(Settings(learn=LearnSettings(every=0)), MUSCLE_PRESET)
    annotator, new = desk.annotator, tmp_path / "new"
    annotator.keep_by_itself(tmp_path / "home")
    annotator.open([write_images(tmp_path / "scans", 3)])
    desk.settle()
    first = annotator.session.current
    assert first is not None
    assert annotator.accept()
    desk.settle()
    (folder,) = (tmp_path / "home").glob("session-*")
    shutil.rmtree(folder.parent)
    if not disk_there:
        folder.parent.touch()
    assert not annotator.accept()
    annotator.save_as(new)
    desk.settle()
    assert annotator.accept()
    annotator.close()
    record = Store.read(new)
    assert [record.statuses[one].value for one in record.annotations] == [FrameStatus.ACCEPTED] * 2
    assert first in record.annotations
    if disk_there:
        assert home.kept_in(folder) == new


def test_nothing_is_called_saved_where_the_database_was_replaced(tmp_path: Path) -> None:
    """SQLite would go on writing to the file that no name leads to any more."""
    desk = make_desk(Settings(learn=LearnSettings(every=0)), MUSCLE_PRESET)
    annotator, folder = desk.annotator, tmp_path / "session"
    annotator.open([write_images(tmp_path / "scans", 3)])
    desk.settle()
    assert annotator.save_as(folder)
    shutil.copy(folder / DATABASE, tmp_path / "copy")
    assert annotator.accept()
    desk.settle()
    (tmp_path / "copy").replace(folder / DATABASE)
    assert not annotator.accept()
    assert "has replaced session.sqlite" in desk.problems[-1]
    assert annotator.session.accepted == 1
    assert annotator.save_as(tmp_path / "rescue")
    desk.settle()
    assert annotator.accept()
    annotator.close()
    assert len(Store.read(tmp_path / "rescue").annotations) == 2


def stroke(desk: Desk) -> None:
    labels = desk.labels().copy()
    labels[2:6, 5:20] = 1
    desk.annotator.stroke(labels)


@pytest.fixture
def kept(tmp_path: Path) -> Desk:
    """At the first of three images, with the session in a folder that may be pulled out."""
    desk = make_desk(Settings(learn=LearnSettings(every=0)), MUSCLE_PRESET)
    desk.annotator.open([write_images(tmp_path / "scans", 3)])
    assert desk.annotator.save_as(tmp_path / "stick")
    desk.settle()
    return desk


def test_what_was_not_saved_is_saved_with_the_next_change_and_is_said_until_then(kept: Desk, tmp_path: Path) -> None:
    annotator, first = kept.annotator, kept.current
    assert annotator.not_saved == ""
    (tmp_path / "stick").rename(tmp_path / "pulled out")
    stroke(kept)
    said = kept.problems[-1]
    assert said.startswith("The last change was not saved")
    assert annotator.not_saved == said
    annotator.next()
    second = kept.current
    stroke(kept)
    assert annotator.not_saved == said
    (tmp_path / "pulled out").rename(tmp_path / "stick")
    annotator.next()
    stroke(kept)
    assert annotator.not_saved == ""
    annotator.close()
    drafts = Store.read(tmp_path / "stick").drafts
    assert set(drafts) == {first, second, kept.current}
    assert all(draft.annotation.labels.any() for draft in drafts.values())


def test_what_the_disk_refused_is_said_until_it_is_done_after_all(kept: Desk, tmp_path: Path) -> None:
    """It was taken back in the window, too: other work that is saved does not make it done."""
    (tmp_path / "stick").rename(tmp_path / "pulled out")
    assert not kept.annotator.accept()
    (tmp_path / "pulled out").rename(tmp_path / "stick")
    stroke(kept)
    assert kept.annotator.not_saved == kept.problems[-1]
    assert kept.annotator.accept()
    assert kept.annotator.not_saved == ""
    kept.annotator.close()
    assert len(Store.read(tmp_path / "stick").annotations) == 1


def test_what_was_not_saved_is_saved_when_the_window_is_closed_at_the_latest(kept: Desk, tmp_path: Path) -> None:
    first = kept.current
    (tmp_path / "stick").rename(tmp_path / "pulled out")
    stroke(kept)
    (tmp_path / "pulled out").rename(tmp_path / "stick")
    kept.annotator.close()
    assert set(Store.read(tmp_path / "stick").drafts) == {first}


def test_what_was_not_saved_is_in_the_folder_that_the_session_is_kept_in_from_then_on(
    kept: Desk, tmp_path: Path
) -> None:
    first = kept.current
    (tmp_path / "stick").rename(tmp_path / "pulled out")
    stroke(kept)
    assert kept.annotator.not_saved
    assert kept.annotator.start_keeping(tmp_path / "study")
    kept.settle()
    assert kept.annotator.not_saved == ""
    kept.annotator.close()
    assert set(Store.read(tmp_path / "study").drafts) == {first}


@pytest.fixture
def resumed(kept: Desk, tmp_path: Path) -> Desk:
    """The same session on another day: an image that was accepted before is in its folder alone."""
    kept.accept()
    kept.settle()
    kept.annotator.close()
    desk = make_desk(Settings(learn=LearnSettings(every=0)), MUSCLE_PRESET)
    desk.annotator.open([tmp_path / "stick"])
    desk.settle()
    return desk


def test_masks_that_are_nowhere_else_are_asked_back_before_a_session_is_kept_elsewhere(
    resumed: Desk, tmp_path: Path
) -> None:
    (tmp_path / "stick").rename(tmp_path / "pulled out")
    stroke(resumed)
    assert resumed.annotator.start_keeping(tmp_path / "study")
    resumed.settle()
    assert resumed.problems[-1] == (
        f"Nothing was copied: masks of earlier sittings are in {tmp_path / 'stick'} alone, which is not there now. "
        "What you did in this window is safe while it stays open. Put the folder back (plug its drive in, or restore "
        "it from the bin or a backup), then use “Keep session in…” again."
    )
    (tmp_path / "pulled out").rename(tmp_path / "stick")
    assert resumed.annotator.start_keeping(tmp_path / "study")
    resumed.settle()
    resumed.annotator.close()
    record = Store.read(tmp_path / "study")
    assert len(record.annotations) == 1
    assert set(record.drafts) == {resumed.current}


def test_a_mask_that_is_gone_when_a_session_is_kept_elsewhere_is_told_with_what_to_do(
    resumed: Desk, tmp_path: Path
) -> None:
    for mask in (tmp_path / "stick" / "masks").iterdir():
        mask.unlink()
    assert not resumed.annotator.save_as(tmp_path / "study")
    assert "is missing or damaged. Nothing was copied, and the session is kept where it was." in resumed.problems[-1]
    assert resumed.annotator.folder == tmp_path / "stick"
    resumed.annotator.close()
    again = make_desk(Settings(learn=LearnSettings(every=0)), MUSCLE_PRESET)
    again.annotator.open([tmp_path / "stick"])
    again.settle()
    assert again.annotator.save_as(tmp_path / "study"), "as it was said"
