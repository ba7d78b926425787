"""The session: suggestions, corrections, accepts, and what a late answer may not do."""

from __future__ import annotations

import numpy as np
import pytest
from session_samples import MUSCLE, SHAPE, frame, rows, session, suggested, suggestion

from napari_adasam.domain.prompts import Point
from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.session import Session
from napari_adasam.domain.shelf import Shelf

CLICK = Point(3.0, 3.0)


def heard(made: Session) -> list[str]:
    """What the session tells, in order."""
    told: list[str] = []
    for name in ("current", "labels", "suggestions", "status", "ticks"):
        getattr(made, f"{name}_changed").connect(lambda frame_id, name=name: told.append(f"{name} {frame_id}"))
    made.frames_changed.connect(lambda: told.append("frames"))
    made.structures_changed.connect(lambda: told.append("structures"))
    return told


def test_frames_are_added_once() -> None:
    made = session()
    told = heard(made)
    made.add_frames([frame("b"), frame("c")])
    made.add_frames([frame("c")])
    assert [one.id for one in made.frames] == ["a", "b", "c"]
    assert told == ["frames"]


def test_a_new_frame_is_empty_and_read_only() -> None:
    labels = session().labels("a")
    assert labels.shape == SHAPE
    assert labels.dtype == np.uint8
    assert not labels.any()
    with pytest.raises(ValueError, match="read-only"):
        labels[0, 0] = 1


def test_suggestions_are_laid_in_with_the_thin_structure_on_top() -> None:
    made = suggested()
    assert made.status("a") is FrameStatus.SUGGESTED
    assert np.array_equal(made.labels("a")[:, 0], [0, 2, 2, 1, 1, 0])
    assert set(made.suggestions("a")) == {1, 2}
    assert np.array_equal(made.suggested_labels("a"), made.labels("a"))
    assert made.scores("a") == {1: 0.8, 2: 0.8}


def test_a_late_suggestion_is_refused() -> None:
    made = session()
    asked_at = made.revision("a")
    made.set_mask("a", 1, rows(0))
    assert not made.propose("a", [suggestion(2, rows(1))], asked_at)
    assert not made.suggestions("a")
    assert not (made.labels("a") == 2).any()


def test_a_suggestion_leaves_touched_structures_alone() -> None:
    made = suggested()
    made.set_mask("a", 1, rows(5))
    assert made.propose("a", [suggestion(1, rows(0)), suggestion(2, rows(0, 5))], made.revision("a"))
    assert np.array_equal(made.labels("a")[:, 0], [2, 0, 0, 0, 0, 1])
    assert made.status("a") is FrameStatus.CORRECTED


@pytest.mark.parametrize("close", ["accept", "skip"])
def test_no_suggestion_reaches_a_closed_frame(close: str) -> None:
    made = suggested()
    if close == "accept":
        made.accept("a", 1.0)
    else:
        made.skip("a")
    before = made.labels("a").copy()
    assert not made.propose("a", [suggestion(1, rows(0))], made.revision("a"))
    assert np.array_equal(made.labels("a"), before)


def test_a_click_and_its_mask_are_one_step() -> None:
    made = suggested()
    before = made.labels("a").copy()
    revision = made.ask("a", 1, (CLICK,), None)
    assert made.prompts("a", 1) == ((CLICK,), None)
    assert made.unanswered("a") == (1,)
    assert made.answer("a", 1, rows(3, 4, 5), revision)
    assert np.array_equal(made.labels("a")[:, 0], [0, 2, 2, 1, 1, 1])
    assert made.unanswered("a") == ()
    assert made.undo("a")
    assert made.prompts("a", 1) == ((), None)
    assert np.array_equal(made.labels("a"), before)
    assert made.redo("a")
    assert np.array_equal(made.labels("a")[:, 0], [0, 2, 2, 1, 1, 1])


def test_a_late_answer_is_refused() -> None:
    made = suggested()
    revision = made.ask("a", 1, (CLICK,), None)
    made.undo("a")
    before = made.labels("a").copy()
    assert not made.answer("a", 1, rows(5), revision)
    assert np.array_equal(made.labels("a"), before)


def test_no_answer_lays_pixels_of_a_structure_that_was_removed() -> None:
    made = session()
    revision = made.ask("a", 2, (CLICK,), None)
    made.set_structures([MUSCLE])
    assert not made.answer("a", 2, rows(5), revision)
    assert not made.labels("a").any()


def test_no_answer_reaches_a_skipped_frame() -> None:
    made = suggested()
    made.ask("a", 1, (CLICK,), None)
    made.skip("a")
    assert not made.answer("a", 1, rows(5), made.revision("a"))
    assert made.status("a") is FrameStatus.SKIPPED


