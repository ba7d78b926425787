"""Among layers of somebody's own, and under napari's own tools: the screen shows what is kept, and keys mean ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from napari.components.layerlist import LayerList
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_adasam.domain.prompts import Point
from napari_adasam.ui.commands import POLYGON
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.shortcuts import NOT_OURS
from napari_adasam.ui.theme import colors_of, text_on

from real_mouse import RealMouse  # isort: skip
from window_fakes import wait_idle  # isort: skip

PATH = [(50.0, 10.0), (50.0, 15.0), (50.0, 20.0)]
CORNERS = [(48.0, 10.0), (48.0, 30.0), (57.0, 30.0)]


def labels(dock: AdasamDock) -> Any:
    session = dock.annotator.session
    return np.array(session.labels(session.current or ""))


def prompts(dock: AdasamDock) -> Any:
    session = dock.annotator.session
    return session.prompts(session.current or "", 1)


def press(dock: AdasamDock, key: Any) -> None:
    QTest.keyClick(RealMouse(dock).canvas, key)
    QApplication.processEvents()  # napari tells of a polygon before it has filled it


def test_the_brush_paints_whichever_of_our_layers_are_chosen_or_none(shown: AdasamDock) -> None:
    shown.commander.run("brush")
    selection = shown.viewer.layers.selection
    for chosen, row in ((set(), 50.0), (set(shown.canvas.layers()), 55.0)):
        selection.clear()
        selection.update(chosen)
        before = labels(shown)
        RealMouse(shown).drag([(row, x) for _, x in PATH])
        assert (labels(shown) != before).sum() > 10
    own = shown.viewer.add_points(ndim=2)
    selection.update({own, shown.canvas.image})
    before = labels(shown)
    RealMouse(shown).drag([(58.0, x) for _, x in PATH])
    np.testing.assert_array_equal(labels(shown), before)


def test_a_polygon_that_is_begun_is_filled_where_it_was_begun_or_not_at_all(shown: AdasamDock, qtbot: Any) -> None:
    session, masks, mouse = shown.annotator.session, shown.canvas.masks, RealMouse(shown)
    first, before = session.current, labels(shown)
    masks.layer.mode = "polygon"
    for corner in CORNERS:
        mouse.click(corner)
    shown.commander.run("accept")
    assert session.current == first
    assert shown.status_line.notice.text() == POLYGON
    press(shown, Qt.Key.Key_Return)
    assert (labels(shown) != before).sum() > 50
    shown.commander.run("accept")
    wait_idle(shown, qtbot)
    assert session.current != first
    for corner in CORNERS:
        mouse.click(corner)
    shown.annotator.next()  # by a script, or by what arrives
    wait_idle(shown, qtbot)
    before = labels(shown)
    press(shown, Qt.Key.Key_Return)
    np.testing.assert_array_equal(labels(shown), before)


def test_a_volume_of_her_own_that_is_rolled_does_not_take_the_image_away(shown: AdasamDock, qtbot: Any) -> None:
    shown.viewer.add_image(np.zeros((3, 40, 50)), name="hers")
    dims, before = shown.viewer.dims, labels(shown)
    dims.roll()
    assert set(dims.displayed) == {1, 2}
    assert "another window" in shown.status_line.notice.text()
    shown.commander.run("point")
    RealMouse(shown).click((50, 12))
    wait_idle(shown, qtbot)
    [point] = prompts(shown)[0]
    np.testing.assert_allclose((point.y, point.x), (50, 12), atol=0.6)
    dims.ndisplay = 3
    dims.order = (2, 0, 1)
    dims.ndisplay = 2
    assert set(dims.displayed) == {1, 2}
    assert not (labels(shown) != before)[:, :3].any()


def test_the_image_may_be_transposed_and_clicks_land_on_it(shown: AdasamDock, qtbot: Any) -> None:
    shown.viewer.dims.transpose()
    assert shown.viewer.dims.displayed == (1, 0)
    camera, canvas = shown.viewer.scene.camera, RealMouse(shown).canvas
    shown.commander.run("point")
    middle = canvas.rect().center()
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=middle)
    wait_idle(shown, qtbot)
    [point] = prompts(shown)[0]
    np.testing.assert_allclose((point.x, point.y), camera.center[-2:], atol=1.0)


def test_prompts_on_the_screen_cannot_be_dragged_away(shown: AdasamDock, qtbot: Any) -> None:
    mouse, drawn = RealMouse(shown), shown.canvas.prompts
    shown.annotator.click(Point(50.0, 20.0), 1)
    shown.annotator.box((10.0, 10.0, 40.0, 60.0), 1)
    wait_idle(shown, qtbot)
    shown.marking.show_sector(True)
    for layer, at in ((drawn.points, (50.0, 20.0)), (drawn.boxes, (25.0, 30.0)), (shown.marking.layer, (0.0, 30.0))):
        assert layer is not None
        before = [np.array(one) for one in layer.data]
        for mode in ("select", "direct", "add", "add_rectangle"):
            if mode in {str(one) for one in layer._modeclass}:
                shown.viewer.layers.selection.active = layer
                layer.mode = mode
                mouse.drag([at, (at[0] + 3, at[1] + 5), (at[0] + 5, at[1] + 10)])
        assert len(layer.data) == len(before)
        for one, other in zip(layer.data, before, strict=True):
            np.testing.assert_array_equal(one, other)


def test_colours_mean_structures_whatever_shuffles_them(opened: AdasamDock) -> None:
    layer = opened.canvas.masks.layer
    assert layer is not None
    colors = [tuple(layer.get_color(one.value)) for one in opened.annotator.session.structures]
    layer.new_colormap()
    assert [tuple(layer.get_color(one.value)) for one in opened.annotator.session.structures] == colors


def test_a_map_stays_as_it_was_set_when_structures_change(opened: AdasamDock, qtbot: Any) -> None:
    maps, annotator, viewer = opened.canvas.maps, opened.annotator, opened.viewer
    one, other = annotator.session.structures[:2]
    maps.layers[one.value].opacity = 0.8
    kept = maps.layers[one.value]
    annotator.set_structures((replace(one, name="vastus"), other))
    assert maps.layers[one.value] is kept
    assert (kept.opacity, kept.name) == (0.8, "Map: vastus")
    opened.structures_panel.add.click()
    wait_idle(opened, qtbot)
    assert maps.layers[one.value] is kept
    gone = maps.layers[other.value]
    annotator.set_structures((annotator.session.structures[0],))
    assert gone not in viewer.layers
    assert list(viewer.layers) == opened.canvas.layers()


def test_what_napari_makes_of_the_outlines_shares_no_pixels_with_them(opened: AdasamDock, qtbot: Any) -> None:
    layer, viewer, before = opened.canvas.masks.layer, opened.viewer, labels(opened)
    assert layer is not None
    pixels = layer.data
    viewer.layers.remove(layer)  # as "convert to image" does, and "convert to labels" after it
    own = viewer.add_labels(pixels)
    qtbot.wait_until(lambda: layer in viewer.layers)
    own.paint((50, 10), 1)
    assert own.data[50, 10] == 1
    np.testing.assert_array_equal(layer.data, before)


def test_our_keys_work_in_what_is_beside_and_in_marks(shown: AdasamDock, qtbot: Any) -> None:
    session, review = shown.annotator.session, shown.annotate_panel.review
    shown.marking.show_sector(True)
    review.beside.setCurrentIndex(1)
    review.beside.activated.emit(1)
    for active in (*shown.canvas.beside.layers, shown.marking.layer):
        shown.viewer.layers.selection.active = active
        press(shown, Qt.Key.Key_F)
        assert shown.tools.tool == "point", active
        shown.viewer.layers.selection.active = active
        press(shown, Qt.Key.Key_E)
        assert shown.tools.tool == "eraser", active
        assert active.mode == "pan_zoom"
    first = session.current
    shown.viewer.layers.selection.active = shown.canvas.beside.layers[1]
    press(shown, Qt.Key.Key_X)
    assert session.current != first
    wait_idle(shown, qtbot)


def test_delete_in_a_layer_of_her_own_wipes_no_outline(shown: AdasamDock) -> None:
    before = labels(shown)
    own = shown.viewer.add_image(np.zeros((60, 80)), name="Ultrasound")
    press(shown, Qt.Key.Key_Delete)
    np.testing.assert_array_equal(labels(shown), before)
    assert shown.status_line.notice.text() == NOT_OURS.format(own.name)
    shown.canvas.activate()
    press(shown, Qt.Key.Key_Delete)
    assert not (labels(shown) == 1).any()


def test_keys_that_somebody_had_bound_come_back_when_the_dock_is_closed(
    make_napari_viewer: Callable[..., Any], make_dock: Callable[..., AdasamDock]
) -> None:
    dock = make_dock()
    dock.keys.close()
    told: list[str] = []
    dock.viewer.bind_key("A", lambda _viewer: told.append("a"))
    before = dict(dock.viewer.keymap)
    again = type(dock.keys)(dock.viewer, dock.commander, dock)
    assert dict(dock.viewer.keymap) != before
    again.close()
    assert dict(dock.viewer.keymap) == before


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_words_on_a_pressed_button_can_be_read(theme: str) -> None:
    colors = colors_of(theme)
    parts = [int(part) / 255 for part in colors.current[4:-1].split(",")]
    light = sum(
        share * (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)
        for share, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True)
    )
    contrast = 1.05 / (light + 0.05) if colors.on_current == "white" else (light + 0.05) / 0.05
    assert contrast > 4.5
    assert (text_on("rgb(0, 0, 0)"), text_on("rgb(255, 255, 255)")) == ("white", "black")


def test_a_picture_over_the_outlines_is_told_of_until_it_is_not(opened: AdasamDock) -> None:
    layers, before = opened.viewer.layers, opened.hint.text()
    image = opened.canvas.image
    assert image is not None
    layers.move(layers.index(image), len(layers))
    assert "A picture lies over the outlines" in opened.hint.text()
    layers.move(layers.index(image), 0)
    assert opened.hint.text() == before
    own = opened.viewer.add_image(np.zeros((60, 80), np.uint8))
    assert "A picture lies over the outlines" in opened.hint.text()
    layers.remove(own)
    assert opened.hint.text() == before
    for harmless in ({"opacity": 0.4}, {"blending": "additive"}, {"translate": (0, 100)}, {"visible": False}):
        opened.viewer.add_image(np.zeros((60, 80), np.uint8), **harmless)
        assert opened.hint.text() == before, harmless


def test_a_look_at_what_covers_the_outlines_makes_no_list_of_layers(
    opened: AdasamDock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slice of napari's list is a new list with all events of its layers: 20 ms at every click."""

    def made(self: object, data: object) -> None:
        raise AssertionError("a list of layers was made")

    monkeypatch.setattr(LayerList, "__newlike__", made)
    assert opened.tools.looking == "flat"


def test_layers_side_by_side_are_told_of(opened: AdasamDock) -> None:
    before, grid = opened.hint.text(), opened.viewer.canvas.grid
    grid.enabled = True
    assert "side by side" in opened.hint.text()
    grid.enabled = False
    assert opened.hint.text() == before


def test_the_image_fills_the_view_beside_a_large_layer_of_her_own(
    make_dock: Callable[..., AdasamDock], images: Any, qtbot: Any
) -> None:
    """In millimetres, or beside a mosaic in pixels, it would be a dot."""
    dock = make_dock()
    for shape in ((2, 600, 800), (400, 300)):
        dock.viewer.add_image(np.zeros(shape), scale=(10,) * len(shape))
    dock.open([images])
    wait_idle(dock, qtbot)
    image, viewer = dock.canvas.image, dock.viewer
    assert image is not None
    low, high = image.extent.world
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], (low + high) / 2)
    part = (high - low) * viewer.scene.camera.zoom / viewer.canvas.size  # of the window's height and width
    assert 0.8 < part.max() <= 1
