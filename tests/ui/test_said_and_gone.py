"""What is said of an image goes with it, and what cannot be done says so; nothing complains about a hasty hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.ui.commands import ONE_STRUCTURE
from napari_adasam.ui.dock import AdasamDock

from window_fakes import brush, wait_idle  # isort: skip


def test_what_was_said_of_an_image_goes_with_it(opened: AdasamDock, qtbot: Any) -> None:
    line, session = opened.status_line, opened.annotator.session
    current = session.current or ""
    over = session.labels(current).copy()
    over[20:40, 30:60] = 2
    opened.annotator.bring_back(opened.annotator.versions(current)[0])
    opened.annotator.stroke(over)
    assert "stays" in line.notice.text()
    assert not line.notice.isHidden()
    opened.commander.run("next")
    wait_idle(opened, qtbot)
    assert line.notice.isHidden()
    opened.commander.problem.emit("scan_9.png could not be opened.")
    opened.commander.run("back")
    wait_idle(opened, qtbot)
    assert not line.notice.isHidden(), "what is not about an image stands until it is read"


def test_that_all_images_are_there_already_is_forgotten_with_the_next_image(
    opened: AdasamDock, images: Path, qtbot: Any
) -> None:
    opened.open([images])
    wait_idle(opened, qtbot)
    assert "already" in opened.status_line.notice.text()
    opened.commander.run("next")
    wait_idle(opened, qtbot)
    assert opened.status_line.notice.isHidden()


def test_a_double_click_on_the_sample_images_is_one_wish(
    dock: AdasamDock, images: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    drawn = []
    monkeypatch.setattr(dock.open_panel, "_sample_paths", lambda: drawn.append(1) or [images])
    dock.sections["open"].set_open(True)
    samples = dock.open_panel.samples
    samples.click()
    assert not samples.isEnabled()
    QTest.mouseDClick(samples, Qt.MouseButton.LeftButton)
    wait_idle(dock, qtbot)
    assert drawn == [1]
    assert dock.status_line.notice.isHidden()
    assert samples.isEnabled()


def test_with_one_structure_there_is_no_other_and_that_is_said(opened: AdasamDock) -> None:
    button = opened.annotate_panel.buttons["next_structure"]
    assert button.isEnabled()
    opened.annotator.set_structures(MUSCLE_PRESET[:1])
    assert not button.isEnabled()
    assert button.toolTip() == ONE_STRUCTURE
    opened.commander.run("next_structure")
    assert opened.status_line.notice.text() == ONE_STRUCTURE
    opened.annotator.set_structures(MUSCLE_PRESET)
    assert button.isEnabled()
    opened.commander.run("next_structure")
    assert opened.tools.structure == 2


def test_an_image_without_a_scale_leads_to_where_it_is_set(opened: AdasamDock, scaled_image: Path, qtbot: Any) -> None:
    header = opened.sections["open"].header
    assert header.text().endswith("4 images · set the scale here")
    assert "Step 1 sets it" in opened.annotate_panel.frame_card.scale.toolTip()
    opened.open([scaled_image])
    wait_idle(opened, qtbot)
    opened.annotator.go_to(opened.annotator.session.frames[-1].id)
    wait_idle(opened, qtbot)
    assert header.text().endswith("5 images")


def test_what_does_not_belong_here_can_be_left_out_of_the_list_and_brought_back(opened: AdasamDock, qtbot: Any) -> None:
    card, session = opened.annotate_panel.frame_card, opened.annotator.session
    wrong = session.current or ""
    before = np.array(session.labels(wrong))
    opened.commander.run("accept")
    wait_idle(opened, qtbot)
    opened.annotator.go_to(wrong)
    opened.commander.run("skip")
    wait_idle(opened, qtbot)
    at = card.filter.findText("not left out")
    card.filter.setCurrentIndex(at)
    card.filter.activated.emit(at)
    assert card.rows.fitting == 3
    opened.annotator.go_to(wrong)
    opened.commander.run("reopen")
    assert card.rows.fitting == 4
    assert np.array_equal(session.labels(wrong), before)


def test_the_field_of_a_folder_tells_the_whole_name(opened: AdasamDock) -> None:
    panel = opened.export_panel
    panel.folder.setText("/a/very/long/way/to/the/knee study/ultrasound-masks")
    assert panel.folder.toolTip().endswith("/a/very/long/way/to/the/knee study/ultrasound-masks")


def test_an_image_that_is_done_was_not_come_back_to(opened: AdasamDock, qtbot: Any) -> None:
    for _ in range(4):
        opened.commander.run("accept")
        wait_idle(opened, qtbot)
    assert opened.annotate_panel.frame_card.why.text() == "Why this one: it is done already"


def test_that_a_change_was_not_saved_goes_once_it_is(opened: AdasamDock, tmp_path: Path, qtbot: Any) -> None:
    line, stick = opened.status_line, tmp_path / "stick"
    assert opened.annotator.save_as(stick)
    wait_idle(opened, qtbot)
    stick.rename(tmp_path / "pulled out")
    brush(opened.canvas.masks.layer, (52, 60))
    assert line.notice.text().startswith("The last change was not saved")
    line._look_again()
    assert not line.notice.isHidden(), "it is so still"
    (tmp_path / "pulled out").rename(stick)
    brush(opened.canvas.masks.layer, (20, 60))
    line._look_again()
    assert line.notice.isHidden()
