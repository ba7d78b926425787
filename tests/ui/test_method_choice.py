"""Choosing in the window what a round adapts."""

from __future__ import annotations

from typing import Any, get_args

from napari_adasam.domain.settings import Method
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.panels.method_choice import CHOICES

from window_fakes import wait_idle  # isort: skip


def test_the_chosen_method_is_that_of_the_next_round(opened: AdasamDock, qtbot: Any) -> None:
    choice = opened.learn_panel.method
    assert choice.currentText() == "ADA-SAM"
    for text, method, slices in (("MA-SAM", "masam", 1), ("Med-SA, 3 slices", "medsa", 3), ("ADA-SAM", "adasam", 1)):
        place = choice.findText(text)
        choice.setCurrentIndex(place)
        choice.activated.emit(place)
        wait_idle(opened, qtbot)
        train = opened.annotator.settings.train
        assert (train.method, train.slices) == (method, slices)
        assert choice.currentText() == text
        assert CHOICES[place][3] in choice.toolTip()


def test_every_method_can_be_chosen() -> None:
    assert {method for method, *_ in CHOICES} == set(get_args(Method))
