"""On disk before the status says so; reopened as it was; exported."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from annotator_fakes import FULL, Desk, full_disk, make_desk
from PIL import Image

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.packing import PackedMask
from napari_adasam.domain.prompts import Point
from napari_adasam.domain.records import Annotation, FrameStatus
from napari_adasam.domain.settings import LearnSettings, Settings
from napari_adasam.domain.structures import Structure
from napari_adasam.files.store import Store


@pytest.fixture
def kept(desk: Desk, tmp_path: Path) -> Desk:
    """A session kept in a folder."""
    assert desk.annotator.save_as(tmp_path / "session")
    return desk


def reopened(tmp_path: Path) -> Desk:
    """Another sitting at the same session."""
    desk = make_desk(Settings(learn=LearnSettings(every=0)), (Structure(9, "something else"),))
    assert desk.annotator.open([tmp_path / "session"]) == []
    desk.settle()
    return desk


def on_disk(folder: Path) -> dict[str, str]:
    return {frame_id: str(status) for frame_id, status in Store.read(folder).statuses.items()}


def test_a_frame_is_on_disk_before_its_status_says_accepted(kept: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    save = Store.save_annotation

    def saving(store: Store, annotation: Annotation, suggested: Mapping[int, PackedMask]) -> None:
        order.append(f"saved while {kept.session.status(annotation.frame_id)}")
        save(store, annotation, suggested)

    monkeypatch.setattr(Store, "save_annotation", saving)
    kept.session.status_changed.connect(lambda frame_id: order.append(str(kept.session.status(frame_id))))
    first = kept.current
    kept.accept()
    assert order[:2] == ["saved while suggested", "accepted"]
    assert kept.saved[1:] == [first]
    assert order.count("saved while suggested") == 1


def test_a_frame_that_cannot_be_written_stays_open_and_nothing_is_lost(
    kept: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, labels = kept.current, kept.labels().copy()
    with monkeypatch.context() as patch:
        full_disk(patch, "save_annotation")
        assert not kept.annotator.accept()
    assert kept.problems == [FULL]
    assert kept.current == first
    assert kept.session.status(first) is FrameStatus.SUGGESTED
    assert np.array_equal(kept.labels(), labels)
    assert kept.annotator.accept()


def test_a_drive_that_is_unplugged_is_noticed_by_whatever_would_be_written(kept: Desk, tmp_path: Path) -> None:
    session, first = tmp_path / "session", kept.current
    kept.accept()
    kept.settle()
    second = kept.current
    unplugged = session.rename(tmp_path / "elsewhere")
    for change in (
        lambda: kept.annotator.accept(),
        lambda: kept.annotator.tick(1, False),
        lambda: kept.annotator.skip(),
    ):
        kept.problems.clear()
        change()
        assert [str(session) in one and "plug it in" in one for one in kept.problems] == [True]
        assert kept.session.status(second) not in (FrameStatus.ACCEPTED, FrameStatus.SKIPPED)
    unplugged.rename(session)
    assert on_disk(session)[first] == "accepted"
    assert kept.annotator.accept(), "plugged in again, one goes on"
    assert on_disk(session)[second] == "accepted"


def test_work_goes_on_in_another_folder_where_the_drive_stays_away(kept: Desk, tmp_path: Path) -> None:
    accepted = kept.current
    kept.accept()
    kept.settle()
    (tmp_path / "session").rename(tmp_path / "elsewhere")
    assert kept.annotator.save_as(tmp_path / "another")
    assert on_disk(tmp_path / "another")[accepted] == "accepted"


def test_a_session_is_reopened_as_it_was(kept: Desk, tmp_path: Path) -> None:
    first, second, third, _ = (frame.id for frame in kept.session.frames)
    kept.clock.now = 12
    kept.annotator.click(Point(5, 5), 1)
    kept.settle()
    kept.accept()
    kept.annotator.skip()
    kept.annotator.tick(2, False)
    kept.annotator.start_round()
    kept.settle()
    before = kept.session.annotations[first]
    kept.annotator.close()
    again = reopened(tmp_path)
    assert [again.session.status(one).value for one in (first, second)] == ["accepted", "skipped"]
    assert again.session.structures == kept.session.structures
    after = again.session.annotations[first]
    assert np.array_equal(after.labels, before.labels)
    assert (after.origins, after.changed_share, after.seconds) == (before.origins, before.changed_share, 12)
    assert again.session.ticks(third) == {2: False}
    assert again.current == third
    assert again.session.status(third) is FrameStatus.SUGGESTED
    assert [one.number for one in again.annotator.reports] == [1]
    again.annotator.start_round()
    again.settle()
    assert [one.number for one in again.annotator.reports] == [1, 2]
    again.annotator.close()


def test_what_was_decided_before_there_was_a_folder_is_written_too(desk: Desk, tmp_path: Path) -> None:
    first, second = (frame.id for frame in desk.session.frames[:2])
    desk.accept()
    desk.annotator.skip()
    desk.annotator.tick(1, True)
    assert desk.saved == []
    assert desk.annotator.save_as(tmp_path / "session")
    assert desk.annotator.folder == tmp_path / "session"
    assert desk.saved == [str(tmp_path / "session")]
    desk.annotator.close()
    again = reopened(tmp_path)
    assert again.session.status(first) is FrameStatus.ACCEPTED
    assert again.session.status(second) is FrameStatus.SKIPPED
    assert again.session.ticks(again.session.frames[2].id) == {1: True}
    again.annotator.close()


def test_undo_and_redo_of_an_accept_reach_the_disk(kept: Desk, tmp_path: Path) -> None:
    first = kept.current
    kept.accept()
    kept.annotator.undo()
    assert on_disk(tmp_path / "session")[first] == "suggested"
    kept.annotator.redo()
    assert on_disk(tmp_path / "session")[first] == "accepted"
    kept.annotator.reopen()
    assert on_disk(tmp_path / "session")[first] == "corrected"


def test_an_accepted_frame_is_written_once(kept: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first = kept.current
    kept.accept()
    kept.annotator.go_to(first)
    full_disk(monkeypatch, "save_annotation")
    kept.annotator.tick(2, True)
    assert kept.annotator.accept()
    assert kept.problems == []


def test_a_click_on_an_accepted_frame_that_cannot_be_answered_leaves_it_accepted_on_disk(
    kept: Desk, tmp_path: Path
) -> None:
    first = kept.current
    kept.accept()
    kept.annotator.go_to(first)
    kept.settle()
    kept.predictor.fails = MemoryError()
    kept.annotator.click(Point(5, 5), 1)
    assert on_disk(tmp_path / "session")[first] == "corrected"
    kept.settle()
    assert kept.session.status(first) is FrameStatus.ACCEPTED
    assert on_disk(tmp_path / "session")[first] == "accepted"


def test_a_redo_that_the_disk_does_not_take_is_taken_back(kept: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first = kept.current
    kept.accept()
    kept.annotator.undo()
    full_disk(monkeypatch, "save_annotation")
    assert not kept.annotator.redo()
    assert kept.session.status(first) is FrameStatus.SUGGESTED
    assert kept.problems == [FULL]


def test_frames_that_cannot_be_noted_are_not_taken_in_and_can_be_opened_later(
    kept: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = tmp_path / "more.png"
    Image.fromarray(np.full((40, 60), 7, np.uint8)).save(picture)
    with monkeypatch.context() as patch:
        full_disk(patch, "save_frames")
        assert kept.annotator.open([picture]) == [FULL]
    assert len(kept.session.frames) == 4
    assert kept.annotator.open([picture]) == []
    assert len(kept.session.frames) == 5


def test_a_folder_with_a_session_is_not_written_over(kept: Desk, tmp_path: Path) -> None:
    other = make_desk(Settings(), (Structure(1, "muscle"),))
    assert not other.annotator.save_as(tmp_path / "session")
    assert "holds a session already" in other.problems[0]
    assert other.annotator.folder is None
    other.annotator.close()


def test_a_session_is_not_opened_over_open_images(kept: Desk, make: Callable[..., Desk], tmp_path: Path) -> None:
    other = make(images=2)
    problems = other.annotator.open([tmp_path / "session"])
    assert len(problems) == 1
    assert "open it in a new window" in problems[0]
    assert len(other.session.frames) == 2


def test_a_session_whose_pictures_are_gone_still_shows_what_was_accepted(kept: Desk, tmp_path: Path) -> None:
    first = kept.current
    kept.accept()
    kept.annotator.close()
    Path(kept.session.frame(first).path).unlink()
    again = make_desk(Settings(), (Structure(1, "muscle"),))
    problems = again.annotator.open([tmp_path / "session"])
    assert len(problems) == 1
    assert "scan1.png is not there any more" in problems[0]
    assert first in again.session.annotations
    assert again.current != first
    again.annotator.go_to(first)
    assert again.current != first
    assert len(again.problems) == 1
    again.annotator.close()


def test_export_writes_masks_table_and_provenance(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to export"):
        desk.annotator.export(tmp_path / "out")
    first = desk.session.frame(desk.current)
    desk.accept()
    written = desk.annotator.export(tmp_path / "out")
    assert {path.name for path in written} == {"scan1.png", "scan1.tif", "measurements.csv", "provenance.json"}
    mask = np.asarray(Image.open(tmp_path / "out" / "masks" / "scan1.png"))
    assert np.array_equal(mask, desk.session.annotations[first.id].labels)
    rows = list(csv.DictReader((tmp_path / "out" / "measurements.csv").read_text(encoding="utf-8").splitlines()))
    assert {(row["structure"], row["unit"], row["origin"]) for row in rows if row["measure"] == "area"} == {
        ("muscle belly", "px²", "suggested"),
        ("aponeurosis", "px²", "suggested"),
    }
    assert json.loads((tmp_path / "out" / "provenance.json").read_text())["model"]["fingerprint"] == "v1"


def test_seconds_go_on_when_a_frame_is_accepted_again(kept: Desk) -> None:
    first = kept.current
    kept.clock.now = 10
    kept.accept()
    kept.annotator.undo()
    kept.clock.now = 14
    kept.accept()
    assert kept.session.annotations[first].seconds == 14
