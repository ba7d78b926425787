"""What a session records when a frame is accepted, and what it brings back."""

from __future__ import annotations

import numpy as np
import pytest
from session_samples import FASCIA, MUSCLE, frame, rows, session, suggested, suggestion

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.prompts import Point
from napari_adasam.domain.records import FrameStatus, MaskOrigin
from napari_adasam.domain.session import Session
from napari_adasam.domain.structures import Structure

CLICK = Point(3.0, 3.0)


def test_accepting_records_how_each_mask_came_to_be() -> None:
    made = Session((MUSCLE, FASCIA, Structure(3, "bone"), Structure(4, "nerve")))
    made.add_frames([frame("a")])
    made.propose("a", [suggestion(1, rows(2, 3)), suggestion(2, rows(0))], made.revision("a"))
    made.set_mask("a", 1, rows(2, 3, 4))
    made.set_mask("a", 3, rows(5))
    annotation = made.accept("a", 12.5)
    assert annotation.origins == {
        1: MaskOrigin.CORRECTED,
        2: MaskOrigin.SUGGESTED,
        3: MaskOrigin.DRAWN,
        4: MaskOrigin.ABSENT,
    }
    assert annotation.changed_share == {1: pytest.approx(1 / 3), 2: 0, 3: 1, 4: 0}
    assert (annotation.seconds, annotation.model) == (12.5, "m1")
    assert np.array_equal(annotation.labels, made.labels("a"))
    assert set(made.annotations) == {"a"}
    assert np.array_equal(made.annotations["a"].labels, annotation.labels)


def test_a_suggestion_that_lost_pixels_to_the_other_counts_as_unchanged() -> None:
    assert suggested().accept("a", 1.0).origins == {1: MaskOrigin.SUGGESTED, 2: MaskOrigin.SUGGESTED}


def test_a_removed_suggestion_is_absent_and_wholly_changed() -> None:
    made = suggested()
    made.clear_structure("a", 1)
    annotation = made.accept("a", 1.0)
    assert annotation.origins[1] is MaskOrigin.ABSENT
    assert annotation.changed_share[1] == 1


def test_removing_a_structure_takes_its_suggestions_out() -> None:
    made = suggested()
    made.set_structures([FASCIA])
    assert set(np.unique(made.labels("a"))) == {0, 2}


@pytest.mark.parametrize("how", ["drawn", "accepted"])
def test_a_structure_that_was_worked_on_cannot_be_removed(how: str) -> None:
    made = suggested()
    if how == "drawn":
        made.set_mask("a", 1, rows(5))
    else:
        made.accept("a", 1.0)
    with pytest.raises(InputError, match="“muscle belly” cannot be removed"):
        made.set_structures([FASCIA])
    assert made.structures == (MUSCLE, FASCIA)


def test_a_reopened_session_shows_what_was_accepted_and_how_it_came_to_be() -> None:
    first = suggested()
    first.set_mask("a", 1, rows(3))
    before = first.accept("a", 5.0)
    made = session()
    made.restore("a", FrameStatus.ACCEPTED, before, {2: True})
    assert made.status("a") is FrameStatus.ACCEPTED
    assert np.array_equal(made.annotations["a"].labels, before.labels)
    assert made.ticks("a") == {2: True}
    assert not made.can_undo("a")
    made.reopen("a")
    again = made.accept("a", 6.0)
    assert (again.origins, again.changed_share, again.model) == (before.origins, before.changed_share, "m1")
    made.set_mask("a", 2, rows(0))
    changed = made.accept("a", 7.0)
    assert changed.origins == {1: MaskOrigin.CORRECTED, 2: MaskOrigin.CORRECTED}
    assert changed.changed_share[2] == 1


def test_a_reopened_session_has_no_suggestions_so_such_a_frame_is_new() -> None:
    made = session()
    made.restore("a", FrameStatus.SUGGESTED)
    assert made.status("a") is FrameStatus.NEW
    made.restore("b", FrameStatus.SKIPPED)
    assert made.status("b") is FrameStatus.SKIPPED
