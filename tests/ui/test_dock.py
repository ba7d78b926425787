"""The dock as a whole: what it shows, what it refuses, what it leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from npe2 import PluginManifest
from qtpy.QtWidgets import QPushButton

import napari_adasam
from napari_adasam.domain.effort import ModelSize, Speeds
from napari_adasam.domain.prompts import Point
from napari_adasam.domain.records import FrameStatus
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.reader import get_reader

from window_fakes import BrightnessPredictor, CountingTrainer, brush, wait_idle  # isort: skip


def test_the_whole_job_in_a_window(
    make_dock: Callable[..., AdasamDock], images: Path, tmp_path: Path, qtbot: Any, predictor: BrightnessPredictor
) -> None:
    dock = make_dock(show=True)
    session = dock.annotator.session
    dock.open([images])
    wait_idle(dock, qtbot)
    first = session.current
    assert session.status(first) is FrameStatus.SUGGESTED
    dock.annotator.click(Point(50.0, 20.0), 1)
    wait_idle(dock, qtbot)
    dock.annotate_panel.buttons["brush"].click()
    brush(dock.canvas.masks.layer, (52, 60))
    labels = session.labels(first).copy()
    dock.annotate_panel.buttons["accept"].click()
    wait_idle(dock, qtbot)
    assert session.status(first) is FrameStatus.ACCEPTED
    np.testing.assert_array_equal(session.annotations[first].labels, labels)
    assert session.current != first
    dock.learn_panel.start.click()
    wait_idle(dock, qtbot)
    assert predictor.version == 1
    assert "serves now" in dock.learn_panel.verdict.text()
    assert "0.50 → <b>0.75</b>" in dock.learn_panel.table.text()
    assert len(dock.learn_panel.loss_plot.values()[0]) == 10
    out = tmp_path / "out"
    dock.export_panel.folder.setText(str(out))
    dock.export_panel.export.click()
    wait_idle(dock, qtbot)
    assert (out / "measurements.csv").exists()
    assert str(len([path for path in out.rglob("*") if path.is_file()])) in dock.export_panel.done.text()


def test_what_is_not_possible_yet_is_greyed_with_a_visible_reason(dock: AdasamDock) -> None:
    buttons = (*dock.annotate_panel.buttons.values(), dock.learn_panel.start, dock.export_panel.export)
    for button in buttons:
        assert not button.isEnabled()
        assert button.toolTip().endswith(".")
    for label in (dock.annotate_panel.reason, dock.learn_panel.reason, dock.export_panel.reason):
        assert not label.isHidden()
        assert label.text()


def test_reasons_go_when_things_become_possible(opened: AdasamDock, qtbot: Any) -> None:
    assert opened.annotate_panel.buttons["accept"].isEnabled()
    assert opened.annotate_panel.reason.isHidden()
    opened.commander.run("accept")
    wait_idle(opened, qtbot)
    assert opened.learn_panel.start.isEnabled()
    assert opened.learn_panel.reason.isHidden()
    assert opened.export_panel.export.isEnabled()


def test_the_frames_state_is_in_words(opened: AdasamDock, qtbot: Any) -> None:
    card = opened.annotate_panel.frame_card
    assert card.status.text() == "suggested"
    assert card.place.text() == "No. 1 of 4 to do"
    assert opened.sections["annotate"].header.text().endswith("0 of 4 done")
    assert card.why.text().startswith("Why this one: ")
    first = opened.annotator.session.current
    opened.commander.run("accept")
    wait_idle(opened, qtbot)
    assert card.place.text() == "No. 1 of 3 to do"
    assert opened.sections["annotate"].header.text().endswith("1 of 4 done")
    assert "accepted" in card.chosen.itemText(card.chosen.findData(first))


def test_presence_is_shown_and_overruled_by_a_tick(opened: AdasamDock) -> None:
    rows, session = opened.annotate_panel.structures, opened.annotator.session
    assert rows.presence[1].text() == "present: 94 %"
    assert rows.ticks[1].isChecked()
    rows.ticks[1].click()
    assert session.ticks(session.current)[1] is False
    assert rows.presence[1].text() == "not there (you)"
    opened.commander.run("undo")
    assert rows.presence[1].text() == "present: 94 %"


def test_structures_are_named_added_and_removed(opened: AdasamDock, qtbot: Any) -> None:
    panel, session = opened.structures_panel, opened.annotator.session
    panel.names[1].setText("rectus femoris")
    panel.names[1].editingFinished.emit()
    assert session.structures[0].name == "rectus femoris"
    assert opened.annotate_panel.structures.choices[1].text() == "rectus femoris"
    panel.names[1].setText("   ")
    panel.names[1].editingFinished.emit()
    assert panel.names[1].text() == "rectus femoris"
    panel.several[1].click()
    assert session.structures[0].several_parts
    panel.add.click()
    assert [one.value for one in session.structures] == [1, 2, 3]
    panel._remove(2)
    assert [one.value for one in session.structures] == [1, 3]


def test_a_structure_is_added_whatever_the_others_are_called(opened: AdasamDock) -> None:
    panel = opened.structures_panel
    panel.names[2].setText("Structure 3")
    panel.names[2].editingFinished.emit()
    panel.add.click()
    found = opened.annotator.session.structures
    assert [(one.value, one.name) for one in found[1:]] == [(2, "Structure 3"), (3, "structure 4")]


def test_a_broken_file_is_a_sentence_and_the_rest_is_read(dock: AdasamDock, images: Path, qtbot: Any) -> None:
    (images / "broken.png").write_bytes(b"\x89PNG no more")
    dock.open([images])
    wait_idle(dock, qtbot)
    assert len(dock.annotator.session.frames) == 4
    assert "broken.png" in dock.status_line.notice.text()
    assert not dock.status_line.notice.isHidden()
    assert not dock.status_line._again.isActive(), "what has happened stays until it is closed"


def test_a_refusal_goes_when_its_reason_has_gone(opened: AdasamDock, qtbot: Any) -> None:
    line = opened.status_line
    opened.commander.run("redo")
    assert line.notice.text() == "There is nothing to do again on this image."
    assert line._again.isActive()
    line._look_again()
    assert not line.notice.isHidden(), "it is so still"
    opened.commander.run("undo")
    line._look_again()
    assert line.notice.isHidden()
    assert not line._again.isActive()


def test_the_status_line_tells_of_a_round_and_stops_it(
    opened: AdasamDock, trainer: CountingTrainer, predictor: BrightnessPredictor, qtbot: Any
) -> None:
    opened.commander.run("accept")
    wait_idle(opened, qtbot)
    trainer.hold = threading.Event()
    opened.learn_panel.start.click()
    qtbot.wait_until(lambda: any(opened.learn_panel.loss_plot.values()))
    assert opened.status_line.stop.isEnabled()
    assert opened.learn_panel.progress.text().startswith("Learning: step 1 of 10")
    opened.status_line.stop.click()
    trainer.hold.set()
    wait_idle(opened, qtbot)
    assert predictor.version == 0
    assert not opened.status_line.stop.isEnabled()


def test_before_a_round_the_panel_says_what_it_takes(opened: AdasamDock, qtbot: Any) -> None:
    panel, watch = opened.learn_panel, opened.annotator.watch
    opened.commander.run("accept")
    wait_idle(opened, qtbot)
    assert panel.estimate.isHidden(), "nothing is known of this computer's speed"
    watch.size, watch.speeds = ModelSize(40_000_000, 512), Speeds.guessed(0.55)
    panel.refresh()
    assert not panel.estimate.isHidden()
    # in encodings of 0.55 s: 80 labelled views at 2.06, 28 unlabelled ones at 2.1, 8 views of 3 frames, 8 for the start
    assert panel.estimate.text() == "A round takes about 2 min and 0.8 GB of memory."


def test_a_round_is_paused_and_goes_on_by_one_button(
    opened: AdasamDock, trainer: CountingTrainer, predictor: BrightnessPredictor, qtbot: Any
) -> None:
    opened.commander.run("accept")
    wait_idle(opened, qtbot)
    panel = opened.learn_panel
    assert panel.pause.isHidden()
    trainer.hold = threading.Event()
    panel.start.click()
    qtbot.wait_until(lambda: any(panel.loss_plot.values()))
    assert (panel.pause.isHidden(), panel.pause.text()) == (False, "Pause")
    assert not panel.model.choice.isEnabled()
    assert panel.model.choice.toolTip().startswith("A round is under way")
    panel.pause.click()
    trainer.hold.set()
    assert panel.pause.text() == "Go on"
    assert "paused" in panel.progress.text()
    assert "paused" in opened.status_line.text.text()
    panel.pause.click()
    assert panel.pause.text() == "Pause"
    wait_idle(opened, qtbot)
    assert panel.pause.isHidden()
    assert panel.model.choice.isEnabled()
    assert predictor.version == 1


def test_going_back_to_the_earlier_model(opened: AdasamDock, predictor: BrightnessPredictor, qtbot: Any) -> None:
    opened.commander.run("accept")
    wait_idle(opened, qtbot)
    assert not opened.learn_panel.earlier.isEnabled()
    opened.learn_panel.start.click()
    wait_idle(opened, qtbot)
    assert opened.learn_panel.earlier.isEnabled()
    opened.learn_panel.earlier.click()
    wait_idle(opened, qtbot)
    assert predictor.version == 0


def test_two_viewers_are_two_sessions(make_dock: Callable[..., AdasamDock], images: Path, qtbot: Any) -> None:
    one, other = make_dock(), make_dock()
    one.open([images])
    wait_idle(one, qtbot)
    assert len(one.viewer.layers) == 6
    assert len(other.viewer.layers) == 0
    assert other.annotator.session.frames == ()


FOR_CLIPS = (
    "propagate",
    "measure_stack",
    "volume",
    "skip_file",
    "frame_before",
    "next_frame",
    "item_before",
    "next_item",
)


def test_the_dock_fits_a_small_laptop(make_dock: Callable[..., AdasamDock], images: Path, qtbot: Any) -> None:
    dock = make_dock(show=True)
    dock.viewer.window.set_geometry(0, 0, 1366, 768)
    dock.open([images])
    wait_idle(dock, qtbot)
    qtbot.wait(100)
    assert dock.width() <= 360
    assert dock.height() <= 740
    for hidden in ("reopen", "skip"):  # the two share a place
        buttons = dock.annotate_panel.findChildren(QPushButton)
        shown = [button for button in buttons if button.isVisible()]
        away = [dock.annotate_panel.buttons[name] for name in (hidden, *FOR_CLIPS)]
        assert {button.text() for button in buttons if button not in shown} == {button.text() for button in away}
        for button in shown:
            assert button.fontMetrics().horizontalAdvance(button.text()) <= button.width(), button.text()
            assert button.mapTo(dock, button.rect().topRight()).x() < dock.width()
        dock.commander.run("skip")
        dock.commander.run("back")
        wait_idle(dock, qtbot)
        qtbot.wait(100)


def test_destroying_the_dock_closes_the_annotator(opened: AdasamDock, qtbot: Any) -> None:
    closed = []
    opened._closing.callback(closed.append, True)
    opened.setParent(None)
    opened.deleteLater()
    qtbot.wait_until(lambda: closed == [True])


def test_images_opened_in_napari_are_offered(dock: AdasamDock, images: Path, qtbot: Any) -> None:
    dock.viewer.open(str(images / "scan_0.png"), plugin="napari")
    assert not dock.open_panel.take.isHidden()
    dock.open_panel.take.click()
    wait_idle(dock, qtbot)
    assert [frame.stem for frame in dock.annotator.session.frames] == ["scan_0"]
    assert dock.open_panel.take.isHidden()


def test_the_reader_is_in_millimetres(scaled_image: Path, tmp_path: Path) -> None:
    read = get_reader(str(scaled_image))
    assert read is not None
    [(data, arguments, kind)] = read(str(scaled_image))
    assert kind == "image"
    assert data.shape == (60, 80)
    assert arguments["scale"] == pytest.approx((0.25, 0.25))
    assert get_reader(str(tmp_path / "not there.png")) is None


def test_the_manifest_names_things_that_exist() -> None:
    manifest = PluginManifest.from_file(Path(napari_adasam.__file__).with_name("napari.yaml"))
    manifest.validate_imports()
    assert manifest.contributions.widgets
    assert manifest.contributions.readers
    assert manifest.contributions.sample_data


def test_the_model_is_loaded_behind_a_dock_that_is_shown(make_dock: Callable[..., AdasamDock], qtbot: Any) -> None:
    hidden, dock = make_dock(), make_dock(show=True)
    qtbot.waitUntil(lambda: dock.annotator.model is not None, timeout=10_000)
    assert hidden.annotator.model is None
    assert not hidden.annotator.busy


def test_a_dock_that_is_closed_at_once_loads_nothing(make_dock: Callable[..., AdasamDock], qtbot: Any) -> None:
    dock = make_dock(show=True)
    dock.shut_down()
    assert not dock._warm_up.isActive()


NO_TORCH = """
import sys
import napari
from napari_adasam.ui.dock import AdasamDock
viewer = napari.Viewer(show=False)
dock = AdasamDock(viewer)
viewer.window.add_dock_widget(dock)
assert not [name for name in sys.modules if name.split('.')[0] in ('torch', 'torchvision', 'timm')]
dock.shut_down()
viewer.close()
print('no torch')
"""


def test_opening_the_dock_imports_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_TORCH], capture_output=True, text=True, timeout=120, env=dict(os.environ), check=False
    )
    assert done.stdout.strip() == "no torch", done.stderr[-2000:]
