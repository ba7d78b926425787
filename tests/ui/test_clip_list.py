"""Clips in the list of step 3: one line each, frames that fold open, a strip, and keys from frame to frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from window_fakes import picture, wait_idle

from napari_adasam.domain.records import FrameStatus
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.panels.annotate import OTHER_ROWS, TOOL_ROWS

FRAMES = 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A single image, a clip of six frames, and another image."""
    made = tmp_path / "exam"
    made.mkdir()
    Image.fromarray(picture()).save(made / "a.png")
    stack = np.stack([picture(shift=number) for number in range(FRAMES)])
    tifffile.imwrite(made / "cine.tif", stack, photometric="minisblack")
    Image.fromarray(picture(shift=9)).save(made / "z.png")
    return made


@pytest.fixture
def clips(make_dock: Callable[..., AdasamDock], folder: Path, qtbot: Any) -> AdasamDock:
    dock = make_dock(show=True)
    dock.open([folder])
    wait_idle(dock, qtbot)
    return dock


def stem(dock: AdasamDock) -> str:
    return dock.annotator.session.frame(dock.annotator.session.current or "").stem


def lines(dock: AdasamDock) -> list[str]:
    chosen = dock.annotate_panel.frame_card.chosen
    return [chosen.itemText(at) for at in range(chosen.count())]


def frame_lines(dock: AdasamDock) -> list[str]:
    rows = dock.annotate_panel.clip.rows
    return [str(rows.data(rows.index(at))) for at in range(rows.rowCount())]


def run(dock: AdasamDock, qtbot: Any, *names: str) -> None:
    for name in names:
        dock.commander.run(name)
        wait_idle(dock, qtbot)


def test_a_clip_is_one_line_that_says_how_far_it_is(clips: AdasamDock, qtbot: Any) -> None:
    assert lines(clips)[1] == "○ cine · 0 accepted, 6 to do"
    run(clips, qtbot, "next_item", "accept", "back", "propagate")
    assert lines(clips)[1] == "◑ cine · 1 accepted, 5 to do (5 propagated)"
    run(clips, qtbot, "next_frame", "skip")
    assert lines(clips)[1] == "◑ cine · 1 accepted, 4 to do (4 propagated), 1 skipped"
    run(clips, qtbot, *["accept"] * 4)
    assert lines(clips)[1] == "● cine · 5 accepted, 0 to do, 1 skipped"


def test_a_clip_that_is_left_out_as_a_whole_is_not_marked_as_accepted(clips: AdasamDock, qtbot: Any) -> None:
    run(clips, qtbot, "next_item", *["skip"] * FRAMES)
    assert lines(clips)[1] == "⊘ cine · 0 accepted, 0 to do, 6 skipped"


def test_keys_go_from_frame_to_frame_and_from_file_to_file(clips: AdasamDock, qtbot: Any) -> None:
    assert stem(clips) == "a"
    run(clips, qtbot, "next_item")
    assert stem(clips) == "cine_0000"
    run(clips, qtbot, "next_frame", "next_frame")
    assert stem(clips) == "cine_0002"
    run(clips, qtbot, "frame_before")
    assert stem(clips) == "cine_0001"
    run(clips, qtbot, "next_item")
    assert stem(clips) == "z"
    buttons = clips.annotate_panel.buttons
    assert buttons["next_item"].toolTip() == "This is the last file."
    assert buttons["next_frame"].toolTip() == "This image is the only one in its file."
    run(clips, qtbot, "item_before")
    assert stem(clips) == "cine_0000", "the first frame of it that is still to be done"
    assert buttons["frame_before"].toolTip() == "This is the first frame of its file."
    run(clips, qtbot, "accept", "next_item", "item_before")
    assert stem(clips) == "cine_0001"


def test_the_tools_are_in_sight_of_who_goes_through_a_clip(clips: AdasamDock, qtbot: Any) -> None:
    clips.viewer.window.set_geometry(0, 0, 1366, 768)
    run(clips, qtbot, "accept")
    qtbot.wait(100)
    panel, seen = clips.annotate_panel, clips.steps.viewport()
    assert panel.clip.isVisible()
    for name in sum((*TOOL_ROWS, *OTHER_ROWS), ()):
        button = panel.buttons[name]
        assert button.mapTo(seen, QPoint(0, button.height())).y() <= seen.height(), name


def test_keys_are_bound_on_the_image(clips: AdasamDock, qtbot: Any) -> None:
    run(clips, qtbot, "next_item")
    masks = clips.canvas.masks.layer
    assert masks is not None
    bound = {str(key): action for key, action in masks.keymap.items()}
    for key, there in (("2", "cine_0001"), ("Right", "cine_0002"), ("1", "cine_0001"), ("Left", "cine_0000")):
        bound[key](masks)
        wait_idle(clips, qtbot)
        assert stem(clips) == there
    for key, there in (("PageDown", "z"), ("3", "cine_0000"), ("PageUp", "a"), ("4", "cine_0000")):
        bound[key](masks)
        wait_idle(clips, qtbot)
        assert stem(clips) == there


