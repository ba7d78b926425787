"""Points, boxes, strokes, undo: what the decoder is asked and what becomes of its answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from annotator_fakes import DENSE, FASCIA, HEIGHT, INSIDE, LOGITS, OUTSIDE, WIDTH, Desk, disc, rectangle

from napari_adasam.domain.errors import ModelError
from napari_adasam.domain.prompts import Point
from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.settings import PromptSettings
from napari_adasam.domain.structures import Structure


def held(desk: Desk) -> threading.Event:
    """Let the predictor wait until the event is set."""
    gate = threading.Event()
    desk.predictor.before_answer = lambda: gate.wait(5)
    return gate


def test_the_first_correction_goes_on_from_the_suggestions_answer_in_its_box(desk: Desk) -> None:
    desk.annotator.click(INSIDE, 1)
    desk.settle()
    prompt, previous = desk.predictor.prompts[0]
    assert prompt.points == (INSIDE,)
    assert prompt.box == (22.0, 10.0, 34.0, 49.0), (
        "around what is there of it: another structure lies over its first rows"
    )
    assert np.array_equal(prompt.dense, LOGITS)
    assert previous is None


def test_a_structure_that_is_ticked_as_there_is_asked_for_on_this_image_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the classifier thinks, and whatever the slices beside it show; the others are asked for as ever."""
    asked: list[tuple[list[int], float, bool]] = []
    suggest = desk.predictor.suggest

    def noting(frame_id: str, pixels: Any, structures: Any, prompts: PromptSettings) -> Any:
        if frame_id == desk.current:
            asked.append(([one.value for one in structures], prompts.presence, prompts.use_neighbours))
        return suggest(frame_id, pixels, structures, prompts)

    monkeypatch.setattr(desk.predictor, "suggest", noting)
    assert desk.annotator.tick(2, True)
    desk.settle()
    assert asked == [([1], 0.5, True), ([2], 0.0, False)]


def test_an_answer_that_was_not_kept_is_asked_for_again_first(desk: Desk) -> None:
    desk.predictor.keeps_logits = False
    desk.annotator.go_to(desk.session.frames[-1].id)
    desk.settle()
    desk.annotator.click(INSIDE, 1)
    desk.settle()
    (again, _), (prompt, previous) = desk.predictor.prompts
    assert np.array_equal(again.dense, DENSE)
    assert again.source == "cam"
    assert (prompt.dense == 1.0).all(), "what the first of both was answered with"
    assert prompt.points == (INSIDE,)
    assert previous is None


def test_a_point_outside_of_the_suggestions_box_leaves_the_box_away(desk: Desk) -> None:
    desk.annotator.click(OUTSIDE, 1)
    desk.settle()
    prompt, _ = desk.predictor.prompts[0]
    assert prompt.box is None
    assert prompt.dense is not None


def test_the_next_point_comes_with_all_points_and_the_earlier_answers_logits(desk: Desk) -> None:
    more = Point(25.0, 40.0, positive=False)
    desk.annotator.click(INSIDE, 1)
    desk.settle()
    desk.annotator.click(more, 1)
    desk.settle()
    prompt, previous = desk.predictor.prompts[1]
    assert prompt.points == (INSIDE, more)
    assert prompt.dense is None
    assert previous is not None
    assert (previous == 1.0).all()


def test_after_undo_a_point_goes_on_from_what_is_shown_again(desk: Desk) -> None:
    for point in (INSIDE, Point(21.0, 12.0)):
        desk.annotator.click(point, 1)
        desk.settle()
    desk.annotator.undo()
    desk.annotator.click(Point(33.0, 45.0), 1)
    desk.settle()
    prompt, previous = desk.predictor.prompts[2]
    assert prompt.points == (INSIDE, Point(33.0, 45.0))
    assert previous is not None
    assert (previous == 1.0).all()


