"""The script that drives another program's window, on a stand-in for the program."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_adasam.ui.director import Director
from napari_adasam.ui.peer_window import Driver, PeerScript

SHOW_S, CLICK_S = 0.3, 0.1
IMAGES = [np.zeros((40, 60), np.uint8) for _ in range(3)]


class StandIn(Driver):
    """Computes on the window's thread, as most programs do; its answer to an image takes a moment longer."""

    def __init__(self, viewer: Any, waits: bool = True, begins: bool = False) -> None:
        self.waits, self.begins = waits, begins
        self.done: list[str] = []
        self._viewer, self._shown = viewer, 0.0
        if begins:
            viewer.add_image(IMAGES[0])

    def show(self, number: int) -> None:
        time.sleep(SHOW_S)
        self._viewer.layers.clear()
        self._viewer.add_image(IMAGES[number])
        self._shown = time.monotonic()
        self.done.append(f"image {number}")

    def click(self, y: float, x: float) -> None:
        assert 0 < y < 40
        assert 0 < x < 60
        time.sleep(CLICK_S)
        self.done.append("click")

    def answered(self) -> bool:
        return time.monotonic() > self._shown + SHOW_S


@pytest.fixture
def play(make_napari_viewer: Callable[..., Any], qtbot: Any) -> Callable[..., tuple[StandIn, dict[str, list[float]]]]:
    def run(backwards: bool = False, **kind: bool) -> tuple[StandIn, dict[str, list[float]]]:
        driver = StandIn(make_napari_viewer(show=True), **kind)
        script = PeerScript(driver, IMAGES, {"backwards": backwards, "clicks": 1})
        director = Director(script.steps(), lambda: None)
        director.timer.start()
        qtbot.wait_until(lambda: director.ended, timeout=60_000)
        if director.error is not None:
            raise director.error
        return driver, script.series

    return run


def test_a_new_image_is_clicked_at_once_and_its_freeze_is_what_was_computed_in_the_window(play: Any) -> None:
    driver, series = play()
    assert driver.done == ["image 0", "click", *("image 1", "click", "click"), *("image 2", "click", "click")]
    assert {what: len(values) for what, values in series.items()} == {
        "first_mask_ms": 2,
        "freeze_first_mask_ms": 2,
        "click_ms": 2,
        "freeze_click_ms": 2,
        "memory_mb": 2,
    }
    assert min(series["freeze_first_mask_ms"]) >= 1000 * (SHOW_S + CLICK_S)
    assert min(series["freeze_click_ms"]) >= 1000 * CLICK_S
    for mask, freeze in zip(series["first_mask_ms"], series["freeze_first_mask_ms"], strict=True):
        assert mask >= 1000 * (2 * SHOW_S)  # the answer came a moment after the window was free again
        assert freeze < mask + 1000  # the pause after the drawing is in it


def test_a_program_that_suggests_is_not_clicked_and_may_go_backwards(play: Any) -> None:
    driver, _ = play(backwards=True, waits=False)
    assert driver.done == ["image 0", "image 2", "click", "image 1", "click"]


def test_a_program_that_has_begun_is_not_shown_the_first_image(play: Any) -> None:
    driver, _ = play(begins=True)
    assert driver.done == ["click", *("image 1", "click", "click"), *("image 2", "click", "click")]
