"""Strokes, undo and redo, across frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from annotator_fakes import FASCIA, INSIDE, OUTSIDE, Desk, disc, model_of, rectangle, run_round

from napari_adasam.domain.prompts import Point
from napari_adasam.domain.records import FrameStatus


def test_a_click_and_its_mask_are_undone_together(desk: Desk) -> None:
    before = desk.labels().copy()
    desk.annotator.click(OUTSIDE, 1)
    desk.settle()
    assert np.array_equal(desk.labels() == 1, disc(OUTSIDE))
    assert desk.session.status(desk.current) is FrameStatus.CORRECTED
    assert desk.annotator.undo()
    assert np.array_equal(desk.labels(), before)
    assert desk.session.prompts(desk.current, 1) == ((), None)
    assert desk.session.status(desk.current) is FrameStatus.SUGGESTED


def test_a_stroke_is_one_step_and_what_is_only_suggested_gives_way(desk: Desk) -> None:
    before = desk.labels().copy()
    painted = before.copy()
    painted[17:40] = 1
    desk.annotator.stroke(painted)
    assert (desk.labels()[17:] == 1).all()
    assert desk.problems == []
    desk.annotator.undo()
    assert np.array_equal(desk.labels(), before)


def test_what_was_outlined_by_hand_stays_beneath_a_stroke_and_a_click_and_that_is_said(desk: Desk) -> None:
    drawn = np.where(desk.labels() == 2, 0, desk.labels())
    drawn[17:20, 10:50] = 2
    desk.annotator.stroke(drawn)
    painted = desk.labels().copy()
    painted[18:40] = 1
    desk.annotator.stroke(painted)
    assert (desk.labels()[17:20, 10:50] == 2).all()
    assert (desk.labels()[20:] == 1).all()
    (said,) = desk.problems
    assert said.startswith("What is outlined by hand or accepted as “aponeurosis” stays.")
    desk.annotator.click(Point(18.0, 30.0), 1)
    desk.settle()
    assert desk.labels()[18, 30] == 2
    assert desk.problems == [said, said]


def test_a_click_on_what_is_suggested_on_top_says_how_to_take_it(desk: Desk) -> None:
    frame_id, on_top = desk.current, Point(19.0, 30.0)
    desk.annotator.click(on_top, 1)
    desk.settle()
    assert desk.labels()[19, 30] == 2
    assert desk.problems == [
        "“aponeurosis” is suggested here, and stays. To give its pixels to another structure, draw over them (D)."
    ]
    painted = desk.labels().copy()
    painted[19, 28:33] = 1
    desk.annotator.stroke(painted)
    assert (desk.session.labels(frame_id)[19, 28:33] == 1).all(), "as it says"
    desk.annotator.click(INSIDE, 1)
    desk.settle()
    assert len(desk.problems) == 1, "nothing lies on top there"


def test_undo_goes_back_over_an_accept_to_its_frame(desk: Desk) -> None:
    first = desk.current
    desk.accept()
    assert desk.annotator.undo()
    assert desk.current == first
    assert desk.session.status(first) is FrameStatus.SUGGESTED
    assert desk.annotator.redo()
    assert desk.session.status(first) is FrameStatus.ACCEPTED


def test_undo_goes_back_over_a_skip_and_the_way_there_is_forgotten(desk: Desk) -> None:
    first = desk.current
    desk.annotator.skip()
    assert desk.annotator.undo()
    assert desk.current == first
    assert desk.session.status(first) is FrameStatus.SUGGESTED
    desk.annotator.back()
    assert desk.problems == ["This is the first image."]


@pytest.mark.parametrize("by", ["undo", "redo"])
def test_a_frame_closed_before_its_suggestion_came_gets_it_when_that_is_taken_back(
    make: Callable[..., Desk], by: str
) -> None:
    desk = make()
    first = desk.current
    desk.annotator.skip()
    desk.settle()
    assert desk.session.scores(first) == {}
    if by == "redo":
        desk.annotator.go_to(first)
        desk.annotator.reopen()
        desk.annotator.undo()
        desk.settle()
        assert desk.session.status(first) is FrameStatus.SKIPPED
        assert desk.annotator.redo()
    else:
        assert desk.annotator.undo()
    desk.settle()
    assert desk.session.status(first) is FrameStatus.SUGGESTED
    assert desk.annotator.why_not("accept") == ""


def test_undo_stays_on_the_frame_while_something_that_was_done_there_is_left(desk: Desk) -> None:
    first = desk.current
    desk.annotator.skip()
    second = desk.current
    desk.annotator.click(INSIDE, 1)
    desk.settle()
    desk.annotator.undo()
    desk.annotator.undo()
    assert desk.current == second
    assert desk.session.status(second) is FrameStatus.NEW
    assert desk.annotator.undo(), "then the way goes on backwards"
    assert (desk.current, desk.session.status(first)) == (first, FrameStatus.SUGGESTED)


def test_undo_goes_back_over_accepts_one_by_one(desk: Desk) -> None:
    ids = [frame.id for frame in desk.session.frames]
    for _ in range(3):
        desk.accept()
        desk.settle()
    assert desk.current == ids[3]
    for frame_id in reversed(ids[:3]):
        assert desk.annotator.undo()
        assert desk.current == frame_id
        assert desk.session.status(frame_id) is FrameStatus.SUGGESTED
        assert desk.annotator.undo(), "the suggestion"
        assert desk.session.status(frame_id) is FrameStatus.NEW
    assert not desk.annotator.undo()
    assert desk.problems == ["There is nothing to take back on this image."]
    assert desk.session.accepted == 0


def test_who_goes_elsewhere_takes_back_what_was_done_there_alone(desk: Desk) -> None:
    ids = [frame.id for frame in desk.session.frames]
    desk.accept()
    desk.annotator.go_to(ids[3])
    desk.settle()
    while desk.session.can_undo(ids[3]):
        assert desk.annotator.undo()
    assert not desk.annotator.undo()
    assert (desk.current, desk.session.accepted) == (ids[3], 1)


def test_an_undone_suggestion_does_not_come_back_by_itself(desk: Desk) -> None:
    desk.annotator.undo()
    desk.settle()
    assert desk.session.status(desk.current) is FrameStatus.NEW


def test_a_new_suggestion_does_not_take_the_redo_away(desk: Desk) -> None:
    """What was taken back can be had again, although a round renewed the frame's suggestions since."""
    desk.accept()
    desk.settle()
    second = desk.session.frames[1].id
    painted = desk.labels().copy()
    painted[36:] = 1
    desk.annotator.stroke(painted)
    stroked = desk.labels().copy()
    desk.annotator.undo()
    run_round(desk)
    assert desk.current == second
    assert model_of(desk, 1) == "v2"
    assert desk.annotator.redo()
    assert np.array_equal(desk.labels(), stroked)
    assert desk.annotator.undo()
    assert model_of(desk, 1) == "v2", "undo leads back to the new suggestion"
    desk.annotator.click(OUTSIDE, 1)
    assert not desk.annotator.redo(), "a step of the clinician's still ends it"


def test_changing_an_accepted_frame_opens_it_again(desk: Desk) -> None:
    first = desk.current
    desk.accept()
    desk.annotator.go_to(first)
    desk.annotator.click(OUTSIDE, 1)
    desk.settle()
    assert desk.session.status(first) is FrameStatus.CORRECTED
    assert np.array_equal(desk.labels() == 1, disc(OUTSIDE))
    assert desk.annotator.accept()


def test_clearing_a_structure_and_its_prompts(desk: Desk) -> None:
    desk.annotator.click(INSIDE, 1)
    desk.settle()
    desk.annotator.clear_prompts(1)
    assert desk.session.prompts(desk.current, 1) == ((), None)
    assert (desk.labels() == 1).any()
    desk.annotator.clear_structure(1)
    assert not (desk.labels() == 1).any()
    assert np.array_equal(desk.labels() == 2, rectangle(*FASCIA))
