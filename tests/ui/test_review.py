"""Notes, unusable images, the filter, what is laid beside an image, lists of structures, a window that only looks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QComboBox, QFileDialog

from napari_adasam.domain.calibration import Ruler
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.structures import PRESETS
from napari_adasam.ui.dock import AdasamDock

from window_fakes import brush, wait_idle  # isort: skip


def choose(box: QComboBox, words: str) -> None:
    """As a person does."""
    at = next(at for at in range(box.count()) if box.itemText(at).startswith(words))
    box.setCurrentIndex(at)
    box.activated.emit(at)


def ids(dock: AdasamDock) -> list[str]:
    return [frame.id for frame in dock.annotator.session.frames]


def test_a_note_is_kept_with_its_image_and_marked_in_the_list(opened: AdasamDock, qtbot: Any) -> None:
    review, card, session = opened.annotate_panel.review, opened.annotate_panel.frame_card, opened.annotator.session
    review.note.setText("probe tilted")
    review.note.editingFinished.emit()
    assert session.remark(ids(opened)[0]).note == "probe tilted"
    assert card.chosen.itemText(0).endswith("✎")
    opened.commander.run("next")
    wait_idle(opened, qtbot)
    assert review.note.text() == ""
    opened.commander.run("back")
    assert review.note.text() == "probe tilted"


def test_a_note_that_is_half_typed_when_the_next_image_comes_stays_with_its_own(shown: AdasamDock, qtbot: Any) -> None:
    session, note, (first, second, *_) = shown.annotator.session, shown.annotate_panel.review.note, ids(shown)
    shown.window().activateWindow()
    qtbot.wait_until(shown.window().isActiveWindow)
    shown.steps.ensureWidgetVisible(note)
    QTest.mouseClick(note, Qt.MouseButton.LeftButton)
    QTest.keyClicks(note, "probe tilted")
    shown.annotator.next()  # by itself, as when an image arrives that was being opened
    qtbot.wait_until(lambda: note.text() == "")
    assert (session.current, session.remark(first).note, note.hasFocus()) == (second, "probe tilted", True)
    QTest.keyClicks(note, "sharp")
    with shown._later.together():  # before the panel is renewed
        shown.annotator.back()
        QTest.keyClick(note, Qt.Key.Key_Return)
    qtbot.wait_until(lambda: note.text() == "probe tilted")
    assert (session.current, session.remark(first).note, session.remark(second).note) == (
        first,
        "probe tilted",
        "sharp",
    )


def test_unusable_images_are_left_out_and_can_be_listed(opened: AdasamDock, qtbot: Any) -> None:
    card = opened.annotate_panel.frame_card
    opened.annotate_panel.review.unusable.click()
    wait_idle(opened, qtbot)
    assert opened.annotator.session.current == ids(opened)[1]
    choose(card.filter, "unusable")
    assert [card.chosen.itemData(at) for at in range(card.chosen.count())] == [ids(opened)[0]]
    choose(card.chosen, "⊘")
    assert card.status.text() == "unusable"
    opened.commander.run("reopen")
    assert card.chosen.count() == 0, "it is not unusable any more"
    choose(card.filter, "to do")
    assert card.chosen.count() == 4
    choose(card.filter, "new")
    assert [card.chosen.itemText(at)[0] for at in range(card.chosen.count())] == ["○"] * card.chosen.count()
    opened.annotator.go_to(ids(opened)[3])
    wait_idle(opened, qtbot)
    assert card.chosen.count() == 0, "the last one has its suggestion now"


def test_the_suggestion_stands_beside_what_was_accepted_and_can_be_brought_back(opened: AdasamDock, qtbot: Any) -> None:
    review, session, first = opened.annotate_panel.review, opened.annotator.session, ids(opened)[0]
    suggested = session.labels(first).copy()
    assert not review.bring.isEnabled()
    assert review.bring.toolTip().endswith(".")
    opened.annotate_panel.buttons["brush"].click()
    brush(opened.canvas.masks.layer, (52, 60))
    opened.commander.run("accept")
    wait_idle(opened, qtbot)
    opened.commander.run("back")
    choose(review.beside, "the suggestion")
    image, outlines = opened.canvas.beside.layers
    np.testing.assert_array_equal(outlines.data, suggested)
    assert image.translate[1] > session.frame(first).width - 1
    assert not outlines.editable
    assert opened.viewer.layers.selection.active is opened.canvas.masks.layer
    assert not np.array_equal(opened.canvas.masks.layer.data, outlines.data)
    assert opened.open_panel.take.isHidden(), "the second picture is not offered as another image"
    review.bring.click()
    np.testing.assert_array_equal(session.labels(first), suggested)
    assert session.status(first) is FrameStatus.CORRECTED
    opened.commander.run("next")
    wait_idle(opened, qtbot)
    assert review.beside.currentText() == "the suggestion", "the choice stays from image to image"
    choose(review.beside, "Beside it: nothing")
    assert all(layer not in opened.viewer.layers for layer in (image, outlines))
    assert opened.canvas.beside.layers == ()


def test_lists_of_structures_keep_what_is_drawn(opened: AdasamDock) -> None:
    panel, session = opened.structures_panel, opened.annotator.session
    choose(panel.preset, "Quadriceps")
    names = [one.name for one in session.structures]
    assert names == [one.name for one in PRESETS["Quadriceps, across"]]
    assert min(one.value for one in session.structures) == 3, "1 and 2 were suggested on images before"
    brush_labels = session.labels(session.current).copy()
    brush_labels[:5, :5] = session.structures[0].value
    opened.annotator.stroke(brush_labels)
    choose(panel.preset, "Diaphragm")
    assert [one.name for one in session.structures] == names
    assert "cannot be removed" in opened.status_line.notice.text()


def test_a_list_that_is_chosen_before_any_image_counts_from_one(dock: AdasamDock) -> None:
    choose(dock.structures_panel.preset, "Tibialis")
    found = dock.annotator.session.structures
    assert [(one.value, one.name) for one in found] == [(1, "tibialis anterior"), (2, "aponeurosis")]


def test_the_second_window_says_that_it_only_looks(
    make_dock: Callable[..., AdasamDock], opened: AdasamDock, tmp_path: Path, qtbot: Any
) -> None:
    assert opened.annotator.save_as(tmp_path / "session")
    other = make_dock()
    other.open([tmp_path / "session"])
    wait_idle(other, qtbot)
    assert "another window" in other.hint.text()
    assert other.open_panel.kept.text() == "Only to look at: the line at the top says why."
    assert not other.annotate_panel.buttons["accept"].isEnabled()
    assert "another window" in other.annotate_panel.buttons["accept"].toolTip()
    before = other.canvas.masks.layer.data.copy()
    brush(other.canvas.masks.layer, (52, 60))
    qtbot.wait(50)
    np.testing.assert_array_equal(other.canvas.masks.layer.data, before)


def test_a_second_readers_session_is_told_of_only_where_it_was_made(
    opened: AdasamDock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, notice = str(tmp_path / "second"), opened.status_line.notice
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: folder)
    opened.open_panel.second.click()
    assert notice.text().startswith(f"The second reader opens {folder}.")
    opened.open_panel.second.click()
    assert notice.text() == f"{folder} holds a session already; open it, or choose another folder."


def test_going_on_shows_the_next_image_in_the_same_layers_beside_it(opened: AdasamDock, qtbot: Any) -> None:
    """napari takes a second to take layers out and put others in."""
    choose(opened.annotate_panel.review.beside, "the suggestion")
    before, session = opened.canvas.beside.layers, opened.annotator.session
    opened.commander.run("next")
    wait_idle(opened, qtbot)
    assert opened.canvas.beside.layers == before
    image, outlines = before
    np.testing.assert_array_equal(image.data, opened.canvas.image.data)
    np.testing.assert_array_equal(outlines.data, session.suggested_labels(session.current))
    assert image.translate[1] == outlines.translate[1] == pytest.approx(80 * 1.03)
    assert not outlines.editable
    opened.viewer.layers.remove(image)
    opened.commander.run("next")
    wait_idle(opened, qtbot)
    assert all(one in opened.viewer.layers for one in opened.canvas.beside.layers), "deleted by hand: made anew"
    assert outlines not in opened.viewer.layers


def test_what_is_beside_has_the_scale_that_is_set_by_hand(opened: AdasamDock, qtbot: Any) -> None:
    choose(opened.annotate_panel.review.beside, "the suggestion")
    opened.annotator.set_scale(Ruler((10.0, 10.0), (10.0, 50.0), 10.0))
    wait_idle(opened, qtbot)
    image = opened.canvas.image
    for layer in opened.canvas.beside.layers:
        assert tuple(layer.scale) == tuple(image.scale)
        assert layer.units == image.units
    (top, left), (bottom, right) = opened.viewer.layers.extent.world
    assert (bottom - top, right - left) == pytest.approx((60 * 0.25, 80 * 0.25 * 2.03), abs=0.5)
    assert opened.viewer.scene.camera.center[-1] == pytest.approx((left + right) / 2, abs=0.5), "both are in view"


def test_what_is_beside_is_the_suggestion_of_the_model_in_use(
    opened: AdasamDock, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    choose(opened.annotate_panel.review.beside, "the suggestion")
    session = opened.annotator.session
    before = opened.canvas.beside.layers[1].data
    monkeypatch.setattr("window_fakes.BRIGHT", 250)
    opened.annotator.suggest()
    wait_idle(opened, qtbot)
    _, outlines = opened.canvas.beside.layers
    assert outlines.data is not before
    assert not (outlines.data == 1).any()
    np.testing.assert_array_equal(outlines.data, session.suggested_labels(session.current))


def test_what_is_beside_has_the_colours_of_the_structures_there_are_now(opened: AdasamDock) -> None:
    choose(opened.annotate_panel.review.beside, "the suggestion")
    opened.structures_panel.add.click()
    _, outlines = opened.canvas.beside.layers
    assert 3 in outlines.colormap.color_dict


def test_a_picture_that_is_gone_is_a_sentence_and_nothing_is_beside(opened: AdasamDock) -> None:
    def gone(_frame_id: str) -> None:
        raise InputError("The picture is gone. Put it back.")

    opened.annotator.pixels = gone  # type: ignore[method-assign, assignment]
    choose(opened.annotate_panel.review.beside, "the suggestion")
    assert opened.status_line.notice.text() == "The picture is gone. Put it back."
    assert opened.canvas.beside.layers == ()


def test_the_order_of_a_session_that_is_opened_again_is_shown(
    make_dock: Callable[..., AdasamDock], opened: AdasamDock, tmp_path: Path, qtbot: Any
) -> None:
    assert opened.annotator.save_as(tmp_path / "session")
    opened.annotator.set_order("random")
    opened.shut_down()
    other = make_dock()
    other.open([tmp_path / "session"])
    wait_idle(other, qtbot)
    assert other.annotate_panel.frame_card.order.currentText() == "at random"


def test_the_rounds_of_a_session_that_is_opened_again_are_shown(
    make_dock: Callable[..., AdasamDock], opened: AdasamDock, tmp_path: Path, qtbot: Any
) -> None:
    assert opened.annotator.save_as(tmp_path / "session")
    opened.commander.run("accept")
    wait_idle(opened, qtbot)
    opened.learn_panel.start.click()
    wait_idle(opened, qtbot)
    before = opened.learn_panel
    opened.shut_down()
    other = make_dock()
    other.open([tmp_path / "session"])
    wait_idle(other, qtbot)
    now = other.learn_panel
    assert now.verdict.text().startswith("Round 1: ")
    assert (now.verdict.text(), now.table.text()) == (before.verdict.text(), before.table.text())
    assert now.dice_plot.values() == before.dice_plot.values()
    assert not now.dice_plot.isHidden()
