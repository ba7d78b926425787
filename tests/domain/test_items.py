"""A file of several frames is one item, whose counts follow every change."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from session_samples import FASCIA, MUSCLE, SHAPE, frame, rows, suggestion

from napari_adasam.domain.items import Item, Items, Standing, file_stem
from napari_adasam.domain.propagation import Propagated
from napari_adasam.domain.records import Frame
from napari_adasam.domain.session import Session

CLIP = ("c-0", "c-1", "c-2", "c-10")


def clip_frame(frame_id: str) -> Frame:
    number = int(frame_id.partition("-")[2])
    return Frame(frame_id, "/scans/c.tif", number, *SHAPE, stem=f"c_{number:04d}")


@pytest.fixture
def session() -> Session:
    made = Session((MUSCLE, FASCIA))
    made.add_frames([frame("a"), *(clip_frame(one) for one in reversed(CLIP)), frame("b")])
    return made


def propagate(session: Session, frame_id: str, value: int = 1) -> None:
    how = Propagated("c-0", "outline", 0.9)
    found = [suggestion(value, rows(1), frame_id)]
    assert session.propose(frame_id, found, session.revision(frame_id), how)


def test_frames_of_a_file_are_one_item_in_their_order(session: Session) -> None:
    items = Items(session)
    assert items.all == (Item(0, ("a",)), Item(1, CLIP), Item(2, ("b",)))
    assert [item.several for item in items.all] == [False, True, False]
    assert items.of("c-2") == items.all[1]
    assert [items.beside("c-2", step) for step in (-2, 1, 2)] == ["c-0", "c-10", None]
    session.add_frames([frame("d")])
    assert items.all[3] == Item(3, ("d",))


def test_counts_follow_every_change_and_its_undoing(session: Session) -> None:
    items = Items(session)
    clip = items.all[1]

    def counts() -> tuple[int, ...]:
        found = items.counts(clip)
        assert +found == Counter(items.standing(one) for one in clip.frames)
        assert found.total() == 4
        return tuple(found[one] for one in Standing)

    assert counts() == (0, 0, 0, 4)
    session.set_mask("c-0", 1, rows(2))
    session.accept("c-0", 1.0)
    assert counts() == (1, 0, 0, 3)
    propagate(session, "c-1")
    propagate(session, "c-2")
    assert counts() == (1, 0, 2, 1)
    session.skip("c-10")
    session.accept("c-1", 1.0)
    assert counts() == (2, 1, 1, 0)
    assert items.first_open(clip) == "c-2"
    session.undo("c-1")
    session.undo("c-1")
    assert counts() == (1, 1, 1, 1)
    session.reopen("c-10")
    assert counts() == (1, 0, 1, 2)
    assert items.first_open(clip) == "c-1"


def test_a_change_asks_for_no_other_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session((MUSCLE,))
    session.add_frames([Frame(f"f-{at}", "/f.avi", at, *SHAPE, stem=f"f_{at:04d}") for at in range(5000)])
    items = Items(session)
    assert items.counts(items.all[0])[Standing.OPEN] == 5000
    asked: list[str] = []
    status = session.status
    monkeypatch.setattr(session, "status", lambda one: asked.append(one) or status(one))
    session.set_labels("f-7", np.ones(SHAPE, np.uint8))
    session.accept("f-7", 1.0)
    assert items.counts(items.of("f-7"))[Standing.ACCEPTED] == 1
    assert set(asked) == {"f-7"}


def test_a_propagated_frame_that_was_changed_is_in_work(session: Session) -> None:
    items = Items(session)
    propagate(session, "c-1")
    assert items.counting(items.all[1]) == 1
    session.set_mask("c-1", 1, rows(2))
    assert items.standing("c-1") is Standing.OPEN
    assert items.counting(items.all[1]) == 0
    session.undo("c-1")
    assert items.standing("c-1") is Standing.PROPAGATED


@pytest.mark.parametrize(
    ("stem", "name"), [("c_0010", "c"), ("c_0010_2", "c_2"), ("c_0010_0010", "c_0010"), ("c", "c")]
)
def test_a_file_is_called_as_its_frames_without_their_numbers(stem: str, name: str) -> None:
    """Of two files of one name the frames of the second end in a number of their own."""
    assert file_stem(Frame("c-10", "/scans/c.tif", 10, *SHAPE, stem=stem)) == name
