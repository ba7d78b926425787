"""What is written into the outlines is one step of napari's own history, and costs what its box costs."""

from __future__ import annotations

import time

import numpy as np
import pytest
from napari.layers import Labels as LabelsLayer

from napari_adasam.domain.records import Frame
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.ui.mask_layer import MaskLayer
from napari_adasam.ui.placement import Placement

from window_fakes import brush  # isort: skip

SHAPE = (60, 80)


def made(shape: tuple[int, int] = SHAPE) -> tuple[MaskLayer, LabelsLayer, list[np.ndarray]]:
    masks, told = MaskLayer(), list[np.ndarray]()
    masks.set_structures(MUSCLE_PRESET)
    layer = masks.make(np.zeros(shape, np.uint8), Placement.of(Frame("a", "a.png", 0, *shape, "a")))
    masks.stroke.connect(told.append)
    return masks, layer, told


def outlines() -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[10:30, 20:60] = 1
    labels[5:9, 0:80] = 2
    return labels


@pytest.mark.parametrize("word", [True, False])
def test_a_write_is_one_step_and_no_stroke(word: bool, monkeypatch: pytest.MonkeyPatch, qtbot: object) -> None:
    masks, layer, told = made()
    if not word:
        monkeypatch.setattr("napari_adasam.ui.mask_layer.HISTORY", "no_such_word")
    brush(layer, (50, 40))
    stroked, labels = layer.data.copy(), outlines() | layer.data
    told.clear()
    layer.visible = False
    masks.write(labels)
    layer.visible = True
    assert told == [], "our own writes are told from the clinician's"
    assert np.array_equal(layer.data, labels)
    assert np.array_equal(layer._slice.image.raw, labels)
    layer.undo()
    assert np.array_equal(layer.data, stroked), "one step takes all of it back, and no pixel of the stroke"
    layer.redo()
    assert np.array_equal(layer.data, labels)
    masks.write(stroked)
    layer.undo()
    assert np.array_equal(layer.data, labels)


def test_what_is_shown_is_what_was_written(qtbot: object) -> None:
    masks, layer, _ = made()
    before = layer._slice.image.view.copy()
    masks.write(outlines())
    view = layer._slice.image.view
    assert not np.array_equal(view, before)
    assert len({int(value) for value in np.unique(view)}) == 3, "background and two structures"


def test_the_history_keeps_no_array_of_the_session(qtbot: object) -> None:
    masks, layer, _ = made()
    labels = outlines()
    masks.write(labels)
    labels[:] = 0
    layer.undo()
    layer.redo()
    assert np.array_equal(layer.data, outlines())


def test_a_large_write_does_not_name_every_pixel(qtbot: object) -> None:
    """By an index for each pixel these six million took ten times as long."""
    masks, _, _ = made((3000, 3000))
    labels = np.zeros((3000, 3000), np.uint8)
    labels[300:2700, 200:2800] = 1
    _, other, _ = made((3000, 3000))
    began = time.thread_time()
    with other.block_history():
        changed = np.nonzero(other.data != labels)
        other.data_setitem(changed, labels[changed])
    by_index = time.thread_time() - began
    began = time.thread_time()
    masks.write(labels)
    assert time.thread_time() - began < by_index / 3