def test_the_revision_rises_with_the_clinicians_changes_only() -> None:
    made = session()
    made.propose("a", [suggestion(1, rows(1))], 0)
    assert made.revision("a") == 0
    made.set_mask("a", 1, rows(2))
    made.undo("a")
    made.redo("a")
    assert made.revision("a") == 3
    assert made.revision("b") == 0


def test_a_point_that_cannot_be_answered_is_taken_back_without_a_trace() -> None:
    made = suggested()
    revision = made.ask("a", 1, (CLICK,), None)
    assert made.withdraw("a", revision)
    assert made.prompts("a", 1) == ((), None)
    assert made.status("a") is FrameStatus.SUGGESTED
    assert not made.can_redo("a")


def test_nothing_is_taken_back_once_more_was_done() -> None:
    made = suggested()
    revision = made.ask("a", 1, (CLICK,), None)
    made.set_mask("a", 2, rows(0))
    assert not made.withdraw("a", revision)
    assert made.prompts("a", 1) == ((CLICK,), None)


def test_a_stroke_protects_what_is_outlined_by_hand_and_forgets_the_points_of_its_own() -> None:
    made = suggested()
    made.answer("a", 1, rows(3), made.ask("a", 1, (CLICK,), None))
    made.set_mask("a", 2, rows(1, 2))
    painted = made.labels("a").copy()
    painted[2:6] = 1
    assert made.set_labels("a", painted) == {2}, "it says what stayed"
    assert np.array_equal(made.labels("a")[:, 0], [0, 2, 2, 1, 1, 1])
    assert made.prompts("a", 1) == ((), None)
    assert made.touched("a") == {1, 2}


def test_what_is_only_suggested_gives_way_to_a_stroke_and_stays_a_suggestion() -> None:
    made = suggested()
    painted = made.labels("a").copy()
    painted[2:6] = 1
    assert made.set_labels("a", painted) == frozenset()
    assert np.array_equal(made.labels("a")[:, 0], [0, 2, 1, 1, 1, 1])
    assert made.touched("a") == {1}, "the other one was not outlined by hand"
    made.undo("a")
    assert np.array_equal(made.labels("a")[:, 0], [0, 2, 2, 1, 1, 0])


def test_what_was_accepted_is_protected_as_a_whole() -> None:
    made = suggested()
    made.accept("a", 2.0)
    before, painted = made.labels("a").copy(), made.labels("a").copy()
    painted[2:6] = 1
    assert made.set_labels("a", painted) == {2}
    assert np.array_equal(made.labels("a") == 2, before == 2)


def test_suggestions_beneath_an_answer_give_way_those_on_top_do_not() -> None:
    made = suggested()
    made.answer("a", 2, rows(2, 3), made.ask("a", 2, (CLICK,), None))
    assert np.array_equal(made.labels("a")[:, 0], [0, 0, 2, 2, 1, 0])
    assert made.touched("a") == {2}
    other = suggested()
    other.answer("a", 1, rows(1, 2, 3), other.ask("a", 1, (CLICK,), None))
    assert np.array_equal(other.labels("a")[:, 0], [0, 2, 2, 1, 0, 0]), "the thin one lies on top"


def test_a_refused_stroke_is_no_step_but_is_told() -> None:
    made = suggested()
    made.set_mask("a", 2, rows(1, 2))
    told, revision = heard(made), made.revision("a")
    painted = made.labels("a").copy()
    painted[painted == 2] = 1
    assert made.set_labels("a", painted) == {2}
    assert told == ["labels a"]
    assert made.revision("a") == revision


def test_undo_covers_every_kind_of_step_and_redo_goes_all_the_way_back() -> None:
    made = suggested()
    made.answer("a", 1, rows(3), made.ask("a", 1, (CLICK,), None))
    stroke = made.labels("a").copy()
    stroke[0] = 1
    made.set_labels("a", stroke)
    made.accept("a", 2.0)
    made.reopen("a")
    made.skip("a")
    last = made.labels("a").copy()
    seen = []
    while made.undo("a"):
        seen.append(made.status("a"))
    new, offered, fixed, done = FrameStatus.NEW, FrameStatus.SUGGESTED, FrameStatus.CORRECTED, FrameStatus.ACCEPTED
    assert seen == [fixed, done, fixed, fixed, offered, new]
    assert not made.labels("a").any()
    assert not made.suggestions("a")
    while made.redo("a"):
        pass
    assert made.status("a") is FrameStatus.SKIPPED
    assert np.array_equal(made.labels("a"), last)