@pytest.mark.parametrize("change", ["input size", "round"])
def test_another_model_is_not_given_the_earlier_ones_logits(desk: Desk, change: str) -> None:
    """At another input size they have another shape, and the click would fail."""
    more, third = Point(25.0, 40.0), Point(33.0, 45.0)
    desk.annotator.click(INSIDE, 1)
    desk.settle()
    if change == "round":
        desk.predictor.version += 1
    else:
        before = desk.annotator.settings
        desk.annotator.set_settings(replace(before, model=replace(before.model, input_size=256)))
    for point in (more, third):
        desk.annotator.click(point, 1)
        desk.settle()
    (_, first), (prompt, second), (_, last) = desk.predictor.prompts
    assert prompt.points == (INSIDE, more)
    assert first is None
    assert second is None
    assert last is not None
    assert (last == 2.0).all(), "its own logits are"
    assert desk.problems == []


def test_a_box_replaces_points_and_a_point_refines_the_box(desk: Desk) -> None:
    desk.annotator.click(INSIDE, 1)
    desk.settle()
    desk.annotator.box((24.0, 12.0, 30.0, 20.0), 1)
    desk.settle()
    assert np.array_equal(desk.labels() == 1, rectangle(slice(24, 31), slice(12, 21)))
    assert desk.session.prompts(desk.current, 1) == ((), (24.0, 12.0, 30.0, 20.0))
    desk.annotator.click(Point(25.0, 13.0, positive=False), 1)
    desk.settle()
    prompt, previous = desk.predictor.prompts[2]
    assert prompt.box == (24.0, 12.0, 30.0, 20.0)
    assert previous is not None
    assert (previous == 2.0).all()


def test_who_draws_a_box_over_a_suggestion_begins_anew(desk: Desk) -> None:
    desk.annotator.box((24.0, 12.0, 30.0, 20.0), 1)
    desk.settle()
    ((box, previous),) = desk.predictor.prompts
    assert box.box == (24.0, 12.0, 30.0, 20.0)
    assert box.dense is None
    assert previous is None


def test_points_come_with_the_box_around_what_is_there_and_them(desk: Desk) -> None:
    below, nearer = Point(38.0, 30.0), Point(25.0, 30.0, positive=False)
    for point in (below, nearer):
        desk.annotator.click(point, 1)
        desk.settle()
    (first, _), (second, _) = desk.predictor.prompts
    assert first.box == (22.0, 10.0, 38.0, 49.0)
    assert second.box == (22.0, 10.0, 39.0, 49.0), "what the first has brought reaches down there"


def test_a_mask_never_takes_pixels_of_another_structure(desk: Desk) -> None:
    desk.annotator.box((0.0, 0.0, 39.0, 59.0), 1)
    desk.settle()
    assert np.array_equal(desk.labels() == 2, rectangle(*FASCIA))
    assert (desk.labels() == 1).sum() == HEIGHT * WIDTH - rectangle(*FASCIA).sum()


def test_a_point_beside_all_parts_adds_a_part_and_keeps_the_others(desk: Desk) -> None:
    desk.annotator.click(OUTSIDE, 2)
    desk.settle()
    assert np.array_equal(desk.labels() == 2, rectangle(*FASCIA) | disc(OUTSIDE))
    assert desk.predictor.prompts[0][0].points == (OUTSIDE,)
    desk.annotator.click(Point(6.0, 7.0, positive=False), 2)
    desk.settle()
    prompt, previous = desk.predictor.prompts[1]
    assert prompt.points == (OUTSIDE, Point(6.0, 7.0, positive=False))
    assert previous is not None
    second = disc(OUTSIDE) & ~disc(Point(6.0, 7.0))
    assert np.array_equal(desk.labels() == 2, rectangle(*FASCIA) | second)


def test_another_part_is_asked_for_without_the_points_of_the_first(desk: Desk) -> None:
    far = Point(5.0, 50.0)
    desk.annotator.click(OUTSIDE, 2)
    desk.settle()
    desk.annotator.click(far, 2)
    desk.settle()
    assert desk.predictor.prompts[1][0].points == (far,)
    assert desk.predictor.prompts[1][1] is None
    assert np.array_equal(desk.labels() == 2, rectangle(*FASCIA) | disc(OUTSIDE) | disc(far))
    assert desk.session.prompts(desk.current, 2)[0] == (OUTSIDE, far)