def test_the_frames_fold_open_with_key_frames_and_confidences(clips: AdasamDock, qtbot: Any) -> None:
    card = clips.annotate_panel.clip
    assert not card.isVisibleTo(clips.annotate_panel)
    run(clips, qtbot, "next_item", "accept", "back", "propagate")
    assert card.isVisibleTo(clips.annotate_panel)
    assert not card.list.isVisibleTo(card)
    card.fold.click()
    assert card.list.isVisibleTo(card)
    assert frame_lines(clips)[:2] == [
        "◆ 0000 · key frame",
        "◔ 0001 · propagated from 0000, 93% sure",
    ]
    card.list.clicked.emit(card.rows.index(3))
    wait_idle(clips, qtbot)
    assert stem(clips) == "cine_0003"
    assert card.place.text() == "Frame 4 of 6 in this file"
    run(clips, qtbot, "clear_structure")
    assert frame_lines(clips)[3] == "◑ 0003 · corrected from 0000, 93% sure"
    assert card.list.currentIndex().row() == 3


def test_the_strip_goes_to_the_frame_below_the_mouse(clips: AdasamDock, qtbot: Any) -> None:
    run(clips, qtbot, "next_item", "accept", "back", "propagate")
    strip = clips.annotate_panel.clip.strip
    QTest.mouseClick(strip, Qt.MouseButton.LeftButton, pos=QPoint(int(strip.width() * 4.5 / FRAMES), 20))
    wait_idle(clips, qtbot)
    assert stem(clips) == "cine_0004"
    picture = strip.grab().toImage()

    def height(at: int) -> int:
        """Of the bar of a frame: how many of the pixels in its middle have its colour."""
        x = int(picture.width() * (at + 0.5) / FRAMES)
        wanted = picture.pixelColor(x, picture.height() - 2)
        return sum(picture.pixelColor(x, y) == wanted for y in range(picture.height()))

    assert height(0) > height(1) > 8, "a key frame is marked, a propagated one is as high as it is sure"


def test_a_filter_lists_files_with_such_frames_and_follows(clips: AdasamDock, qtbot: Any) -> None:
    card, session = clips.annotate_panel.frame_card, clips.annotator.session
    words = [card.filter.itemText(at) for at in range(card.filter.count())]
    card.filter.setCurrentIndex(words.index("accepted"))
    card.filter.activated.emit(words.index("accepted"))
    assert lines(clips) == []
    run(clips, qtbot, "next_item", "accept")
    assert lines(clips) == ["◑ cine · 1 accepted, 5 to do"]
    run(clips, qtbot, "item_before", "item_before", "accept")
    assert [line[2] for line in lines(clips)] == ["a", "c"]
    run(clips, qtbot, "undo")
    assert [line[2] for line in lines(clips)] == ["c"]
    assert session.status(session.frames[0].id) is FrameStatus.SUGGESTED
    card.chosen.activated.emit(0)
    wait_idle(clips, qtbot)
    assert stem(clips) == "cine_0000", "the first one that is accepted"


def test_a_filtered_list_leads_to_the_frames_that_it_is_filtered_for(clips: AdasamDock, qtbot: Any) -> None:
    card, annotator = clips.annotate_panel.frame_card, clips.annotator
    run(clips, qtbot, "next_item", *["next_frame"] * 3)
    annotator.note("probe tilted")
    run(clips, qtbot, "item_before")
    words = [card.filter.itemText(at) for at in range(card.filter.count())]
    for listed, wanted in (("with a note", "cine_0003"), ("all images", "cine_0003")):
        card.filter.setCurrentIndex(words.index(listed))
        card.filter.activated.emit(words.index(listed))
        card.chosen.activated.emit([line[2] for line in lines(clips)].index("c"))
        wait_idle(clips, qtbot)
        assert stem(clips) == wanted
    run(clips, qtbot, "item_before")
    card.chosen.activated.emit(1)
    wait_idle(clips, qtbot)
    assert stem(clips) == "cine_0000", "without a filter, the first one that is to be done"


def test_a_second_clip_of_the_same_name_has_a_name_of_its_own(clips: AdasamDock, folder: Path, qtbot: Any) -> None:
    other = folder.parent / "second" / "cine.tif"
    other.parent.mkdir()
    stack = np.stack([picture(shift=20 + number) for number in range(FRAMES)])
    tifffile.imwrite(other, stack, photometric="minisblack")
    clips.open([other])
    wait_idle(clips, qtbot)
    assert lines(clips)[-1] == "○ cine_2 · 0 accepted, 6 to do"


def test_a_propagated_frame_that_is_changed_is_not_counted_as_propagated(clips: AdasamDock, qtbot: Any) -> None:
    run(clips, qtbot, "next_item", "accept", "back", "propagate", "next_frame")
    clips.annotator.clear_structure(1)
    wait_idle(clips, qtbot)
    assert lines(clips)[1] == "◑ cine · 1 accepted, 5 to do (4 propagated)"
