"""What is open of a clip is skipped in one step; what is accepted stays, and undo takes that step back whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from annotator_fakes import FULL, HEIGHT, WIDTH, Desk, full_disk

from napari_adasam.domain.records import FrameStatus
from napari_adasam.files.store import Store

FRAMES = 6
ACCEPTED, SKIPPED = FrameStatus.ACCEPTED, FrameStatus.SKIPPED


@pytest.fixture
def desk(make: Callable[..., Desk], tmp_path: Path) -> Desk:
    """A clip of six frames with its second one accepted, another file behind it; kept in a folder."""
    made = make(images=0)
    stack = np.random.default_rng(0).integers(0, 255, (FRAMES + 1, HEIGHT, WIDTH), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "cine.tif", stack[:FRAMES], photometric="minisblack")
    tifffile.imwrite(tmp_path / "other.tif", stack[FRAMES], photometric="minisblack")
    assert made.annotator.open([tmp_path / "cine.tif", tmp_path / "other.tif"]) == []
    assert made.annotator.save_as(tmp_path / "session")
    made.annotator.go_to(clip(made)[1])
    made.accept()
    made.settle()
    return made


def clip(desk: Desk) -> list[str]:
    return [frame.id for frame in desk.session.frames][:FRAMES]


def statuses(desk: Desk) -> list[FrameStatus]:
    return [desk.session.status(one) for one in clip(desk)]


def on_disk(tmp_path: Path, desk: Desk) -> list[FrameStatus]:
    record = Store.read(tmp_path / "session")
    return [record.statuses.get(one, FrameStatus.NEW) for one in clip(desk)]


def test_the_rest_of_a_clip_is_skipped_in_one_step_and_that_is_undone_in_one(desk: Desk, tmp_path: Path) -> None:
    first, skipped = desk.current, [SKIPPED, ACCEPTED, *[SKIPPED] * (FRAMES - 2)]
    assert desk.annotator.skip_file()
    desk.settle()
    assert statuses(desk) == on_disk(tmp_path, desk) == skipped
    assert desk.current not in clip(desk)
    assert desk.annotator.undo()
    desk.settle()
    assert desk.current == first
    assert statuses(desk)[1] is ACCEPTED
    assert SKIPPED not in statuses(desk)
    assert SKIPPED not in on_disk(tmp_path, desk)
    assert desk.annotator.redo()
    assert statuses(desk) == on_disk(tmp_path, desk) == skipped
    assert desk.annotator.undo()
    assert SKIPPED not in statuses(desk)
    assert desk.problems == []


def test_what_was_opened_again_since_is_left_alone_by_undo(desk: Desk) -> None:
    first = desk.current
    assert desk.annotator.skip_file()
    opened = clip(desk)[4]
    desk.annotator.go_to(opened)
    desk.annotator.reopen()
    desk.annotator.skip()
    desk.annotator.go_to(first)
    assert desk.annotator.undo()
    assert desk.session.status(opened) is SKIPPED, "that was a step of its own"
    assert statuses(desk).count(SKIPPED) == 1


def test_an_undo_further_takes_nothing_back_on_other_frames(desk: Desk) -> None:
    drawn, first = clip(desk)[3], desk.current
    desk.annotator.go_to(drawn)
    desk.settle()
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[2:8, 5:25] = 1
    desk.annotator.stroke(labels)
    desk.annotator.go_to(first)
    desk.annotator.tick(2, True)
    assert desk.annotator.skip_file()
    assert desk.annotator.undo()
    assert desk.annotator.undo()
    assert desk.current == first
    assert desk.session.status(drawn) is FrameStatus.CORRECTED
    assert (desk.session.labels(drawn)[2:8, 5:25] == 1).all()


def test_a_disk_that_does_not_take_it_leaves_all_frames_open(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        full_disk(patch, "save_status")
        assert not desk.annotator.skip_file()
    assert desk.problems == [FULL]
    assert SKIPPED not in statuses(desk)
    assert SKIPPED not in on_disk(tmp_path, desk)
    assert desk.current in clip(desk)


def test_a_clip_that_is_done_is_not_skipped(desk: Desk) -> None:
    assert desk.annotator.skip_file()
    desk.annotator.go_to(clip(desk)[1])
    assert not desk.annotator.skip_file()
    assert desk.problems == ["All of this file is accepted or skipped already."]
    assert statuses(desk)[1] is ACCEPTED
