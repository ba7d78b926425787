"""What a session records when a frame is accepted, and what it brings back."""

from __future__ import annotations

import numpy as np
import pytest
from session_samples import FASCIA, MUSCLE, SHAPE, frame, rows, session, suggested, suggestion

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.packing import PackedAnnotation, StoredLabels
from napari_adasam.domain.prompts import Point
from napari_adasam.domain.records import Annotation, Draft, FrameStatus, Labels, MaskOrigin
from napari_adasam.domain.session import Session
from napari_adasam.domain.steps import restored
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


def test_undo_and_redo_do_not_bring_a_removed_structure_back() -> None:
    made = suggested()
    made.set_mask("a", 1, rows(4))
    made.set_structures([MUSCLE])
    seen = []
    for travel in (made.undo, made.undo, made.redo, made.redo):
        assert travel("a")
        seen.append(sorted(int(value) for value in np.unique(made.labels("a"))))
    assert seen == [[0, 1]] * 4
    assert not made.answer("a", 2, rows(0), made.revision("a"))
    assert made.undo("a")
    assert set(made.accept("a", 1.0).origins) == {1}


def test_pixels_of_a_structure_that_is_in_no_list_are_not_recorded() -> None:
    """As a draft on the disk may have them, of a structure that was removed since."""
    made, labels = session(), np.zeros(SHAPE, np.uint8)
    labels[1], labels[3] = 1, 7
    made.restore("a", FrameStatus.CORRECTED, draft=Draft(Annotation("a", labels, {}, {}, 1.0, ""), frozenset({1})))
    annotation = made.accept("a", 1.0)
    assert set(np.unique(annotation.labels)) == set(np.unique(made.labels("a"))) == {0, 1}
    assert set(annotation.origins) == {1, 2}


@pytest.mark.parametrize("way", ["skip", "reopen", "stroke"])
def test_what_was_accepted_once_is_not_replaced_by_a_suggestion(way: str) -> None:
    made = suggested()
    made.accept("a", 1.0)
    if way == "skip":
        made.skip("a")
    if way == "stroke":
        made.set_mask("a", 2, rows(0))
    else:
        made.reopen("a")
    kept = np.array(made.labels("a"))
    assert made.touched("a") == {1, 2}
    assert not made.propose("a", [suggestion(1, rows(5)), suggestion(2, rows(4))], made.revision("a"))
    assert np.array_equal(made.labels("a"), kept)


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


@pytest.mark.parametrize("status", [FrameStatus.NEW, FrameStatus.SUGGESTED])
def test_an_accept_that_was_undone_altogether_is_not_brought_back(status: FrameStatus) -> None:
    before = suggested().accept("a", 5.0)
    made = session()
    made.restore("a", status, before)
    assert made.status("a") is FrameStatus.NEW
    assert made.touched("a") == frozenset()
    assert not made.labels("a").any()
    made.restore("a", FrameStatus.CORRECTED, before)
    assert made.touched("a") == {1, 2}
    assert np.array_equal(made.labels("a"), before.labels)


def on_a_disk(made: Session) -> list[str]:
    """Bring frame "a" back as a reopened session does, its mask still on the disk; put a word in to take it away."""
    packed, gone = PackedAnnotation.of(suggested().accept("a", 5.0)), list[str]()

    def read() -> Labels:
        if gone:
            raise InputError("The mask is missing.")
        return packed.labels.open()

    stored = PackedAnnotation(packed.bare, StoredLabels(SHAPE, "mask", read))
    made.add_kept([frame("a")], {"a": restored(FrameStatus.ACCEPTED, stored, {}, None)})
    return gone


def test_what_was_taken_into_memory_stays_whatever_becomes_of_the_disk() -> None:
    made = session()
    gone = on_a_disk(made)
    before = made.labels("a").copy()
    made.hold("a")
    made.hold("b")
    gone.append("away")
    made.reopen("a")
    made.set_mask("a", 1, rows(5))
    assert made.accept("a", 6.0).origins == {1: MaskOrigin.CORRECTED, 2: MaskOrigin.SUGGESTED}
    while made.undo("a"):
        pass
    assert made.status("a") is FrameStatus.ACCEPTED
    assert np.array_equal(made.labels("a"), before)


def test_an_undo_or_redo_whose_labels_cannot_be_read_loses_no_step() -> None:
    made = session()
    gone = on_a_disk(made)
    made.set_mask("a", 1, rows(5))
    now, revision = made.labels("a").copy(), made.revision("a")
    gone.append("away")
    for _ in range(2):
        with pytest.raises(InputError):
            made.undo("a")
    assert made.can_undo("a")
    assert not made.can_redo("a")
    assert made.revision("a") == revision
    gone.clear()
    assert made.undo("a")
    assert made.redo("a")
    assert np.array_equal(made.labels("a"), now)


@pytest.mark.parametrize("name", ["aponeurosis", " Aponeurosis"])
def test_no_two_structures_are_given_one_name(name: str) -> None:
    made = session()
    with pytest.raises(InputError, match="There is a structure of this name already; nothing was changed"):
        made.check_structures([Structure(1, name), FASCIA])
    made.check_structures([FASCIA, MUSCLE])


def test_structures_that_share_a_name_since_earlier_times_are_kept_until_one_is_renamed() -> None:
    made = Session((Structure(9, "something else"),))
    twins = (Structure(1, "muscle"), Structure(2, "Muscle"))
    made.set_structures(twins)
    assert made.structures == twins
    made.check_structures([*twins, Structure(3, "bone")])
    made.check_structures([twins[0], twins[1].renamed("aponeurosis")])
    with pytest.raises(InputError, match="of this name already"):
        made.check_structures([*twins, Structure(3, "muscle")])
