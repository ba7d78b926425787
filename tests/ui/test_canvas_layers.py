"""The layers are a projection of the session: aligned, re-made when lost, never mistaken for strokes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from napari_adasam.domain.records import FrameStatus
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.tools import Tool

from window_fakes import BRIGHT, brush, picture, wait_idle  # isort: skip


def current(dock: AdasamDock) -> str:
    frame_id = dock.annotator.session.current
    assert frame_id is not None
    return frame_id


def test_the_map_of_a_planted_bright_region_lies_on_it_to_the_pixel(
    dock: AdasamDock, scaled_image: Path, qtbot: Any
) -> None:
    dock.open([scaled_image])
    wait_idle(dock, qtbot)
    image, cam = dock.canvas.image, dock.canvas.maps.layers[1]
    assert image is not None
    assert cam.data.shape == image.data.shape
    np.testing.assert_array_equal(cam.data > 0.5, image.data >= BRIGHT)
    for layer in dock.canvas.layers():
        np.testing.assert_allclose(layer.scale, (0.25, 0.25))
        assert [str(unit) for unit in layer.units] == ["millimeter", "millimeter"]
        np.testing.assert_allclose(layer.data_to_world((20, 30)), image.data_to_world((20, 30)))


def test_maps_are_faint_additive_and_in_the_colour_of_their_structure(opened: AdasamDock) -> None:
    layer = opened.canvas.maps.layers[2]
    assert layer.opacity == pytest.approx(0.35)
    assert layer.blending == "additive"
    top = np.asarray(layer.colormap.map(np.array([1.0])))[0, :3]
    colour = opened.annotator.session.structures[1].color
    np.testing.assert_allclose(top * 255, [int(colour[at : at + 2], 16) for at in (1, 3, 5)], atol=1)


def test_a_suggestion_is_shown_and_is_no_stroke(opened: AdasamDock) -> None:
    session, frame_id = opened.annotator.session, current(opened)
    assert session.status(frame_id) is FrameStatus.SUGGESTED
    layer = opened.canvas.masks.layer
    assert layer is not None
    np.testing.assert_array_equal(layer.data, session.labels(frame_id))
    assert set(np.unique(layer.data)) == {0, 1, 2}
    assert session.touched(frame_id) == frozenset()


def test_a_suggestion_is_one_step_of_naparis_own_history(opened: AdasamDock) -> None:
    layer = opened.canvas.masks.layer
    assert layer is not None
    before = layer.data.copy()
    opened.canvas.masks.write(np.where(before == 1, 2, 0).astype(np.uint8))
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)


def test_a_stroke_reaches_the_session_as_one_undo_step(opened: AdasamDock) -> None:
    session, frame_id = opened.annotator.session, current(opened)
    layer = opened.canvas.masks.layer
    assert layer is not None
    before = session.labels(frame_id).copy()
    with layer.block_history():  # as napari's own brush does
        layer.paint((50, 10), 1)
        layer.paint((50, 14), 1)
    assert session.labels(frame_id)[50, 12] == 1
    assert session.status(frame_id) is FrameStatus.CORRECTED
    opened.commander.run("undo")
    np.testing.assert_array_equal(session.labels(frame_id), before)
    np.testing.assert_array_equal(layer.data, before)
    opened.commander.run("redo")
    assert session.labels(frame_id)[50, 12] == 1
    assert layer.data[50, 12] == 1


def test_a_stroke_takes_pixels_that_are_only_suggested_for_another_structure(opened: AdasamDock) -> None:
    layer = opened.canvas.masks.layer
    assert layer is not None
    opened.tools.choose(Tool.BRUSH)
    opened.tools.choose_structure(2)
    assert layer.data[30, 40] == 1
    brush(layer, (30, 40), layer.selected_label)
    assert layer.data[30, 40] == 2
    assert opened.annotator.session.labels(current(opened))[30, 40] == 2


def test_a_stroke_does_not_take_pixels_that_are_outlined_by_hand_as_another_structure(opened: AdasamDock) -> None:
    layer = opened.canvas.masks.layer
    assert layer is not None
    said: list[str] = []
    opened.annotator.problem.connect(said.append)
    opened.tools.choose(Tool.BRUSH)
    brush(layer, (55, 40), 1)
    opened.tools.choose_structure(2)
    brush(layer, (30, 40), layer.selected_label)
    assert layer.data[30, 40] == 1, "the screen shows what stayed"
    assert opened.annotator.session.labels(current(opened))[30, 40] == 1
    assert [one.partition(".")[0] for one in said] == ["What is outlined by hand or accepted as “muscle belly” stays"]


def test_the_eraser_takes_the_chosen_structure_only(opened: AdasamDock) -> None:
    layer = opened.canvas.masks.layer
    assert layer is not None
    opened.tools.choose_structure(2)
    opened.tools.choose(Tool.ERASER)
    brush(layer, (30, 40), 0)
    assert layer.data[30, 40] == 1
    opened.tools.choose_structure(1)
    brush(layer, (30, 40), 0)
    assert layer.data[30, 40] == 0


def test_a_polygon_of_naparis_own_tool_is_a_stroke_too(opened: AdasamDock, qtbot: Any) -> None:
    layer, session = opened.canvas.masks.layer, opened.annotator.session
    assert layer is not None
    before = session.labels(current(opened)).copy()
    layer.paint_polygon([[48, 8], [48, 20], [56, 20], [56, 8]], 1)
    qtbot.wait_until(lambda: session.labels(current(opened))[52, 14] == 1)
    opened.commander.run("undo")
    np.testing.assert_array_equal(session.labels(current(opened)), before)


def test_a_renamed_layer_still_works(opened: AdasamDock) -> None:
    layer = opened.canvas.masks.layer
    assert layer is not None
    layer.name = "something else"
    for other in opened.canvas.layers():
        other.name = "x"
    brush(layer, (50, 10))
    assert opened.annotator.session.labels(current(opened))[50, 10] == 1
    opened.commander.run("accept")
    assert len(opened.annotator.session.annotations) == 1


def test_a_deleted_layer_comes_back_in_its_place_with_a_message(opened: AdasamDock, qtbot: Any) -> None:
    canvas, viewer, session = opened.canvas, opened.viewer, opened.annotator.session
    order = list(viewer.layers)
    for layer, x in zip(canvas.layers(), (5, 20, 35, 50, 65, 75), strict=True):
        viewer.layers.remove(layer)
        qtbot.wait_until(lambda: list(viewer.layers) == order)
        assert opened.status_line.notice.text().startswith(f"“{layer.name}” was deleted and is back")
        assert viewer.layers.selection.active is canvas.masks.layer, layer
        assert session.labels(current(opened))[55, x] == 0
        brush(canvas.masks.layer, (55, x))
        assert session.labels(current(opened))[55, x] == 1, layer


def test_layers_that_are_deleted_together_are_told_of_together(opened: AdasamDock, qtbot: Any) -> None:
    ours = opened.canvas.layers()
    opened.viewer.layers.clear()
    qtbot.wait_until(lambda: list(opened.viewer.layers) == ours)
    assert opened.status_line.notice.text().startswith(f"{len(ours)} layers were deleted and are back")


def test_colour_and_grey_images_follow_each_other(dock: AdasamDock, tmp_path: Path, qtbot: Any) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    Picture.fromarray(picture()).save(folder / "a.png")
    Picture.fromarray(np.dstack([picture(50, 70)] * 3)).save(folder / "b.png")
    Picture.fromarray(picture(90, 100)).save(folder / "c.png")
    dock.open([folder])
    for frame in dock.annotator.session.frames:
        dock.annotator.go_to(frame.id)
        wait_idle(dock, qtbot)
        image, masks = dock.canvas.image, dock.canvas.masks.layer
        assert image is not None
        assert masks is not None
        assert image.data.shape[:2] == masks.data.shape == (frame.height, frame.width)
        assert dock.viewer.layers[0] is image
        assert len(dock.viewer.layers) == 6


def test_scale_bar_and_badge(dock: AdasamDock, scaled_image: Path, images: Path, qtbot: Any) -> None:
    dock.open([scaled_image])
    wait_idle(dock, qtbot)
    assert dock.viewer.canvas.overlays.scale_bar.visible
    assert "0.250 mm" in dock.annotate_panel.frame_card.scale.text()
    dock.open([images])
    wait_idle(dock, qtbot)
    dock.annotator.go_to(dock.annotator.session.frames[1].id)
    wait_idle(dock, qtbot)
    assert not dock.viewer.canvas.overlays.scale_bar.visible
    assert dock.annotate_panel.frame_card.scale.text() == "pixels only"


def test_maps_and_their_prompts_hide_together(opened: AdasamDock) -> None:
    canvas = opened.canvas
    assert canvas.prompts.boxes is not None
    assert len(canvas.prompts.boxes.data) == 2
    opened.commander.run("maps")
    assert not any(layer.visible for layer in canvas.maps.layers.values())
    assert len(canvas.prompts.boxes.data) == 0
    opened.commander.run("maps")
    assert all(layer.visible for layer in canvas.maps.layers.values())
    assert len(canvas.prompts.boxes.data) == 2


def test_a_new_structure_gets_its_map(opened: AdasamDock, qtbot: Any) -> None:
    opened.structures_panel.add.click()
    wait_idle(opened, qtbot)
    assert set(opened.canvas.maps.layers) == {1, 2, 3}
    assert opened.canvas.maps.layers[3] in opened.viewer.layers
    assert opened.viewer.layers.index(opened.canvas.maps.layers[3]) < opened.viewer.layers.index(
        opened.canvas.masks.layer
    )
