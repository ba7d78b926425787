"""Structures on the screen: their names, "several parts", and the word on whether they are there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_adasam.domain.records import FrameStatus
from napari_adasam.ui.dock import AdasamDock

from window_fakes import picture, wait_idle  # isort: skip


def test_a_name_with_an_ampersand_is_shown_as_it_is(opened: AdasamDock) -> None:
    first, *others = opened.annotator.session.structures
    opened.annotator.set_structures([replace(first, name="biceps & brachialis"), *others])
    choice = opened.annotate_panel.structures.choices[1]
    assert choice.text() == "biceps && brachialis"
    assert choice.shortcut().isEmpty()


def test_unticking_what_is_accepted_is_refused_and_the_box_shows_what_is_true(opened: AdasamDock, qtbot: Any) -> None:
    session, rows = opened.annotator.session, opened.annotate_panel.structures
    first = session.current
    opened.commander.run("accept")
    wait_idle(opened, qtbot)
    opened.annotator.go_to(first)
    opened.tools.choose_structure(2)
    rows.ticks[1].click()
    wait_idle(opened, qtbot)
    assert "Wipe it first (Del)" in opened.status_line.notice.text()
    assert rows.ticks[1].isChecked()
    assert rows.presence[1].text() == "present: 94 %"
    assert session.status(first) is FrameStatus.ACCEPTED
    opened.annotate_panel.buttons["clear_structure"].click()
    assert not (session.labels(first) == 1).any(), "the key means the structure that the sentence names"
    assert (session.labels(first) == 2).any()
    rows.ticks[1].click()
    assert rows.presence[1].text() == "not there (you)"


def test_what_is_outlined_is_ticked_whatever_the_classifier_thinks(
    make_dock: Callable[..., AdasamDock], tmp_path: Path, qtbot: Any
) -> None:
    dark, folder = np.where(picture() > 200, picture(), 20).astype(np.uint8), tmp_path / "session"
    Image.fromarray(dark).save(tmp_path / "dark.png")
    dock = make_dock()
    dock.open([tmp_path / "dark.png"])
    wait_idle(dock, qtbot)
    assert dock.annotator.save_as(folder)
    session, rows = dock.annotator.session, dock.annotate_panel.structures
    assert (rows.ticks[2].isChecked(), rows.presence[2].text()) == (False, "present: 6 %")
    labels = session.labels(str(session.current)).copy()
    labels[2:5, 2:40] = 2
    dock.annotator.stroke(labels)
    wait_idle(dock, qtbot)
    assert rows.ticks[2].isChecked()
    dock.commander.run("accept")
    wait_idle(dock, qtbot)
    assert (rows.ticks[2].isChecked(), rows.presence[2].text()) == (True, "present: 6 %")
    dock.shut_down()
    again = make_dock()
    again.open([folder])
    wait_idle(again, qtbot)
    rows = again.annotate_panel.structures
    assert [(rows.ticks[one].isChecked(), rows.presence[one].text()) for one in (1, 2)] == [(True, "outlined")] * 2
    rows.ticks[2].click()
    assert "Wipe it first (Del)" in again.status_line.notice.text()
    assert rows.ticks[2].isChecked()


@pytest.mark.parametrize("several", [True, False])
def test_the_click_that_ends_the_typing_of_a_name_counts(
    make_dock: Callable[..., AdasamDock], images: Path, qtbot: Any, several: bool
) -> None:
    dock = make_dock(show=True)
    dock.open([images])
    wait_idle(dock, qtbot)
    dock.sections["structures"].set_open(True)
    dock.window().activateWindow()
    panel, session = dock.structures_panel, dock.annotator.session
    first, *others = session.structures
    dock.annotator.set_structures([replace(first, several_parts=not several), *others])
    QApplication.processEvents()
    name = panel.names[1]
    name.setFocus()
    name.selectAll()
    QTest.keyClicks(name, "soleus")
    QTest.mouseClick(panel.several[1], Qt.MouseButton.LeftButton)
    QApplication.processEvents()
    assert (session.structures[0].name, session.structures[0].several_parts) == ("soleus", several)
    assert panel.names[1].text() == "soleus"
    assert panel.several[1].isChecked() is several


def test_who_says_that_nothing_is_there_is_not_asked_again(opened: AdasamDock, qtbot: Any) -> None:
    for tick in opened.annotate_panel.structures.ticks.values():
        tick.click()
    wait_idle(opened, qtbot)
    assert opened.hint.text().startswith("<b>You said that nothing is there.</b> Press A")
