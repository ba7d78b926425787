"""A session's folder or database is taken away while it is open: what is still to be saved can be, in another one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from annotator_fakes import make_desk, write_images

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
