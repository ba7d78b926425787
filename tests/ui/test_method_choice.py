"""Choosing in the window what a round adapts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
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


def test_a_session_that_is_opened_again_shows_what_was_chosen_in_it(
    opened: AdasamDock, make_dock: Callable[..., AdasamDock], tmp_path: Path, qtbot: Any
) -> None:
    choice = opened.learn_panel.method
    choice.activated.emit(choice.findText("MA-SAM, 3 slices"))
    opened.learn_panel.every.setValue(7)
    wait_idle(opened, qtbot)
    assert opened.annotator.save_as(tmp_path / "session")
    opened.shut_down()
    again = make_dock()
    assert (again.learn_panel.method.currentText(), again.learn_panel.every.value()) == ("ADA-SAM", 0)
    again.open([tmp_path / "session"])
    wait_idle(again, qtbot)
    assert (again.learn_panel.method.currentText(), again.learn_panel.every.value()) == ("MA-SAM, 3 slices", 7)


def test_model_method_and_pace_can_be_chosen_before_an_image_is_open(dock: AdasamDock) -> None:
    learn = dock.learn_panel
    assert [one.isEnabled() for one in (learn.method, learn.every, learn.model.choice)] == [True, True, True]
    learn.every.setValue(3)
    assert dock.annotator.settings.learn.every == 3


def test_every_method_can_be_chosen() -> None:
    assert {method for method, *_ in CHOICES} == set(get_args(Method))
