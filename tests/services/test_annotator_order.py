"""The active order: looks in the background, and what is offered when they have come."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from annotator_fakes import Desk, run_round

from napari_adasam.services import looking
from napari_adasam.services.lane import JobKind


def ids(desk: Desk) -> list[str]:
    return [frame.id for frame in desk.session.frames]


def test_no_frame_is_looked_at_unless_the_order_needs_it(desk: Desk) -> None:
    assert desk.predictor.looked == []
    assert desk.annotator.why(desk.current) == "next in the order of the files"


def test_what_the_model_doubts_is_offered_first_and_why(make: Callable[..., Desk]) -> None:
    desk = make()
    desk.predictor.doubts = dict(zip(ids(desk), (0.0, 0.9, 0.8, 0.0), strict=True))
    desk.annotator.set_order("active")
    desk.settle()
    assert sorted(desk.predictor.looked) == sorted(ids(desk))
    assert desk.annotator.queue[0] == ids(desk)[1]
    assert "muscle belly differently (90% apart)" in desk.annotator.why(ids(desk)[1])
    desk.accept()
    assert desk.current == ids(desk)[1], "the first of the order, not the next in the list"
    desk.annotator.set_order("file")
    assert desk.annotator.queue == tuple(ids(desk)[1:])
    assert desk.annotator.why(desk.current) == "next in the order of the files"


def test_the_first_of_the_order_is_prepared_ahead(make: Callable[..., Desk]) -> None:
    desk = make(6)
    desk.predictor.doubts = {ids(desk)[5]: 0.9}
    desk.annotator.set_order("active")
    desk.settle()
    assert desk.session.suggestions(desk.annotator.queue[0])
    assert desk.annotator.queue[0] == ids(desk)[5]


def test_a_new_model_looks_anew_and_a_frame_that_cannot_be_read_is_left_to_the_end(desk: Desk) -> None:
    Path(desk.session.frames[3].path).unlink()
    desk.annotator.set_order("active")
    desk.settle()
    assert desk.annotator.queue[-1] == ids(desk)[3]
    assert len(desk.predictor.looked) == 3
    desk.accept()
    run_round(desk)
    assert len(desk.predictor.looked) == 6, "the accepted frame is looked at too: the others are compared with it"


def test_only_so_many_frames_are_looked_at_ahead(make: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "AHEAD", 3)
    monkeypatch.setattr(looking, "SLICE", 2)
    desk = make(6)
    desk.annotator.set_order("active")
    desk.settle()
    assert len(desk.predictor.looked) == 3
    desk.annotator.go_to(desk.annotator.queue[0])
    desk.accept()
    desk.settle()
    assert len(desk.predictor.looked) == 4


def test_looks_come_after_everything_else() -> None:
    assert max(JobKind) is JobKind.LOOK


def test_they_can_be_stopped_and_the_order_chosen_again_takes_them_up(desk: Desk) -> None:
    desk.annotator.set_order("active")
    desk.annotator.cancel()
    desk.settle()
    assert len(desk.predictor.looked) < 4
    desk.annotator.set_order("active")
    desk.settle()
    assert set(desk.predictor.looked) == set(ids(desk))


def test_stop_is_for_the_suggestion_while_the_line_names_that(desk: Desk) -> None:
    go_on = threading.Event()
    desk.predictor.before_answer = lambda: go_on.wait(10) and None
    desk.annotator.set_order("active")
    desk.annotator.suggest()
    assert desk.annotator.activity.text.startswith("Suggesting outlines")
    desk.annotator.cancel()
    go_on.set()
    desk.settle()
    assert set(desk.predictor.looked) == set(ids(desk))


@pytest.mark.parametrize("how", ["stopped", "failed"])
def test_what_was_stopped_or_failed_goes_on_with_the_next_model(desk: Desk, how: str) -> None:
    desk.accept()
    desk.settle()
    if how == "failed":
        desk.predictor.fails = RuntimeError("once")
    desk.annotator.set_order("active")
    if how == "stopped":
        assert desk.annotator.activity.text == "Looking for the images that teach most"
        desk.annotator.cancel()
    desk.settle()
    desk.predictor.fails = None
    desk.predictor.looked.clear()
    desk.annotator.skip()
    desk.settle()
    assert desk.predictor.looked == [], "not by itself: who stopped it meant it"
    run_round(desk)
    assert desk.predictor.looked
    desk.annotator.set_order("file")
    desk.predictor.looked.clear()
    run_round(desk)
    assert desk.predictor.looked == []
