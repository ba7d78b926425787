"""What is set in napari by hand: followed, kept or undone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from napari.layers import Image
from napari.settings import get_settings

from napari_adasam.ui.at_once import at_once
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.image_layer import Contrast
from napari_adasam.ui.placement import Placement

from window_fakes import wait_idle  # isort: skip


@pytest.fixture
def appearance() -> Iterator[Any]:
    """napari's settings of how it looks, put back afterwards."""
    settings = get_settings().appearance
    before = settings.font_size
    yield settings
    settings.font_size = before


def turned() -> Image:
    return Image(np.zeros((6, 8), np.uint8), rotate=30, shear=[0.5], affine=[[1, 0, 3], [0, 2, 4], [0, 0, 1]])


def test_a_layer_that_was_turned_and_moved_is_put_back() -> None:
    layer, straight = turned(), Image(np.zeros((6, 8), np.uint8), scale=(0.5, 0.25))
    Placement((0.5, 0.25), "mm").apply(layer)
    for pixel in ((0, 0), (5, 0), (0, 7)):
        np.testing.assert_array_equal(layer.data_to_world(pixel), straight.data_to_world(pixel))


def test_layers_that_are_put_back_at_once_are_told_of_once() -> None:
    layer, told = turned(), []
    layer.events.scale.connect(told.append)
    with at_once(layer):
        Placement((1.0, 1.0), "pixel").apply(layer)
    assert len(told) == 1


def test_what_naparis_transform_tool_does_is_undone_and_told(opened: AdasamDock) -> None:
    layers, viewer = opened.canvas.layers(), opened.viewer
    before = viewer.layers.extent.world.copy()
    for layer in layers:
        opened.status_line.notice.setText("")
        layer.affine = [[1, 0, 5], [0, 1.5, 7], [0, 0, 1]]  # as its handles do
        np.testing.assert_array_equal(layer.affine.affine_matrix, np.eye(3))
        assert "The image stays where it is" in opened.status_line.notice.text()
    np.testing.assert_array_equal(viewer.layers.extent.world, before)
    own = viewer.add_image(np.zeros((5, 5)), affine=[[1, 0, 5], [0, 1, 7], [0, 0, 1]])
    own.affine = [[1, 0, 6], [0, 1, 7], [0, 0, 1]]
    assert tuple(own.affine.translate) == (6, 7)


def test_letters_are_as_large_as_naparis_until_the_dock_is_closed(dock: AdasamDock, appearance: Any) -> None:
    appearance.font_size = 9
    narrow = dock.minimumWidth()
    appearance.font_size = 15
    assert "QLabel, QCheckBox, QRadioButton { font-size: 15pt" in dock.styleSheet()
    assert dock.minimumWidth() > narrow
    dock.shut_down()
    appearance.font_size = 11
    assert "font-size: 15pt" in dock.styleSheet()


def test_what_is_typed_and_listed_is_as_large_as_the_words_around_it(opened: AdasamDock, appearance: Any) -> None:
    appearance.font_size = 15
    written = (
        opened.annotate_panel.review.note,
        opened.structures_panel.names[1],
        opened.export_panel.folder,
        opened.annotate_panel.clip.list,
        opened.annotate_panel.review.unusable,
    )
    for widget in written:
        widget.ensurePolished()
        assert widget.font().pointSize() == 15, type(widget)


def test_the_list_of_what_is_listed_has_room_for_large_letters(opened: AdasamDock, appearance: Any) -> None:
    chosen = opened.annotate_panel.frame_card.filter
    for size in (9, 16, 9):
        appearance.font_size = size
        longest = max(chosen.fontMetrics().horizontalAdvance(chosen.itemText(i)) for i in range(chosen.count()))
        assert longest < chosen.maximumWidth() < longest + 80, size


def test_contrast_set_by_hand_holds_for_other_pictures_of_8_bits(opened: AdasamDock, qtbot: Any) -> None:
    image = opened.canvas.image
    assert image is not None
    image.contrast_limits = (10, 120)
    opened.commander.run("next")
    wait_idle(opened, qtbot)
    assert opened.canvas.image is image
    assert tuple(image.contrast_limits) == (10, 120)


def test_contrast_of_deep_pictures_holds_within_their_file() -> None:
    contrast, layer = Contrast(), Image(np.full((6, 8), 300, np.uint16))
    layer.data = np.arange(0, 480, 10, dtype=np.uint16).reshape(6, 8)
    contrast.show(layer, "one")
    assert tuple(layer.contrast_limits) == (0, 470)
    layer.contrast_limits = (50, 200)
    layer.data = layer.data + np.uint16(5)
    contrast.show(layer, "one")
    assert tuple(layer.contrast_limits) == (50, 200)
    contrast.show(layer, "other")
    assert tuple(layer.contrast_limits) == (5, 475)


def test_the_contrast_of_a_deep_colour_picture_is_not_the_next_one_s() -> None:
    """Of 16 bits as of 8: napari would show the first one's range, in which the next is all white, or all black."""
    contrast, layer = Contrast(), Image(np.zeros((6, 8, 3), np.uint8), rgb=True)
    for white, dtype, expected in ((4000, np.uint16, 4000), (60000, np.uint16, 60000), (90, np.uint8, 255)):
        pixels = np.zeros((6, 8, 3), dtype)
        pixels[0, 0, 0] = white
        layer.data = pixels
        contrast.show(layer, f"file {white}")
        assert tuple(layer.contrast_limits) == (0, expected)
