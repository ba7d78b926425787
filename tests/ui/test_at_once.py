"""What belongs together reaches napari, and the window, as one change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_adasam.services.activity import Activity
from napari_adasam.ui.at_once import at_once, take_out
from napari_adasam.ui.busy_bar import BusyBar
from napari_adasam.ui.later import Later
from napari_adasam.ui.status_line import StatusLine

Shown = tuple[Image, Labels, ViewerModel]


@pytest.fixture
def layers() -> Shown:
    viewer = ViewerModel()
    image, labels = Image(np.zeros((6, 8), np.uint8)), Labels(np.zeros((6, 8), np.uint8))
    viewer.add_layer(image)
    viewer.add_layer(labels)
    return image, labels, viewer


def heard(layer: Any, name: str) -> list[object]:
    told: list[object] = []
    getattr(layer.events, name).connect(lambda event: told.append(event))
    return told


def test_another_picture_in_another_place_is_sent_to_the_screen_once_and_moves_all(
    layers: Shown,
) -> None:
    image, labels, viewer = layers
    sent = [heard(layer, "set_data") for layer in (image, labels)]
    ranges = heard(viewer.dims, "range")
    with at_once(image, labels):
        for layer in (image, labels):
            layer.data = np.ones((12, 10), np.uint8)
            layer.scale = (0.5, 0.5)
            layer.units = ("mm", "mm")
    assert [len(told) for told in sent] == [1, 1]
    assert len(ranges) == 1
    assert viewer.dims.range[0].stop == 5.5  # 12 rows of 0.5 mm
    assert np.array_equal(viewer.layers.extent.world, [[0.0, 0.0], [5.5, 4.5]])


def test_what_stays_where_it_is_does_not_move_the_viewer(layers: Shown) -> None:
    image, labels, _viewer = layers
    scales = [heard(layer, "scale") for layer in (image, labels)]
    with at_once(image, labels), at_once(labels):
        image.data = np.ones((6, 8), np.uint8)
    assert scales == [[], []]
    assert image.thumbnail[16, 16, :3].any()


def test_a_layer_that_is_hidden_is_where_it_should_be_when_it_is_shown_again(
    layers: Shown,
) -> None:
    image, labels, _viewer = layers
    image.visible = False
    with at_once(image, labels):
        image.data, image.scale = np.full((6, 8), 7, np.uint8), (2.0, 2.0)
    sent = heard(image, "set_data")
    image.visible = True
    assert len(sent) == 1
    assert tuple(image.extent.world[1]) == (10.0, 14.0)


def test_layers_are_taken_out_as_one_change_and_others_stay(layers: Shown) -> None:
    image, labels, viewer = layers
    own = viewer.add_image(np.zeros((4, 4)))
    batches: list[object] = []
    viewer.layers.events.begin_batch.connect(batches.append)
    take_out(viewer, (layer for layer in (labels, image, Image(np.zeros((2, 2))))))
    assert list(viewer.layers) == [own]
    assert len(batches) == 1, "napari clears up behind them once"
    take_out(viewer, [image, labels])
    assert len(batches) == 1
    assert list(viewer.layers) == [own]


def test_work_for_the_screen_waits_while_more_is_about_to_come_and_is_done_once(qtbot: Any) -> None:
    done: list[str] = []
    delay = [60]
    later = Later(lambda: done.append("work"), lambda: delay[0])
    for _ in range(3):
        later.ask("told")
    assert done == []
    qtbot.waitUntil(lambda: done == ["work"], timeout=2000)
    later.ask()
    delay[0] = 0
    later.ask()
    assert done == ["work", "work"]
    qtbot.wait(90)
    assert done == ["work", "work"]  # what waited was done with it


def test_what_a_command_asks_for_is_done_once_behind_it(qtbot: Any) -> None:
    done: list[str] = []
    later = Later(lambda: done.append("work"), lambda: 0)

    def command() -> None:
        with later.together():
            later.ask()
            with later.together():
                later.ask()
            assert done == []
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command()
    assert done == ["work"], "also where the command failed"
    with later.together():
        later.ask()
        later.stop()
    assert done == ["work"], "what was forgotten is not done"


def test_the_bar_wanders_only_where_nobody_knows_how_far_it_is(qtbot: Any) -> None:
    line = StatusLine()
    qtbot.addWidget(line)
    line.show()
    line.show_activity(Activity("Reading"), busy=True)
    seen = {line.bar.mask().boundingRect().x()}
    assert line.bar.wanders
    qtbot.waitUntil(lambda: seen.add(line.bar.mask().boundingRect().x()) or len(seen) > 1, timeout=3000)
    line.show_activity(Activity("Learning", 3, 12), busy=True)
    assert not line.bar.wanders
    assert (line.bar.value(), line.bar.maximum()) == (3, 12)
    assert line.bar.mask().isEmpty()
    line.show_activity(Activity("Ready", 3, 12), busy=False)
    assert line.bar.isHidden()
    assert isinstance(line.bar, BusyBar)