def test_each_frame_has_its_own_history() -> None:
    made = session()
    made.set_mask("a", 1, rows(1))
    made.go_to("b")
    made.set_mask("b", 1, rows(2))
    made.go_to("a")
    assert made.undo("a")
    assert not made.labels("a").any()
    assert made.labels("b").any()
    assert not made.undo("a")


def test_a_new_step_ends_redo() -> None:
    made = session()
    made.set_mask("a", 1, rows(1))
    made.undo("a")
    made.set_mask("a", 1, rows(2))
    assert not made.redo("a")
    assert (made.labels("a") == 1)[2].all()


def test_changing_an_accepted_frame_opens_it_and_undo_accepts_it_again() -> None:
    made = suggested()
    made.accept("a", 1.0)
    stroke = made.labels("a").copy()
    stroke[5] = 1
    made.set_labels("a", stroke)
    assert made.status("a") is FrameStatus.CORRECTED
    assert "a" not in made.annotations
    assert not made.propose("a", [suggestion(1, rows(0)), suggestion(2, rows(0))], made.revision("a"))
    made.undo("a")
    assert made.status("a") is FrameStatus.ACCEPTED
    assert "a" in made.annotations


@pytest.mark.parametrize(("start", "status"), [(session, FrameStatus.NEW), (suggested, FrameStatus.SUGGESTED)])
def test_a_skipped_frame_opens_as_it_was(start: object, status: FrameStatus) -> None:
    made = start()  # type: ignore[operator]
    made.skip("a")
    made.reopen("a")
    assert made.status("a") is status


def test_ticking_a_structure_as_absent_removes_its_suggestion_as_one_step() -> None:
    made = suggested()
    made.tick("a", 1, False)
    assert made.ticks("a") == {1: False}
    assert not (made.labels("a") == 1).any()
    made.propose("a", [suggestion(1, rows(4))], made.revision("a"))
    assert not (made.labels("a") == 1).any()
    made.undo("a")
    made.undo("a")
    assert made.ticks("a") == {}
    assert (made.labels("a") == 1).any()


@pytest.mark.parametrize("how", ["stroke", "click", "version"])
def test_what_is_outlined_after_it_was_said_not_to_be_there_is_there(how: str) -> None:
    made = suggested()
    made.tick("a", 1, False)
    drawn = made.labels("a").copy()
    drawn[4] = 1
    told = heard(made)
    if how == "stroke":
        made.set_labels("a", drawn)
    elif how == "click":
        assert made.answer("a", 1, rows(4), made.ask("a", 1, (CLICK,), None))
    else:
        made.bring_back("a", drawn)
    assert (made.labels("a") == 1).any()
    assert made.ticks("a") == {1: True}
    assert told.count("ticks a") == 1
    made.undo("a")
    assert made.ticks("a") == {1: False}
    made.set_mask("a", 2, rows(5))
    assert made.ticks("a") == {1: False}, "another structure says nothing of it"


def test_a_tick_does_not_remove_what_was_drawn() -> None:
    made = session()
    made.set_mask("a", 1, rows(1))
    made.tick("a", 1, False)
    assert (made.labels("a") == 1).any()


def test_what_changed_is_told_and_nothing_else() -> None:
    made = session()
    told = heard(made)
    made.propose("a", [suggestion(1, rows(1))], made.revision("a"))
    assert told == ["labels a", "suggestions a", "status a"]
    told.clear()
    made.tick("a", 2, True)
    assert told == ["ticks a"]
    told.clear()
    made.go_to("a")
    made.go_to("b")
    assert told == ["current b"]
    told.clear()
    made.accept("b", 0.0)
    assert told == ["labels b", "status b"]


def test_clearing_points_keeps_the_mask() -> None:
    made = session()
    made.answer("a", 1, rows(1), made.ask("a", 1, (CLICK,), (0, 0, 2, 2)))
    made.clear_prompts("a", 1)
    assert made.prompts("a", 1) == ((), None)
    assert (made.labels("a") == 1)[1].all()


def test_unknown_frames_are_errors() -> None:
    made = session()
    with pytest.raises(KeyError):
        made.go_to("z")
    assert "z" not in made.annotations
    with pytest.raises(KeyError):
        made.annotations["a"]


def test_suggestions_anew_do_not_unpack_those_they_replace(monkeypatch: pytest.MonkeyPatch) -> None:
    made = suggested()
    read: list[object] = []
    monkeypatch.setattr(Shelf, "read", lambda _shelf, one: read.append(one) or {})
    again = [suggestion(1, rows(2)), suggestion(2, rows(3))]
    assert made.propose("a", again, made.revision("a"))
    assert read == []
    assert made.propose("a", again[:1], made.revision("a"))
    assert len(read) == 1, "those of other structures stay"
