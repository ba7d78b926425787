"""Rounds: what they are given, when they start, how they end, and what becomes of the suggestions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from annotator_fakes import Desk, model_of, run_round

from napari_adasam.domain.prompts import Point
from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.settings import LearnSettings, Settings, TrainSettings
from napari_adasam.domain.structures import Structure

CLICK = Point(5.0, 5.0)


def test_without_an_accepted_frame_no_round_starts(desk: Desk) -> None:
    assert not desk.annotator.start_round()
    assert desk.problems == ["There is nothing to learn from yet; accept an image first."]
    assert desk.trainer.given == []


def test_without_a_structure_no_round_starts(desk: Desk) -> None:
    for one in desk.session.structures:
        desk.annotator.tick(one.value, False)
    desk.annotator.accept()
    desk.settle()
    desk.annotator.set_structures([])
    assert (desk.session.structures, desk.session.accepted) == ((), 1)
    assert not desk.annotator.start_round()
    assert desk.problems[-1] == "There is no structure to learn; name one first."
    assert desk.annotator.why_not("start_round") == "There is no structure to learn; name one first."
    assert desk.trainer.given == []


def test_where_no_structure_is_named_nothing_can_be_accepted(desk: Desk) -> None:
    desk.annotator.set_structures([])
    assert not desk.annotator.accept()
    assert desk.problems[-1] == "Name a structure first."
    assert desk.session.accepted == 0


def test_a_round_gets_accepted_frames_with_their_file_as_group_and_the_rest_without_masks(desk: Desk) -> None:
    first, second, third, fourth = desk.session.frames
    desk.accept()
    desk.annotator.skip()
    desk.annotator.tick(2, False)
    desk.settle()
    run_round(desk)
    labelled, unlabelled = desk.trainer.given[0]
    assert [one.frame_id for one in labelled] == [first.id]
    assert labelled[0].group == first.file_id
    assert np.array_equal(labelled[0].labels, desk.session.annotations[first.id].labels)
    assert np.array_equal(labelled[0].pixels, desk.annotator.pixels(first.id))
    assert [(one.frame_id, dict(one.present)) for one in unlabelled] == [(third.id, {2: False}), (fourth.id, {})]
    assert second.id not in {one.frame_id for one in (*labelled, *unlabelled)}


@pytest.mark.parametrize(
    ("train", "expected"), [(TrainSettings(max_unlabelled=2), 2), (TrainSettings(method="lora"), 0)]
)
def test_unlabelled_frames_are_limited(make: Callable[..., Desk], train: TrainSettings, expected: int) -> None:
    desk = make(images=7, settings=Settings(train=train, learn=LearnSettings(every=0)))
    desk.accept()
    run_round(desk)
    frames = [one.frame_id for one in desk.trainer.given[0][1]]
    assert len(frames) == expected
    if expected:
        assert frames == [desk.session.frames[1].id, desk.session.frames[6].id], "spread over all, not the first ones"


def test_an_accepted_student_serves_and_suggestions_are_renewed_on_the_screen_first(desk: Desk) -> None:
    desk.accept()
    desk.settle()
    before = len(desk.predictor.asked)
    run_round(desk)
    assert [one.fingerprint for one in desk.models] == ["v1", "v2"]
    assert desk.annotator.model is not None
    assert desk.annotator.model.fingerprint == "v2"
    renewed = [desk.session.frame(one[0]).stem for one in desk.predictor.asked[before:]]
    assert renewed == ["scan2", "scan3", "scan4"]
    assert [model_of(desk, number) for number in (1, 2, 3)] == ["v2", "v2", "v2"]
    assert desk.reports[0].accepted


def test_a_renewed_suggestion_is_one_step_back(desk: Desk) -> None:
    desk.accept()
    desk.settle()
    desk.annotator.go_to(desk.current)
    run_round(desk)
    assert desk.annotator.undo()
    assert model_of(desk, 1) == "v1"


def test_frames_further_away_are_renewed_when_they_are_visited(make: Callable[..., Desk]) -> None:
    desk = make(images=8)
    desk.settle()
    for frame in desk.session.frames:
        desk.annotator.go_to(frame.id)
        desk.settle()
    desk.annotator.go_to(desk.session.frames[0].id)
    desk.accept()
    run_round(desk)
    assert model_of(desk, 7) == "v1"
    desk.annotator.go_to(desk.session.frames[7].id)
    desk.settle()
    assert model_of(desk, 7) == "v2"


def test_accepted_frames_and_structures_corrected_by_hand_are_not_touched_by_the_new_model(desk: Desk) -> None:
    first = desk.current
    desk.accept()
    accepted = desk.session.labels(first).copy()
    desk.annotator.click(CLICK, 1)
    desk.settle()
    corrected = (desk.labels() == 1).copy()
    run_round(desk)
    assert np.array_equal(desk.session.labels(first), accepted)
    assert desk.session.status(first) is FrameStatus.ACCEPTED
    assert np.array_equal(desk.labels() == 1, corrected)
    assert desk.session.suggestions(desk.current)[2].model == "v2"


def test_a_refused_student_changes_nothing_but_its_verdict_is_told(desk: Desk) -> None:
    desk.trainer.passes = False
    desk.accept()
    desk.settle()
    before = len(desk.predictor.asked)
    run_round(desk)
    assert [one.verdict for one in desk.reports] == ["Worse, so the model stays."]
    assert [one.fingerprint for one in desk.models] == ["v1"]
    assert len(desk.predictor.asked) == before


def test_rounds_start_by_themselves_after_so_many_accepts(make: Callable[..., Desk]) -> None:
    desk = make(images=6, every=2)
    desk.accept(1)
    assert not desk.annotator.training
    desk.accept(1)
    assert desk.annotator.training
    desk.settle()
    assert [one.labelled for one in desk.reports] == [2]
    desk.accept(2)
    desk.settle()
    assert [one.labelled for one in desk.reports] == [2, 4]
    assert [one.number for one in desk.reports] == [1, 2]


def test_an_accept_that_was_taken_back_does_not_count(make: Callable[..., Desk]) -> None:
    desk = make(images=6, every=2)
    first = desk.current
    desk.accept(1)
    desk.annotator.go_to(first)
    desk.annotator.reopen()
    desk.annotator.go_to(desk.session.frames[1].id)
    desk.accept(1)
    assert not desk.annotator.training
    assert desk.session.status(first) is FrameStatus.CORRECTED
    desk.annotator.go_to(desk.session.frames[2].id)
    desk.accept(1)
    assert desk.annotator.training
    desk.settle()
    assert [one.labelled for one in desk.reports] == [2]


def test_accepts_during_a_round_count_for_the_next_one(make: Callable[..., Desk]) -> None:
    desk = make(images=6, every=2)
    gate = threading.Event()
    desk.trainer.before_step = lambda step: gate.wait(5) and None
    desk.accept(2)
    assert desk.annotator.training
    desk.annotator.stroke(_drawn(desk))
    assert desk.annotator.accept()
    desk.annotator.stroke(_drawn(desk))
    assert desk.annotator.accept()
    gate.set()
    desk.settle()
    assert [one.labelled for one in desk.reports] == [2, 4]


def _drawn(desk: Desk) -> np.ndarray:
    labels = desk.labels().copy()
    labels[0:3, 0:3] = 1
    return labels


def test_two_rounds_at_once_are_refused(desk: Desk) -> None:
    desk.accept()
    assert desk.annotator.start_round()
    assert not desk.annotator.start_round()
    assert desk.problems == ["A round is under way; wait for it, or stop it."]
    desk.settle()
    assert len(desk.reports) == 1


def test_progress_is_told_with_what_how_far_and_how_long(desk: Desk) -> None:
    told = []
    desk.annotator.round_progress.connect(told.append)
    desk.accept()
    desk.settle()
    desk.activities.clear()
    run_round(desk)
    assert [(one.step, one.steps) for one in told] == [(1, 3), (2, 3), (3, 3)]
    lines = {one.text: one for one in desk.activities}
    assert "Learning: about to start" in lines
    assert lines["Learning: reading images, 2 of 4"].total == 4
    step = lines["Learning, step 2 of 3: learning"]
    assert (step.done, step.total, step.cancellable) == (2, 3, True)
    assert step.seconds_left == pytest.approx(0.1)
    assert desk.annotator.activity.text == "Ready: 1 of 4 images accepted"


def test_an_image_that_is_accepted_again_is_one_image(make: Callable[..., Desk]) -> None:
    desk = make(images=6, every=2)
    desk.settle()
    for _ in range(3):
        desk.accept()
        desk.annotator.undo()
        desk.settle()
    desk.accept()
    desk.settle()
    assert desk.trainer.given == []
    desk.accept()
    desk.settle()
    assert [len(labelled) for labelled, _ in desk.trainer.given] == [2]


def test_a_cancelled_round_leaves_everything_as_it_was(desk: Desk) -> None:
    gate, entered = threading.Event(), threading.Event()

    def wait(step: int) -> None:
        entered.set()
        gate.wait(5)

    desk.trainer.before_step = wait
    desk.accept()
    desk.settle()
    desk.annotator.start_round()
    assert entered.wait(5)
    desk.annotator.cancel()
    gate.set()
    desk.settle()
    assert desk.trainer.closed
    assert desk.reports == []
    assert desk.problems == []
    assert desk.predictor.version == 1
    assert not desk.annotator.training
    run_round(desk)
    assert len(desk.reports) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "Learning needs more memory than is free."),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "Learning failed unexpectedly (RuntimeError)."),
    ],
)
def test_a_failed_round_is_one_sentence_and_the_next_one_works(desk: Desk, error: BaseException, said: str) -> None:
    desk.trainer.fails = error
    desk.accept()
    desk.settle()
    run_round(desk)
    assert len(desk.problems) == 1
    assert desk.problems[0].startswith(said)
    assert desk.reports == []
    desk.trainer.fails = None
    run_round(desk)
    assert len(desk.reports) == 1


def test_a_click_is_answered_while_a_round_runs(desk: Desk) -> None:
    desk.accept()
    desk.settle()
    order: list[str] = []
    second_step, clicked = threading.Event(), threading.Event()

    def step(number: int) -> None:
        order.append(f"step {number}")
        if number == 2:
            second_step.set()
            clicked.wait(5)

    desk.trainer.before_step = step
    desk.predictor.before_answer = lambda: order.append("click")
    desk.annotator.start_round()
    assert second_step.wait(5)
    desk.annotator.click(CLICK, 1)
    assert desk.annotator.activity.text.endswith("Answering your click")
    clicked.set()
    desk.settle()
    assert order[:4] == ["step 1", "step 2", "click", "step 3"]


def test_a_job_without_a_sign_of_progress_is_told_of(desk: Desk) -> None:
    desk.accept()
    desk.settle()
    entered, go = threading.Event(), threading.Event()

    def hang(_number: int) -> None:
        entered.set()
        go.wait(5)

    desk.trainer.before_step = hang
    desk.annotator.start_round()
    assert entered.wait(5)
    desk.clock.now += 29
    desk.annotator.look_again()
    assert "no progress" not in desk.annotator.activity.text
    desk.clock.now += 40
    desk.annotator.look_again()
    assert desk.annotator.activity.text.endswith("no progress for 60 s; what you accepted is safe: wait, or stop it")
    go.set()
    desk.settle()
    desk.clock.now += 100
    desk.annotator.look_again()
    assert "no progress" not in desk.annotator.activity.text


def test_a_frame_that_cannot_be_read_is_left_out_of_the_round_with_a_sentence(desk: Desk) -> None:
    desk.accept(2)
    desk.settle()
    Path(desk.session.frames[0].path).unlink()
    Path(desk.session.frames[3].path).unlink()
    run_round(desk)
    labelled, unlabelled = desk.trainer.given[0]
    assert [len(labelled), len(unlabelled)] == [1, 1]
    assert sum("scan1.png" in one for one in desk.problems) == 1


def test_frames_that_were_accepted_before_a_structure_was_named_say_nothing_of_it(desk: Desk) -> None:
    desk.accept()
    desk.annotator.set_structures([*desk.session.structures, Structure(3, "bone")])
    desk.accept()
    desk.settle()
    run_round(desk)
    earlier, later = desk.trainer.given[0][0]
    assert (earlier.judged, later.judged) == (frozenset({1, 2}), frozenset({1, 2, 3}))


def test_if_no_accepted_frame_can_be_read_the_round_says_so(desk: Desk) -> None:
    desk.accept()
    desk.settle()
    Path(desk.session.frames[0].path).unlink()
    run_round(desk)
    assert desk.problems[-1].startswith("No accepted frame can be read")
    assert desk.trainer.given == []


def test_images_on_which_nothing_is_outlined_teach_nothing(desk: Desk) -> None:
    first = desk.session.current
    assert first is not None
    for one in desk.session.structures:
        desk.annotator.clear_structure(one.value)
        desk.annotator.tick(one.value, False)
    desk.accept()
    desk.settle()
    assert not desk.session.annotations[first].labels.any()
    run_round(desk)
    assert desk.problems[-1].startswith("Nothing is outlined on the accepted images")
    assert (desk.trainer.given, desk.reports) == ([], [])
    desk.accept()
    desk.settle()
    run_round(desk)
    assert len(desk.trainer.given[0][0]) == 2
