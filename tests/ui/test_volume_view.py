"""3D: a volume is looked at, nothing can be changed in it, and one goes back to where one was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from napari.layers import Labels as LabelsLayer
from napari.utils.interactions import mouse_press_callbacks, mouse_release_callbacks
from window_fakes import brush, picture, wait_idle

from napari_adasam.domain.records import Along, Frame, Stack
from napari_adasam.domain.stacks import Spread, StackMeasure, StackReport
from napari_adasam.domain.structures import Structure
from napari_adasam.ui.commands import LOOKING
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.panels.stack_card import measures_words
from napari_adasam.ui.tools import Tool

SLICES = 5


@pytest.fixture
def volume(make_dock: Callable[..., AdasamDock], tmp_path: Path, qtbot: Any) -> AdasamDock:
    """A volume of five slices, the first accepted, the fourth on the screen with the brush in hand."""
    stack = np.stack([picture(shift=number) for number in range(SLICES)])
    image = nibabel.Nifti1Image(stack.transpose(2, 1, 0), np.diag([0.25, 0.5, 2.0, 1]))
    image.header.set_xyzt_units("mm")
    image.to_filename(tmp_path / "knee.nii")
    dock = make_dock(show=True)
    dock.open([tmp_path / "knee.nii"])
    wait_idle(dock, qtbot)
    dock.commander.run("accept")
    wait_idle(dock, qtbot)
    dock.annotator.go_to(dock.annotator.session.frames[3].id)
    wait_idle(dock, qtbot)
    dock.commander.run("brush")
    assert dock.canvas.masks.layer is not None
    brush(dock.canvas.masks.layer, (50, 20))
    wait_idle(dock, qtbot)
    return dock


def in_3d(dock: AdasamDock, qtbot: Any) -> AdasamDock:
    dock.annotate_panel.buttons["volume"].click()
    wait_idle(dock, qtbot)
    assert dock.canvas.volume.shown
    assert dock.hint.text().startswith("<b>In 3D, only to look at:</b>")
    return dock


def state(dock: AdasamDock) -> dict[str, Any]:
    """All that going back must bring back."""
    viewer, session = dock.viewer, dock.annotator.session
    current = session.current or ""
    masks = dock.canvas.masks.layer
    assert masks is not None
    return {
        "frame": current,
        "step": session.step(current),
        "layers": [(layer.name, layer.visible) for layer in viewer.layers],
        "active": viewer.layers.selection.active,
        "camera": (tuple(viewer.scene.camera.center), viewer.scene.camera.zoom, tuple(viewer.scene.camera.angles)),
        "dims": (viewer.dims.ndim, viewer.dims.ndisplay, tuple(viewer.dims.point)),
        "tool": (dock.tools.tool, str(masks.mode), masks.brush_size, masks.selected_label),
        "bar": viewer.canvas.overlays.scale_bar.visible,
        "labels": masks.data.tobytes(),
    }


def test_the_volume_is_shown_with_accepted_and_other_outlines(volume: AdasamDock, qtbot: Any) -> None:
    in_3d(volume, qtbot)
    viewer, session = volume.viewer, volume.annotator.session
    assert viewer.dims.ndisplay == 3
    shown = [layer for layer in viewer.layers if layer.visible]
    assert tuple(shown) == volume.canvas.volume.layers
    image, others, accepted = shown
    assert isinstance(others, LabelsLayer)
    assert isinstance(accepted, LabelsLayer)
    assert tuple(image.scale) == tuple(accepted.scale) == (2.0, 0.5, 0.25)
    for at, frame in enumerate(session.frames):
        layer, other = (accepted, others) if at == 0 else (others, accepted)
        assert np.array_equal(layer.data[at], session.labels(frame.id))
        assert not other.data[at].any()
    assert not accepted.editable
    assert not others.editable
    assert volume.open_panel.isEnabled()


def test_going_back_brings_everything_back(volume: AdasamDock, qtbot: Any) -> None:
    volume.viewer.scene.camera.zoom *= 1.7
    volume.viewer.scene.camera.center = (0.0, 11.0, 7.0)
    before = state(volume)
    assert before["tool"][:2] == (Tool.BRUSH, "paint")
    in_3d(volume, qtbot)
    volume.viewer.scene.camera.angles = (10.0, 20.0, 30.0)
    volume.annotate_panel.buttons["volume"].click()
    wait_idle(volume, qtbot)
    assert not volume.canvas.volume.shown
    assert state(volume) == before
    volume.commander.run("undo")
    assert volume.annotator.session.labels(before["frame"])[50, 20] == 0, "the stroke can still be taken back"
    volume.commander.run("redo")
    assert volume.annotator.session.labels(before["frame"])[50, 20] == 1


def test_nothing_is_changed_in_3d(volume: AdasamDock, qtbot: Any) -> None:
    in_3d(volume, qtbot)
    session = volume.annotator.session
    steps = [session.step(frame.id) for frame in session.frames]
    problems: list[str] = []
    volume.commander.problem.connect(problems.append)
    for name in ("accept", "skip", "undo", "clear_structure", "suggest", "box", "brush"):
        volume.commander.run(name)
        assert problems.pop() == LOOKING
        button = volume.annotate_panel.buttons[name]
        assert not button.isEnabled()
        assert button.toolTip() == LOOKING
    assert volume.annotate_panel.buttons["volume"].isEnabled()
    volume.tools.tool = Tool.POINT
    event = type("Press", (), {"position": (2.0, 10.0, 10.0), "pos": (50, 50), "button": 1, "modifiers": ()})()
    event.type, event.handled = "mouse_press", False
    mouse_press_callbacks(volume.viewer, event)
    event.type = "mouse_release"
    mouse_release_callbacks(volume.viewer, event)
    wait_idle(volume, qtbot)
    assert [session.step(frame.id) for frame in session.frames] == steps


def test_going_to_another_frame_ends_3d(volume: AdasamDock, qtbot: Any) -> None:
    before = [layer.name for layer in volume.viewer.layers]
    in_3d(volume, qtbot)
    volume.commander.run("next_frame")
    wait_idle(volume, qtbot)
    assert volume.viewer.dims.ndisplay == 2
    assert [layer.name for layer in volume.viewer.layers] == before
    assert volume.annotator.session.current == volume.annotator.session.frames[4].id
    assert all(layer.visible for layer in volume.canvas.layers())


def test_a_volume_whose_layer_is_deleted_goes_away(volume: AdasamDock, qtbot: Any) -> None:
    in_3d(volume, qtbot)
    volume.viewer.layers.remove(volume.canvas.volume.layers[1])
    assert not volume.canvas.volume.shown
    assert volume.viewer.dims.ndisplay == 2
    assert all(layer.visible for layer in volume.canvas.layers())


def test_naparis_own_button_for_2d_leads_back_too(volume: AdasamDock, qtbot: Any) -> None:
    before = state(volume)
    in_3d(volume, qtbot)
    volume.viewer.dims.ndisplay = 2
    qtbot.wait_until(lambda: not volume.canvas.volume.shown)
    assert state(volume) == before
    in_3d(volume, qtbot)
    volume.marking.show_sector(True)
    assert not volume.canvas.volume.shown


def test_figures_are_shown_for_the_file_and_say_when_they_are_old(volume: AdasamDock, qtbot: Any) -> None:
    panel, card = volume.annotate_panel, volume.annotate_panel.stack
    assert not card.isVisibleTo(panel)
    volume.commander.run("measure_stack")
    wait_idle(volume, qtbot)
    assert card.isVisibleTo(panel)
    assert "1 of 5 frames, accepted" in card.figures.text()
    assert volume.annotator.session.structures[0].name in card.figures.text(), "not by its colour alone"
    assert "Slice 0001 in or beside it is not accepted." in card.figures.text()
    assert not card.stale.isVisibleTo(card)
    volume.commander.run("accept")  # slice 3
    wait_idle(volume, qtbot)
    assert card.stale.isVisibleTo(card)
    for at in (1, 2, 4):
        volume.annotator.go_to(volume.annotator.session.frames[at].id)
        wait_idle(volume, qtbot)
        volume.commander.run("accept")
    volume.commander.run("measure_stack")
    wait_idle(volume, qtbot)
    assert not card.stale.isVisibleTo(card)
    session = volume.annotator.session
    pixels = sum(int((session.labels(frame.id) == 1).sum()) for frame in session.frames)
    assert f"<b>{pixels * 0.25:.4g} mm³</b>" in card.figures.text()
    assert len(card.plot.curves[0].points) == SLICES
    assert card.plot.grab().toImage().width() > 100


def test_figures_have_the_names_that_structures_have_now(volume: AdasamDock, qtbot: Any) -> None:
    volume.commander.run("measure_stack")
    wait_idle(volume, qtbot)
    first, *others = volume.annotator.session.structures
    volume.annotator.set_structures((first.renamed("rectus femoris"), *others))
    wait_idle(volume, qtbot)
    figures = volume.annotate_panel.stack.figures.text()
    assert "rectus femoris" in figures
    assert first.name not in figures


def test_the_size_of_a_brush_that_cannot_be_used_is_greyed(volume: AdasamDock, qtbot: Any) -> None:
    slider = volume.annotate_panel.brush_size
    assert slider.isEnabled()
    seen = slider.grab().toImage()
    in_3d(volume, qtbot)
    assert not slider.isEnabled()
    assert not volume.annotate_panel.brush_words.isEnabled()
    assert slider.grab().toImage() != seen, "it is seen, too"
    assert slider.toolTip() == LOOKING
    volume.commander.run("volume")
    assert slider.isEnabled()


def test_the_distance_of_two_parts_is_not_called_the_thickness_of_a_structure() -> None:
    frame = Frame("c-0", "cine.tif", 0, 64, 64, "cine_0000", stack=Stack(2, Along.TIME))
    spread = Spread(18.4, 19.0, frame, 17.7, frame, "mm")
    structures = (Structure(1, "muscle belly"), Structure(2, "aponeurosis", several_parts=True))
    found = [StackMeasure(s.value, 0, "accepted", 2, 2, 2, None, "", spread) for s in structures]
    words = measures_words(StackReport(frame, frozenset(), "time, s", tuple(found), ()), structures)
    belly, aponeurosis = words.split("</tr>")[:2]
    assert "muscle belly<br>thickness 18.4 mm" in belly
    assert "aponeurosis<br>between its parts 18.4 mm" in aponeurosis