def test_a_click_in_another_part_leaves_the_first_as_it_is_and_is_that_parts_first_correction(desk: Desk) -> None:
    inside = Point(19.0, 30.0, positive=False)
    for point in (OUTSIDE, inside):
        desk.annotator.click(point, 2)
        desk.settle()
    prompt, previous = desk.predictor.prompts[1]
    assert (prompt.points, prompt.box, previous) == ((inside,), (17.0, 10.0, 21.0, 49.0), None)
    assert np.array_equal(prompt.dense, LOGITS), "the part is still the suggestion's"
    assert np.array_equal(desk.labels() == 2, (rectangle(*FASCIA) & ~disc(inside)) | disc(OUTSIDE))
    desk.annotator.undo()
    assert np.array_equal(desk.labels() == 2, rectangle(*FASCIA) | disc(OUTSIDE))


def test_a_structure_of_one_part_is_replaced_by_the_answer(desk: Desk) -> None:
    desk.annotator.click(OUTSIDE, 1)
    desk.settle()
    assert np.array_equal(desk.labels() == 1, disc(OUTSIDE))


def test_a_negative_point_alone_comes_with_a_box_around_what_it_corrects(desk: Desk) -> None:
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[2:6, 3:9] = 2
    labels[30:34, 3:9] = 2
    desk.annotator.undo()
    desk.annotator.stroke(labels)
    desk.annotator.click(Point(3.0, 4.0, positive=False), 2)
    desk.settle()
    assert desk.predictor.prompts[0][0].box == (2.0, 3.0, 5.0, 8.0)
    assert np.array_equal(desk.labels()[30:34, 3:9] == 2, np.ones((4, 6), bool))


def test_there_must_be_something_to_take_away_from(make: Callable[..., Desk]) -> None:
    desk = make()
    desk.annotator.click(Point(3.0, 4.0, positive=False), 1)
    assert desk.problems == ["There is no muscle belly on this image to take away from; click on it first."]
    desk.settle()
    assert desk.predictor.prompts == []


def test_of_two_quick_clicks_the_answer_to_both_counts(desk: Desk) -> None:
    gate = held(desk)
    second = Point(5.0, 15.0)
    desk.annotator.click(OUTSIDE, 1)
    desk.annotator.click(second, 1)
    gate.set()
    desk.settle()
    assert np.array_equal(desk.labels() == 1, disc(OUTSIDE) | disc(second))
    assert desk.session.unanswered(desk.current) == ()
    desk.annotator.undo()
    desk.settle()
    assert np.array_equal(desk.labels() == 1, disc(OUTSIDE)), "the first click, whose answer was late, is asked again"


def test_quick_clicks_on_two_structures_are_both_answered(desk: Desk) -> None:
    gate = held(desk)
    desk.annotator.click(OUTSIDE, 1)
    desk.annotator.click(Point(5.0, 30.0), 2)
    gate.set()
    desk.settle()
    assert np.array_equal(desk.labels() == 1, disc(OUTSIDE))
    assert np.array_equal(desk.labels() == 2, rectangle(*FASCIA) | disc(Point(5.0, 30.0)))


def test_an_answer_that_comes_after_undo_is_dropped(desk: Desk) -> None:
    before = desk.labels().copy()
    gate = held(desk)
    desk.annotator.click(INSIDE, 1)
    desk.annotator.undo()
    gate.set()
    desk.settle()
    assert np.array_equal(desk.labels(), before)
    assert desk.annotator.redo()
    desk.settle()
    assert desk.session.unanswered(desk.current) == ()


def test_an_answer_comes_to_its_frame_though_another_is_shown(desk: Desk) -> None:
    first = desk.current
    gate = held(desk)
    desk.annotator.click(OUTSIDE, 1)
    desk.annotator.next()
    gate.set()
    desk.settle()
    assert np.array_equal(desk.session.labels(first) == 1, disc(OUTSIDE))
    assert desk.current != first


