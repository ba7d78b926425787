"""Points and boxes that could not be answered leave a frame as it was; what is said of one goes with it."""

from __future__ import annotations

import numpy as np
import pytest
from annotator_fakes import FASCIA, INSIDE, OUTSIDE, Desk, rectangle
from test_annotator_corrections import held

from napari_adasam.domain.errors import ModelError
from napari_adasam.domain.prompts import Point
from napari_adasam.domain.records import FrameStatus
from napari_adasam.services.sentences import ForNow

BOX = (2.0, 2.0, 12.0, 20.0)


@pytest.mark.parametrize("structure", [1, 2])
def test_a_click_and_a_box_that_both_fail_leave_an_untouched_frame_untouched(desk: Desk, structure: int) -> None:
    before, gate = desk.labels().copy(), held(desk)
    desk.predictor.fails = ModelError("No usable answer.")
    desk.annotator.click(INSIDE, 1)
    desk.annotator.box(BOX, structure)
    gate.set()
    desk.settle()
    assert desk.session.unanswered(desk.current) == ()
    assert desk.session.status(desk.current) is FrameStatus.SUGGESTED
    assert desk.session.touched(desk.current) == frozenset()
    assert np.array_equal(desk.labels(), before)


def test_what_was_outlined_before_stays_the_clinicians(desk: Desk) -> None:
    desk.annotator.click(OUTSIDE, 1)
    desk.settle()
    gate = held(desk)
    desk.predictor.fails = ModelError("No usable answer.")
    desk.annotator.click(INSIDE, 1)
    desk.annotator.box(BOX, 2)
    gate.set()
    desk.settle()
    assert desk.session.touched(desk.current) == {1}
    assert desk.session.status(desk.current) is FrameStatus.CORRECTED


def test_what_was_accepted_is_not_given_to_suggestions(desk: Desk) -> None:
    first = desk.current
    assert desk.annotator.accept()
    desk.settle()
    desk.annotator.go_to(first)
    gate = held(desk)
    desk.predictor.fails = ModelError("No usable answer.")
    desk.annotator.click(INSIDE, 1)
    desk.annotator.box(BOX, 2)
    gate.set()
    desk.settle()
    assert desk.session.touched(first) == {1, 2}


def test_a_click_that_changes_nothing_is_told_of_for_as_long_as_its_image_is_there(desk: Desk) -> None:
    there = Point(19.0, 30.0)
    labels = desk.labels().copy()
    labels[rectangle(*FASCIA)] = 0
    desk.annotator.stroke(labels)
    desk.annotator.stroke(np.where(rectangle(*FASCIA), 2, labels).astype(np.uint8))
    desk.annotator.click(there, 1)
    desk.settle()
    assert [isinstance(one, ForNow) for one in desk.problems] == [True]
    desk.annotator.undo()
    gate = held(desk)
    desk.annotator.click(there, 1)
    desk.annotator.next()
    gate.set()
    desk.settle()
    assert len(desk.problems) == 1, "of an image that is not on the screen nothing is said"
