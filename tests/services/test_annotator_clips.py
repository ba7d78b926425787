"""Outlines of accepted frames are taken to the others of their clip; what a person decided stays."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from annotator_fakes import HEIGHT, INSIDE, WIDTH, Desk, make_desk, run_round

from napari_adasam.domain.records import FrameStatus, MaskOrigin
from napari_adasam.domain.settings import LearnSettings, Settings
from napari_adasam.domain.structures import Structure
from napari_adasam.files.masks import mask_name
from napari_adasam.files.store import Store
from napari_adasam.services.propagating import NO_CLIP, NO_KEY, UNDER_WAY

FRAMES = 9


def write_clip(path: Path, frames: int = FRAMES) -> Path:
    stack = np.random.default_rng(0).integers(0, 255, (frames, HEIGHT, WIDTH), dtype=np.uint8)
    tifffile.imwrite(path, stack, photometric="minisblack")
    return path


@pytest.fixture
def desk(make: Callable[..., Desk], tmp_path: Path) -> Desk:
    """A clip of nine frames, the first on the screen with its suggestion."""
    made = make(images=0)
    assert made.annotator.open([write_clip(tmp_path / "cine.tif")]) == []
    made.settle()
    return made


def ids(desk: Desk) -> list[str]:
    return [frame.id for frame in desk.session.frames]


def sources(desk: Desk) -> list[int | None]:
    """For each frame, the number of the frame that its masks came from."""
    found = [desk.session.propagated(one) for one in ids(desk)]
    return [None if how is None else ids(desk).index(how.source) for how in found]


def accept(desk: Desk, number: int, rows: slice | None = None) -> None:
    """Accept a frame, with other outlines drawn first if so wanted."""
    desk.annotator.go_to(ids(desk)[number])
    desk.settle()
    if rows is not None:
        labels = np.zeros((HEIGHT, WIDTH), np.uint8)
        labels[rows, 5:25] = 1
        for value in (1, 2):
            desk.annotator.clear_structure(value)
        desk.annotator.stroke(labels)
    assert desk.annotator.accept()


def propagate(desk: Desk) -> None:
    assert desk.annotator.propagate()
    desk.settle()


def test_an_accepted_frame_is_followed_by_all_others(desk: Desk) -> None:
    accept(desk, 3)
    key = desk.session.labels(ids(desk)[3]).copy()
    propagate(desk)
    assert sources(desk) == [3, 3, 3, None, 3, 3, 3, 3, 3]
    for number, frame_id in enumerate(ids(desk)):
        assert np.array_equal(desk.session.labels(frame_id), np.roll(key, abs(number - 3), 1))
    how = desk.session.propagated(ids(desk)[0])
    assert how is not None
    assert how.confidence == 0.9
    assert desk.session.status(ids(desk)[0]) is FrameStatus.SUGGESTED
    assert desk.problems == []


def test_accepted_frames_are_never_touched_and_the_nearer_one_counts(desk: Desk) -> None:
    accept(desk, 0, slice(2, 8))
    accept(desk, 6, slice(20, 30))
    before = [desk.session.step(ids(desk)[number]) for number in (0, 6)]
    propagate(desk)
    assert sources(desk) == [None, 0, 0, 0, 6, 6, None, 6, 6]
    assert [desk.session.step(ids(desk)[number]) for number in (0, 6)] == before
    assert desk.session.accepted == 2


def test_it_goes_on_from_the_last_frame_that_follows_and_not_from_one_that_was_left_out(desk: Desk) -> None:
    accept(desk, 0)
    propagate(desk)
    desk.annotator.go_to(ids(desk)[2])
    desk.annotator.skip()
    desk.annotator.go_to(ids(desk)[3])
    desk.settle()
    while desk.session.propagated(ids(desk)[3]) is not None:
        assert desk.annotator.undo()
    desk.predictor.followed.clear()
    propagate(desk)
    assert desk.predictor.followed == [(ids(desk)[at], ids(desk)[at + 1]) for at in range(1, FRAMES - 1)]
    assert sources(desk)[3:] == [0] * (FRAMES - 3)
    assert desk.session.status(ids(desk)[2]) is FrameStatus.SKIPPED


def test_what_is_accepted_while_masks_are_on_their_way_is_not_touched(desk: Desk) -> None:
    accept(desk, 0)
    reached, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        if len(desk.predictor.followed) == 3:
            reached.set()
            assert go_on.wait(10)

    desk.predictor.before_answer = wait
    assert desk.annotator.propagate()
    assert desk.annotator.why_not("propagate") == UNDER_WAY
    assert reached.wait(10)
    desk.annotator.go_to(ids(desk)[5])
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[1:4, 1:9] = 1
    desk.annotator.stroke(labels)
    assert desk.annotator.accept()
    go_on.set()
    desk.settle()
    assert (desk.session.labels(ids(desk)[5]) == 1).sum() == (labels == 1).sum()
    assert sources(desk)[6:] == [5, 5, 5], "the frames after it follow it"
    assert desk.session.accepted == 2


def test_a_click_goes_first(desk: Desk) -> None:
    accept(desk, 0)
    reached, go_on = threading.Event(), threading.Event()
    clicked_after: list[int] = []
    segment = desk.predictor.segment

    def noting(*given: object) -> object:
        clicked_after.append(len(desk.predictor.followed))
        return segment(*given)  # type: ignore[arg-type]

    def wait() -> None:
        if len(desk.predictor.followed) == 2 and not reached.is_set():
            reached.set()
            assert go_on.wait(10)

    desk.predictor.segment = noting  # type: ignore[method-assign,assignment]
    desk.predictor.before_answer = wait
    desk.annotator.go_to(ids(desk)[8])
    desk.settle()
    assert desk.annotator.propagate()
    assert reached.wait(10)
    desk.annotator.click(INSIDE, 1)
    go_on.set()
    desk.settle()
    assert clicked_after == [2]
    assert sources(desk) == [None, *[0] * 7, None]


def test_correcting_renews_only_the_frames_that_are_nearer_to_it(desk: Desk) -> None:
    accept(desk, 0)
    propagate(desk)
    before = [desk.session.step(one) for one in ids(desk)]
    desk.predictor.followed.clear()
    accept(desk, 6, slice(2, 8))
    desk.settle()
    assert sources(desk) == [None, 0, 0, 0, 6, 6, 0, 6, 6]
    after = [desk.session.step(one) for one in ids(desk)]
    assert [one is other for one, other in zip(before, after, strict=True)] == [True] * 4 + [False] * 5
    assert len(desk.predictor.followed) == 4
    corrected = desk.session.labels(ids(desk)[6])
    assert np.array_equal(desk.session.labels(ids(desk)[5]), np.roll(corrected, 1, 1))


def test_accepting_what_came_as_it_is_renews_nothing(desk: Desk) -> None:
    accept(desk, 0)
    propagate(desk)
    desk.predictor.followed.clear()
    accept(desk, 4)
    desk.settle()
    assert desk.predictor.followed == []
    assert desk.session.annotations[ids(desk)[4]].origins[1] is MaskOrigin.SUGGESTED


def test_what_a_person_drew_or_left_out_stays(desk: Desk) -> None:
    accept(desk, 0)
    for number in (2, 4):
        desk.annotator.go_to(ids(desk)[number])
        desk.settle()
        desk.annotator.click(INSIDE, 1) if number == 2 else desk.annotator.skip()
        desk.settle()
    before = [desk.session.step(ids(desk)[number]) for number in (2, 4)]
    propagate(desk)
    assert [desk.session.step(ids(desk)[number]) for number in (2, 4)] == before
    assert sources(desk) == [None, 0, None, 0, None, 0, 0, 0, 0]


def test_cancelling_keeps_what_is_done_and_the_next_time_goes_on_from_there(desk: Desk) -> None:
    accept(desk, 0)
    asked = desk.predictor.followed
    desk.predictor.before_answer = lambda: desk.annotator.cancel() if len(asked) == 3 else None
    propagate(desk)
    assert sources(desk) == [None, 0, 0, 0, *[None] * 5]
    desk.predictor.before_answer = lambda: None
    asked.clear()
    propagate(desk)
    assert sources(desk) == [None, *[0] * 8]
    assert asked == list(zip(ids(desk)[3:], ids(desk)[4:], strict=False))
    assert not desk.annotator.propagate()


def test_of_many_lost_frames_the_first_ones_are_named_in_order(desk: Desk) -> None:
    for number in (8, 6, 4, 2, 0):
        accept(desk, number)
    desk.predictor.lost = set(ids(desk))
    propagate(desk)
    assert (
        "lost at cine_0001 (10% sure), cine_0003 (10% sure), cine_0005 (10% sure) and 1 more, so" in desk.problems[-1]
    )


def test_drift_stops_and_is_said_and_correcting_goes_on(desk: Desk) -> None:
    accept(desk, 0)
    desk.predictor.lost = {ids(desk)[4]}
    propagate(desk)
    assert sources(desk) == [None, 0, 0, 0, *[None] * 5]
    assert "lost at cine_0004 (10% sure)" in desk.problems[-1]
    accept(desk, 4, slice(2, 8))
    desk.settle()
    assert sources(desk) == [None, 0, 0, 4, None, 4, 4, 4, 4]


def test_on_both_sides_of_a_cut_frames_keep_what_they_have(desk: Desk) -> None:
    accept(desk, 0)
    desk.predictor.lost = {ids(desk)[6]}
    propagate(desk)
    desk.predictor.lost = {ids(desk)[5]}
    desk.problems.clear()
    accept(desk, 6, slice(2, 8))
    desk.settle()
    assert sources(desk) == [None, 0, 0, 0, 0, 0, None, 6, 6]
    assert desk.problems == []


def test_it_says_why_not(desk: Desk, make: Callable[..., Desk]) -> None:
    assert desk.annotator.why_not("propagate") == NO_KEY
    assert not desk.annotator.propagate()
    assert make().annotator.why_not("propagate") == NO_CLIP


def test_a_new_model_and_a_look_ahead_leave_propagated_masks(desk: Desk) -> None:
    accept(desk, 0)
    propagate(desk)
    before = [desk.session.step(one) for one in ids(desk)]
    run_round(desk)
    desk.annotator.go_to(ids(desk)[5])
    desk.settle()
    assert [desk.session.step(one) for one in ids(desk)] == before
    desk.annotator.suggest()
    desk.settle()
    assert sources(desk)[4:7] == [0, None, 0], "asked for, the suggestion comes"


def test_undo_takes_propagated_masks_back(desk: Desk) -> None:
    accept(desk, 0)
    desk.annotator.go_to(ids(desk)[1])
    desk.settle()
    suggested = desk.labels().copy()
    propagate(desk)
    assert not np.array_equal(desk.labels(), suggested)
    assert desk.annotator.undo()
    assert np.array_equal(desk.labels(), suggested)


def test_masks_are_there_after_reopening(desk: Desk, tmp_path: Path) -> None:
    assert desk.annotator.save_as(tmp_path / "session")
    accept(desk, 0)
    propagate(desk)
    desk.annotator.go_to(ids(desk)[2])
    desk.annotator.click(INSIDE, 1)
    desk.settle()
    labels = [desk.session.labels(one).copy() for one in ids(desk)]
    hows = [desk.session.propagated(one) for one in ids(desk)]
    desk.annotator.close()

    again = make_desk(Settings(learn=LearnSettings(every=0)), (Structure(9, "something else"),))
    assert again.annotator.open([tmp_path / "session"]) == []
    again.settle()
    assert [again.session.propagated(one) for one in ids(again)] == hows
    assert all(np.array_equal(again.session.labels(one), was) for one, was in zip(ids(again), labels, strict=True))
    stands = [again.session.status(one).value for one in ids(again)]
    assert stands == ["accepted", "suggested", "corrected", *["suggested"] * 6]
    accept(again, 4)
    kept = again.session.annotations[ids(again)[4]]
    assert (kept.origins[1], kept.changed_share[1], kept.model) == (MaskOrigin.SUGGESTED, 0.0, "v1")
    accept(again, 6, slice(2, 8))
    again.settle()
    assert sources(again)[5:] == [0, 0, 6, 6], "frame 5 lies between two key frames, as near to the earlier one"
    on_disk = Store.read(tmp_path / "session").propagated
    assert sorted(on_disk) == sorted(ids(again)[number] for number in (1, 2, 3, 5, 7, 8))
    again.annotator.close()


def hold(desk: Desk, count: int) -> tuple[threading.Event, threading.Event]:
    """Let the predictor wait in its frame of that number: an event when it is reached, and one to let it go on."""
    reached, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        if len(desk.predictor.followed) == count and not reached.is_set():
            reached.set()
            assert go_on.wait(10)

    desk.predictor.before_answer = wait
    return reached, go_on


def test_a_tick_or_a_stroke_taken_back_meanwhile_leaves_no_gap(desk: Desk) -> None:
    accept(desk, 0)
    reached, go_on = hold(desk, 2)
    assert desk.annotator.propagate()
    assert reached.wait(10)
    desk.annotator.go_to(ids(desk)[5])
    assert desk.annotator.tick(2, False)
    desk.annotator.go_to(ids(desk)[7])
    labels = desk.labels().copy()
    labels[1:4, 1:9] = 1
    desk.annotator.stroke(labels)
    assert desk.annotator.undo()
    go_on.set()
    desk.settle()
    assert sources(desk) == [None, *[0] * 8]
    assert set(np.unique(desk.session.labels(ids(desk)[5]))) == {0, 1}, "what was ticked off stays away"
    assert set(np.unique(desk.session.labels(ids(desk)[6]))) == {0, 1, 2}


def test_lost_at_once_it_goes_on_from_the_corrected_frame(desk: Desk) -> None:
    accept(desk, 0)
    desk.predictor.lost = {ids(desk)[1]}
    propagate(desk)
    assert sources(desk) == [None] * 9
    assert "lost at cine_0001" in desk.problems[-1]
    accept(desk, 1, slice(2, 8))
    desk.settle()
    assert sources(desk) == [None, None, *[1] * 7]


def test_outlines_of_before_that_stay_behind_a_loss_are_told_of(desk: Desk) -> None:
    accept(desk, 0)
    propagate(desk)
    desk.predictor.lost = {ids(desk)[4]}
    desk.annotator.go_to(ids(desk)[0])
    desk.annotator.reopen()
    accept(desk, 0, slice(2, 8))
    desk.settle()
    assert "lost at cine_0004 (10% sure)" in desk.problems[-1]


def test_a_file_that_is_gone_is_told_of_once(desk: Desk, tmp_path: Path) -> None:
    accept(desk, 2)
    accept(desk, 6)
    (tmp_path / "cine.tif").unlink()
    propagate(desk)
    assert sources(desk) == [None] * 9
    assert desk.problems[-1].count("cine.tif") == 1


def test_a_clip_that_waits_is_gone_through_once(desk: Desk, tmp_path: Path) -> None:
    """Two of its frames are accepted while another clip is gone through."""
    assert desk.annotator.open([write_clip(tmp_path / "other.tif", 12)]) == []
    desk.predictor.lost = {ids(desk)[20]}
    accept(desk, 9)
    propagate(desk)
    accept(desk, 0)
    desk.problems.clear()
    reached, go_on = hold(desk, len(desk.predictor.followed) + 1)
    desk.annotator.go_to(ids(desk)[0])
    assert desk.annotator.propagate()
    assert reached.wait(10)
    for number in (13, 17):
        desk.annotator.go_to(ids(desk)[number])
        desk.annotator.stroke(np.roll(desk.labels(), 2, 0))
        assert desk.annotator.accept()
    go_on.set()
    desk.settle()
    assert sources(desk)[9:] == [None, 9, 9, 13, 9, 13, 13, 17, 9, 17, 17, None]
    assert len(desk.problems) == 1
    assert "lost at other_0011" in desk.problems[0]


def test_pressed_again_nothing_is_made_anew_behind_a_frame_that_was_left_out(desk: Desk) -> None:
    accept(desk, 0)
    desk.annotator.go_to(ids(desk)[4])
    desk.annotator.skip()
    propagate(desk)
    assert sources(desk) == [None, 0, 0, 0, None, 0, 0, 0, 0]
    desk.predictor.followed.clear()
    assert not desk.annotator.propagate()
    desk.settle()
    assert desk.predictor.followed == []


def test_a_frame_accepted_without_a_structure_that_came_is_a_key_frame(desk: Desk) -> None:
    accept(desk, 0)
    propagate(desk)
    desk.annotator.go_to(ids(desk)[4])
    assert desk.annotator.tick(2, False)
    assert desk.annotator.accept()
    desk.settle()
    assert sources(desk)[5:] == [4] * 4
    assert set(np.unique(desk.session.labels(ids(desk)[8]))) == {0, 1}


def test_frames_that_followed_a_correction_follow_what_it_was_taken_back_to(desk: Desk) -> None:
    accept(desk, 0)
    propagate(desk)
    as_it_came = desk.session.labels(ids(desk)[4]).copy()
    accept(desk, 4, slice(2, 8))
    desk.settle()
    desk.annotator.go_to(ids(desk)[4])
    while not np.array_equal(desk.session.labels(ids(desk)[4]), as_it_came):
        assert desk.annotator.undo()
    assert desk.annotator.accept()
    desk.settle()
    for number in (5, 6, 7, 8):
        assert np.array_equal(desk.session.labels(ids(desk)[number]), np.roll(as_it_came, number - 4, 1))


def test_what_was_ticked_off_on_a_propagated_frame_stays_away_after_reopening(desk: Desk, tmp_path: Path) -> None:
    assert desk.annotator.save_as(tmp_path / "session")
    accept(desk, 0)
    propagate(desk)
    desk.annotator.go_to(ids(desk)[3])
    assert desk.annotator.tick(2, False)
    labels = desk.labels().copy()
    desk.annotator.close()
    again = make_desk(Settings(learn=LearnSettings(every=0)), (Structure(9, "something else"),))
    again.annotator.open([tmp_path / "session"])
    again.settle()
    assert set(np.unique(labels)) == {0, 1}
    assert np.array_equal(again.session.labels(ids(again)[3]), labels)
    again.annotator.close()


@pytest.mark.parametrize("how", ["accepted and taken back", "kept elsewhere"])
def test_what_was_not_corrected_of_a_frame_is_there_after_reopening_too(desk: Desk, tmp_path: Path, how: str) -> None:
    folder = tmp_path / "session"
    assert desk.annotator.save_as(folder)
    accept(desk, 0)
    propagate(desk)
    there = ids(desk)[3]
    desk.annotator.go_to(there)
    labels = desk.labels().copy()
    labels[0:3, 0:3] = 1
    desk.annotator.stroke(labels)
    if how == "kept elsewhere":
        folder = tmp_path / "another"
        assert desk.annotator.save_as(folder)
    else:
        assert desk.annotator.accept()
        assert desk.annotator.undo()
    desk.annotator.close()
    again = make_desk(Settings(learn=LearnSettings(every=0)), (Structure(9, "something else"),))
    assert again.annotator.open([folder]) == []
    again.annotator.go_to(there)
    again.settle()
    assert again.session.propagated(there) == desk.session.propagated(there) is not None
    assert np.array_equal(again.session.labels(there), labels)
    assert again.session.touched(there) == {1}
    again.annotator.close()


@pytest.mark.parametrize("when", ["at once", "after reopening"])
@pytest.mark.parametrize("word", [True, None])
def test_a_structure_unticked_by_mistake_comes_back_with_its_tick(
    desk: Desk, tmp_path: Path, when: str, word: bool | None
) -> None:
    assert desk.annotator.save_as(tmp_path / "session")
    accept(desk, 0)
    propagate(desk)
    there, mine = ids(desk)[3], desk
    before = desk.session.labels(there).copy()
    if when == "after reopening":
        desk.annotator.close()
        mine = make_desk(Settings(learn=LearnSettings(every=0)), (Structure(9, "something else"),))
        mine.annotator.open([tmp_path / "session"])
    mine.annotator.go_to(there)
    mine.settle()
    assert mine.annotator.tick(1, False)
    assert not (mine.labels() == 1).any()
    assert mine.annotator.tick(1, word)
    mine.settle()
    assert np.array_equal(mine.labels(), before)
    assert Store.read(tmp_path / "session").propagated[there].labels == mine.session.packed(there)
    assert mine.annotator.undo()
    assert not (mine.labels() == 1).any()
    assert mine.annotator.redo()
    assert mine.annotator.accept()
    assert mine.session.annotations[there].origins[1] is MaskOrigin.SUGGESTED
    mine.annotator.close()


def test_outlines_that_cannot_be_read_are_told_of_and_taken_nowhere(desk: Desk, tmp_path: Path) -> None:
    assert desk.annotator.save_as(tmp_path / "session")
    accept(desk, 0)
    accept(desk, 6, slice(20, 30))
    last = Store.read(tmp_path / "session").annotations[ids(desk)[6]].labels
    desk.annotator.close()
    (tmp_path / "session" / "masks" / f"{mask_name(last)}.tif").write_bytes(b"damaged")
    again = make_desk(Settings(learn=LearnSettings(every=0)), (Structure(1, "muscle"),))
    again.annotator.open([tmp_path / "session"])
    assert again.annotator.propagate(), "before the masks were looked at in the background"
    assert [one for one in again.problems if "missing or damaged" in one]
    again.settle()
    assert sources(again) == [None, *[0] * 8], "what was accepted there is no key frame any more"
    again.annotator.close()


def test_a_clip_whose_only_outlines_cannot_be_read_needs_others(desk: Desk, tmp_path: Path) -> None:
    assert desk.annotator.save_as(tmp_path / "session")
    accept(desk, 0)
    desk.annotator.close()
    for mask in (tmp_path / "session" / "masks").iterdir():
        mask.write_bytes(b"damaged")
    again = make_desk(Settings(learn=LearnSettings(every=0)), (Structure(1, "muscle"),))
    again.annotator.open([tmp_path / "session"])
    assert not again.annotator.propagate()
    assert "missing or damaged" in again.problems[0]
    assert again.problems[-1] == NO_KEY
    again.annotator.close()


def test_masks_of_a_key_frame_that_cannot_be_read_are_not_up_to_date(desk: Desk, tmp_path: Path) -> None:
    assert desk.annotator.save_as(tmp_path / "session")
    accept(desk, 4)
    propagate(desk)
    desk.annotator.close()
    for mask in (tmp_path / "session" / "masks").iterdir():
        mask.write_bytes(b"damaged")
    again = make_desk(Settings(learn=LearnSettings(every=0)), (Structure(1, "muscle"),))
    again.annotator.open([tmp_path / "session"])
    assert not again.annotator._clips.propagating._is_up_to_date(ids(again)[0])
    again.annotator.close()