def test_a_click_that_waits_is_answered_though_the_one_after_it_fails(desk: Desk) -> None:
    gate = held(desk)
    desk.predictor.fails_on = lambda prompt: prompt.points == (Point(5.0, 30.0),)
    desk.annotator.click(OUTSIDE, 1)
    desk.annotator.click(Point(5.0, 30.0), 2)
    gate.set()
    desk.settle()
    assert np.array_equal(desk.labels() == 1, disc(OUTSIDE))
    assert np.array_equal(desk.labels() == 2, rectangle(*FASCIA))
    assert len(desk.problems) == 1


@pytest.mark.parametrize("taken_back", [False, True])
def test_a_structure_removed_before_its_click_is_answered_is_not_waited_for(desk: Desk, taken_back: bool) -> None:
    known = desk.session.structures
    desk.annotator.set_structures((*known, Structure(3, "bone")))
    desk.settle()
    desk.annotator.click(OUTSIDE, 3)
    desk.annotator.set_structures(known)
    desk.settle()
    assert desk.problems == []
    if taken_back:
        assert desk.annotator.undo()
        assert desk.annotator.redo()
        assert desk.annotator.undo()
        desk.settle()
    assert desk.session.unanswered(desk.current) == ()
    assert desk.session.prompts(desk.current, 3) == ((), None)
    asked = len(desk.predictor.prompts)
    assert desk.annotator.why_not("accept") == ""
    assert desk.annotator.accept()
    assert len(desk.predictor.prompts) == asked


def test_an_answer_leaves_a_frame_that_was_skipped_meanwhile_alone(desk: Desk) -> None:
    first = desk.current
    gate = held(desk)
    desk.annotator.click(OUTSIDE, 1)
    desk.annotator.skip()
    gate.set()
    desk.settle()
    assert desk.session.status(first) is FrameStatus.SKIPPED
    desk.annotator.go_to(first)
    desk.annotator.reopen()
    desk.settle()
    assert np.array_equal(desk.labels() == 1, disc(OUTSIDE))


def test_a_question_that_fails_when_it_is_asked_again_is_given_up_without_losing_other_work(desk: Desk) -> None:
    gate = held(desk)
    desk.annotator.click(OUTSIDE, 1)
    painted = desk.labels().copy()
    painted[36:39, 50:55] = 2
    desk.annotator.stroke(painted)
    desk.predictor.fails = MemoryError()
    gate.set()
    desk.settle()
    assert desk.session.prompts(desk.current, 1) == ((), None)
    assert (desk.labels()[36:39, 50:55] == 2).all()


def test_a_frame_is_not_accepted_before_the_mask_of_the_last_click_is_seen(desk: Desk) -> None:
    gate = held(desk)
    desk.annotator.click(INSIDE, 1)
    assert not desk.annotator.accept()
    assert desk.problems == ["The mask of your last click is on its way; look at it, then accept."]
    gate.set()
    desk.settle()
    assert desk.annotator.accept()


@pytest.mark.parametrize("error", [MemoryError(), ModelError("No usable answer."), RuntimeError("shape")])
def test_a_click_that_cannot_be_answered_is_taken_back_with_one_sentence(desk: Desk, error: BaseException) -> None:
    before = desk.labels().copy()
    desk.predictor.fails = error
    desk.annotator.click(INSIDE, 1)
    desk.settle()
    assert len(desk.problems) == 1
    assert desk.session.prompts(desk.current, 1) == ((), None)
    assert np.array_equal(desk.labels(), before)
    assert desk.annotator.accept()


def test_a_click_before_the_suggestion_keeps_its_structure_and_the_other_is_still_suggested(
    make: Callable[..., Desk],
) -> None:
    desk = make()
    gate = held(desk)
    while not desk.predictor.asked:
        desk.annotator.wait_idle(0.01)
    desk.annotator.click(OUTSIDE, 1)
    gate.set()
    desk.settle()
    assert np.array_equal(desk.labels() == 1, disc(OUTSIDE))
    assert np.array_equal(desk.labels() == 2, rectangle(*FASCIA))
    assert desk.predictor.asked[1][1] == (2,)
