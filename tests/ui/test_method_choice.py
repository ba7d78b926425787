"""Choosing in the window what a round adapts."""

from __future__ import annotations

from typing import Any, get_args

from napari_adasam.domain.settings import Method
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.panels.method_choice import METHODS

from window_fakes import wait_idle  # isort: skip


def test_the_chosen_method_is_that_of_the_next_round(opened: AdasamDock, qtbot: Any) -> None:
    choice = opened.learn_panel.method
    assert choice.currentData() == "adasam"
    place = choice.findData("masam")
    choice.setCurrentIndex(place)
    choice.activated.emit(place)
    wait_idle(opened, qtbot)
    assert opened.annotator.settings.train.method == "masam"
    assert "MA-SAM" in choice.currentText()
    assert METHODS["masam"][1] in choice.toolTip()


def test_every_method_can_be_chosen() -> None:
    assert set(METHODS) == set(get_args(Method))
