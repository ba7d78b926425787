"""What a clinician has not accepted yet, and what the model has learned, is there again after closing or a crash."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from annotator_fakes import (
    FULL,
    HEIGHT,
    OUTSIDE,
    WIDTH,
    Desk,
    FakePredictor,
    full_disk,
    make_desk,
    run_round,
    write_images,
)

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.domain.records import FrameStatus, MaskOrigin
from napari_adasam.domain.settings import LearnSettings, Settings
from napari_adasam.domain.structures import MUSCLE_PRESET, Structure
from napari_adasam.files import home
from napari_adasam.files.exports.naming import KEY_FILE
from napari_adasam.files.schema import COLUMNS, names
from napari_adasam.files.store import DATABASE, Store, is_session
from napari_adasam.services.filing import UNTOUCHED
from napari_adasam.services.ports import ModelInfo

Sit = Callable[[], Desk]


@pytest.fixture
def sit(tmp_path: Path) -> Iterator[Sit]:
    """Sit down at a new window whose sessions are kept by themselves."""
    desks: list[Desk] = []

    def new() -> Desk:
        desk = make_desk(Settings(learn=LearnSettings(every=0)), MUSCLE_PRESET)
        desk.annotator.keep_by_itself(tmp_path / "home")
        desks.append(desk)
        return desk

    yield new
    for desk in desks:
        desk.annotator.close()


def open_scans(desk: Desk, tmp_path: Path) -> list[str]:
    said = desk.annotator.open([write_images(tmp_path / "scans", 3)])
    desk.settle()
    return said


def stroke(desk: Desk, value: int = 1) -> np.ndarray:
    labels = desk.labels().copy()
    labels[2:6, 5:20] = value
    desk.annotator.stroke(labels)
    return desk.labels().copy()


def stored(desk: Desk) -> Path:
    assert desk.annotator.folder is not None
    return desk.annotator.folder


def learn_in_a_sitting(sit: Sit, tmp_path: Path, and_lose_it: bool = False) -> None:
    """Open the scans, accept one, learn from it and close; then what was learned is not there where it is lost."""
    desk = sit()
    open_scans(desk, tmp_path)
    desk.accept()
    run_round(desk)
    if and_lose_it:
        for file in (stored(desk) / "models").iterdir():
            file.unlink()
    desk.annotator.close()


def stored_last(tmp_path: Path) -> Path:
    """The folder of the one session that was kept by itself and is closed."""
    (folder,) = [path for path in (tmp_path / "home").iterdir() if is_session(path)]
    return folder


def test_work_is_kept_without_being_asked_and_is_there_again(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    assert open_scans(desk, tmp_path) == []
    assert desk.annotator.kept_by_itself
    first = desk.current
    desk.accept()
    labels = desk.session.annotations[first].labels
    desk.annotator.close()
    again = sit()
    assert open_scans(again, tmp_path) == ["Your earlier work is here again: 1 of 3 accepted."]
    assert np.array_equal(again.session.annotations[first].labels, labels)
    assert again.annotator.kept_by_itself
    assert stored(again).parent == tmp_path / "home"


def test_where_nothing_was_done_no_earlier_work_is_told_of(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    desk.settle()
    desk.annotator.close()
    again = sit()
    assert open_scans(again, tmp_path) == ["These images were opened before, and nothing is done on them yet."]
    assert stored(again).parent == tmp_path / "home"


@pytest.mark.parametrize(
    "work",
    [
        lambda desk: desk.annotator.skip(),
        lambda desk: desk.annotator.note("look again"),
        lambda desk: desk.annotator.tick(1, True),
        lambda desk: desk.annotator.set_sector(whole=True),
        stroke,
    ],
)
def test_work_without_an_accept_is_told_of_when_it_is_there_again(
    sit: Sit, tmp_path: Path, work: Callable[[Desk], object]
) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    desk.settle()
    work(desk)
    desk.settle()
    desk.annotator.close()
    assert open_scans(sit(), tmp_path) == ["Your earlier work is here again: 0 of 3 accepted."]


def test_one_goes_on_where_one_left_and_in_that_order(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    desk.annotator.set_order("random", 3)
    offered = desk.annotator.queue
    last = offered[-1]
    desk.annotator.go_to(last)
    desk.settle()
    desk.annotator.close()
    again = sit()
    open_scans(again, tmp_path)
    assert again.current == last
    assert (again.annotator.order, again.annotator.queue) == ("random", offered)
    again.accept()  # and went on to another one
    again.annotator.go_to(last)
    again.settle()
    again.annotator.close()
    third = sit()
    open_scans(third, tmp_path)
    assert third.current == offered[0], "what is done is not gone back to"


def test_where_one_was_cannot_be_noted_and_nothing_is_said(
    sit: Sit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    full_disk(monkeypatch, "save_place")
    desk.annotator.close()
    assert desk.problems == []
    assert open_scans(again := sit(), tmp_path) == [UNTOUCHED]
    assert again.session.current is not None


def test_every_stroke_is_on_the_disk_when_it_ends(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    for value in (1, 2):
        labels = stroke(desk, value)
        draft = Store.read(stored(desk)).drafts[desk.current]
        assert np.array_equal(draft.annotation.labels, labels)


def test_the_answer_to_a_click_is_on_the_disk(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    desk.annotator.click(OUTSIDE, 1)
    desk.settle()
    draft = Store.read(stored(desk)).drafts[desk.current]
    assert np.array_equal(draft.annotation.labels, desk.labels())
    assert draft.touched == {1}


def test_work_in_progress_is_there_again_as_it_was_left(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    first, labels = desk.current, stroke(desk)
    left = desk.session.draft(first, 0.0)
    desk.annotator.close()
    again = sit()
    open_scans(again, tmp_path)
    assert again.current == first
    assert again.session.status(first) is FrameStatus.CORRECTED
    assert np.array_equal(again.labels() == 1, labels == 1)
    assert again.session.touched(first) == {1}
    recorded = again.session.draft(first, 0.0)
    assert recorded.origins[1] is left.origins[1] is MaskOrigin.CORRECTED
    assert recorded.changed_share[1] == pytest.approx(left.changed_share[1])


def test_what_was_all_taken_back_is_not_there_again(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    stroke(desk)
    assert desk.annotator.undo()
    assert Store.read(stored(desk)).drafts == {}


def test_an_outline_undone_to_a_click_that_had_none_is_not_there_again(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    desk.predictor.fails = InputError("no suggestion")
    open_scans(desk, tmp_path)
    desk.predictor.fails = None
    first = desk.current
    desk.annotator.click(OUTSIDE, 1)
    desk.annotator.skip()
    desk.annotator.go_to(first)
    desk.annotator.click(OUTSIDE, 1)
    desk.settle()
    assert desk.labels().any()
    desk.annotator.undo()
    assert not desk.labels().any()
    desk.settle()
    desk.annotator.close()
    again = sit()
    open_scans(again, tmp_path)
    assert not again.session.labels(first).any()


def test_a_click_taken_back_before_there_was_an_outline_is_not_there_again(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    desk.annotator.open([write_images(tmp_path / "scans", 12)])
    desk.settle()
    empty = next(frame.id for frame in desk.session.frames if desk.session.packed(frame.id) is None)
    desk.session.ask(empty, 1, (OUTSIDE,), None)
    revision = desk.session.ask(empty, 1, (OUTSIDE, OUTSIDE), None)
    assert desk.session.answer(empty, 1, np.ones((HEIGHT, WIDTH), np.bool_), revision)
    assert empty in Store.read(stored(desk)).drafts
    assert desk.session.undo(empty)
    assert desk.session.packed(empty) is None
    assert desk.session.undo(empty)
    assert Store.read(stored(desk)).drafts == {}


def test_what_is_clicked_after_not_there_is_there_on_the_disk_too(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    assert desk.annotator.tick(1, False)
    assert Store.read(stored(desk)).ticks[desk.current] == {1: False}
    desk.annotator.click(OUTSIDE, 1)
    desk.settle()
    assert desk.session.ticks(desk.current) == {1: True}
    assert Store.read(stored(desk)).ticks[desk.current] == {1: True}


def test_an_accept_that_was_undone_is_work_in_progress_again(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    first, labels = desk.current, stroke(desk)
    desk.accept()
    assert Store.read(stored(desk)).drafts == {}
    assert desk.annotator.undo()
    assert np.array_equal(Store.read(stored(desk)).drafts[first].annotation.labels, labels)


def test_an_accept_and_the_work_before_it_that_were_undone_are_not_there_again(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    first, suggested = desk.current, desk.labels().copy()
    stroke(desk)
    desk.accept()
    desk.settle()
    assert desk.annotator.undo()
    assert desk.annotator.undo()
    assert np.array_equal(desk.labels(), suggested)
    desk.annotator.close()
    again = sit()
    open_scans(again, tmp_path)
    assert again.current == first
    assert again.session.status(first) is FrameStatus.SUGGESTED
    assert again.session.touched(first) == frozenset()
    assert set(again.session.scores(first)) == {1, 2}
    stroke(again)
    again.annotator.undo()
    again.annotator.redo()
    again.annotator.close()
    last = sit()
    open_scans(last, tmp_path)
    assert last.session.touched(first) == {1}, "what was done again is there again"


@pytest.mark.parametrize("how", ["reopened", "drawn on"])
def test_an_accepted_frame_that_was_opened_again_is_work_in_progress_after_closing(
    sit: Sit, tmp_path: Path, how: str
) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    first = desk.current
    desk.accept()
    desk.annotator.go_to(first)
    desk.settle()
    labels = desk.labels().copy()
    if how == "reopened":
        desk.annotator.reopen()
    else:
        labels = stroke(desk)
    desk.annotator.close()
    again = sit()
    open_scans(again, tmp_path)
    assert again.session.status(first) is FrameStatus.CORRECTED
    assert np.array_equal(again.session.labels(first), labels)
    assert again.session.touched(first) == {1, 2}


def test_what_is_drawn_on_a_skipped_frame_stays(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    first, labels = desk.current, stroke(desk)
    desk.annotator.skip()
    desk.settle()
    desk.annotator.close()
    again = sit()
    open_scans(again, tmp_path)
    assert again.session.status(first) is FrameStatus.SKIPPED
    assert np.array_equal(again.session.labels(first), labels)
    again.annotator.go_to(first)
    again.annotator.reopen()
    assert again.session.status(first) is FrameStatus.CORRECTED


def test_a_disk_that_takes_no_draft_says_so_and_work_goes_on(
    sit: Sit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = sit()
    open_scans(desk, tmp_path)

    with monkeypatch.context() as patch:
        full_disk(patch, "save_draft")
        labels = stroke(desk)
    assert desk.problems == [FULL]
    assert (labels[2:6, 5:20] == 1).all()
    stroke(desk, 2)
    assert desk.current in Store.read(stored(desk)).drafts


def test_a_home_that_cannot_be_written_is_said_and_work_goes_on(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    (tmp_path / "home").write_text("in the way")
    said = open_scans(desk, tmp_path)
    assert len(said) == 1
    assert "in memory only" in said[0]
    assert desk.annotator.folder is None
    desk.accept()
    assert len(desk.session.annotations) == 1


def test_pictures_open_in_two_windows_can_only_be_looked_at_in_the_second(sit: Sit, tmp_path: Path) -> None:
    desk, other = sit(), sit()
    open_scans(desk, tmp_path)
    desk.accept()
    said = open_scans(other, tmp_path)
    assert "open in another window" in said[0]
    assert other.annotator.folder is None
    assert list(other.session.annotations) == list(desk.session.annotations)


def test_work_on_pictures_that_were_moved_is_found_again(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    desk.accept()
    kept = stored(desk)
    desk.annotator.close()
    (tmp_path / "scans").rename(tmp_path / "renamed")
    again = sit()
    said = again.annotator.open([tmp_path / "renamed"])
    assert "Your earlier work is here again: 1 of 3 accepted." in said
    assert f"3 images were found again in {tmp_path / 'renamed'}." in said
    assert stored(again) == kept
    again.settle()
    assert again.session.suggestions(again.current)


def test_a_copy_of_pictures_is_not_the_work_on_the_first(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    desk.accept()
    desk.annotator.close()
    again = sit()
    assert again.annotator.open([write_images(tmp_path / "copy", 3)]) == []
    assert len(again.session.annotations) == 0


def test_pictures_that_are_opened_in_another_way_are_the_same_work(sit: Sit, tmp_path: Path) -> None:
    desk, scans = sit(), tmp_path / "scans"
    open_scans(desk, tmp_path)
    desk.accept()
    kept = stored(desk)
    desk.annotator.close()
    files = sorted(scans.glob("*.png"))
    for opened in (files, files[::-1], files[1:2]):
        again = sit()
        assert again.annotator.open(opened) == ["Your earlier work is here again: 1 of 3 accepted."]
        assert stored(again) == kept
        again.annotator.close()
    other = sit()
    fresh = write_images(tmp_path / "others", 4) / "scan4.png"
    assert other.annotator.open([files[0], fresh]) == []
    assert len(other.session.annotations) == 0, "not all of them belong to it"


def test_a_session_that_was_put_elsewhere_is_found_there(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    assert desk.annotator.save_as(tmp_path / "study")
    assert not desk.annotator.kept_by_itself
    desk.accept()
    desk.annotator.close()
    again = sit()
    assert open_scans(again, tmp_path) == ["Your earlier work is here again: 1 of 3 accepted."]
    assert stored(again) == (tmp_path / "study").resolve()


def held(folder: Path) -> dict[str, object]:
    """All that a session's folder has, but for when it was written."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        tables = {
            name: sorted(map(repr, connection.execute(f"SELECT DISTINCT {', '.join(names(name))} FROM {name}")))
            for name in COLUMNS
        }
    files = {str(one.relative_to(folder)): one.read_bytes() for one in folder.glob("m*/*")}
    return tables | files | {"key": (folder / KEY_FILE).read_bytes()}


def test_a_session_that_is_kept_elsewhere_twice_is_whole_and_found_in_the_last_place(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    assert desk.annotator.note("seen twice")
    assert desk.annotator.tick(2, False)
    stroke(desk)
    desk.accept()
    run_round(desk)
    stroke(desk)
    assert desk.annotator.save_as(tmp_path / "study")
    desk.settle()
    first = [one.name for one in desk.annotator.export(tmp_path / "one", ("png",), deidentify=True)]
    assert desk.annotator.save_as(tmp_path / "again")
    desk.settle()
    assert held(tmp_path / "again") == held(tmp_path / "study")
    assert [one.name for one in desk.annotator.export(tmp_path / "two", ("png",), deidentify=True)] == first
    accepted = desk.current
    desk.accept()
    desk.annotator.close()
    again = sit()
    assert open_scans(again, tmp_path) == ["Your earlier work is here again: 2 of 3 accepted."]
    assert stored(again) == (tmp_path / "again").resolve()
    assert accepted in again.session.annotations
    (tmp_path / "study" / DATABASE).unlink()
    assert again.annotator.save_as(tmp_path / "study")
    again.annotator.close()
    last = sit()
    open_scans(last, tmp_path)
    assert stored(last) == (tmp_path / "study").resolve(), "and nobody is led round in a circle"


def test_a_session_whose_disk_is_gone_can_be_kept_elsewhere(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    desk.accept()
    assert desk.annotator.save_as(tmp_path / "stick")
    (tmp_path / "stick").rename(tmp_path / "pulled out")
    assert desk.annotator.save_as(tmp_path / "rescue")
    assert len(Store.read(tmp_path / "rescue").annotations) == 1


def test_a_folder_with_another_key_of_pseudonyms_is_refused(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    desk.accept()
    old = stored(desk)
    desk.annotator.export(tmp_path / "one", ("png",), deidentify=True)
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / KEY_FILE).write_text("ab" * 32)
    assert not desk.annotator.save_as(tmp_path / "study")
    assert "holds another key of pseudonyms" in desk.problems[-1]
    assert (stored(desk), (tmp_path / "study" / KEY_FILE).read_text()) == (old, "ab" * 32)


def test_what_was_learned_serves_again(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    desk.accept()
    run_round(desk)
    assert desk.predictor.version == 2
    desk.annotator.close()
    again = sit()
    open_scans(again, tmp_path)
    assert again.predictor.version == 2
    assert again.annotator.model == again.predictor.info()
    assert {one.model for one in again.session.suggestions(again.current).values()} == {"v2"}


def test_what_was_learned_and_the_disk_did_not_take_is_kept_behind_the_next_accept(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    desk.accept()
    save = desk.predictor.save

    def full(folder: Path) -> Path:
        raise StorageError(FULL)

    desk.predictor.save = full  # type: ignore[method-assign]
    run_round(desk)
    assert desk.problems == [FULL]
    assert desk.annotator.not_saved == FULL
    desk.predictor.save = save  # type: ignore[method-assign]
    desk.accept()
    desk.settle()
    assert desk.problems == [FULL]
    assert desk.annotator.not_saved == ""
    desk.annotator.close()
    again = sit()
    open_scans(again, tmp_path)
    assert again.models[-1].fingerprint == "v2"


def test_what_was_learned_makes_no_folder_where_the_session_was_before(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    assert desk.annotator.save_as(tmp_path / "session")
    desk.accept()
    save = desk.predictor.save

    def making(folder: Path) -> Path | None:
        folder.mkdir(parents=True, exist_ok=True)
        return save(folder)

    desk.predictor.save = making  # type: ignore[method-assign]
    (tmp_path / "session").rename(tmp_path / "moved")
    run_round(desk)
    assert not (tmp_path / "session").exists()
    assert "is not there any more" in desk.problems[-1]
    (tmp_path / "moved").rename(tmp_path / "session")
    desk.accept()
    desk.settle()
    desk.annotator.close()
    serving = Store.read(tmp_path / "session").serving
    assert serving is not None
    assert serving.exists()


def test_the_earlier_model_one_went_back_to_serves_again(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    desk.accept()
    run_round(desk)
    desk.annotator.go_back_to_earlier_model()
    desk.settle()
    desk.annotator.close()
    again = sit()
    open_scans(again, tmp_path)
    assert again.predictor.version == 1


def test_what_was_learned_serves_again_where_the_model_was_loaded_before_the_session_is_opened(
    sit: Sit, tmp_path: Path
) -> None:
    learn_in_a_sitting(sit, tmp_path)
    again = sit()
    again.annotator.warm_up()
    again.settle()
    assert again.annotator.model is not None
    assert again.annotator.model.fingerprint == "v1"
    open_scans(again, tmp_path)
    assert again.predictor.version == 2
    assert again.annotator.model == again.predictor.info()
    assert {one.model for one in again.session.suggestions(again.current).values()} == {"v2"}
    assert again.models[-1].fingerprint == "v2"


def test_a_round_that_starts_while_the_model_loads_goes_on_from_what_was_learned(sit: Sit, tmp_path: Path) -> None:
    learn_in_a_sitting(sit, tmp_path)
    again, began_from, ended = sit(), list[int](), threading.Event()

    def step(number: int) -> None:
        began_from.append(again.predictor.version)
        if number == again.trainer.steps:
            ended.set()

    again.trainer.before_step = step
    again.annotator.open([tmp_path / "scans"])
    assert again.annotator.start_round()
    assert ended.wait(10), "while the window's thread had no time for anything"
    again.settle()
    assert set(began_from) == {2}
    assert again.predictor.version == 3, "and the older one does not come after it"
    assert again.annotator.model == again.predictor.info()


def test_a_round_begins_all_the_same_where_what_was_learned_is_not_there(sit: Sit, tmp_path: Path) -> None:
    learn_in_a_sitting(sit, tmp_path, and_lose_it=True)
    again = sit()
    again.annotator.open([tmp_path / "scans"])
    assert again.annotator.start_round()
    again.settle()
    assert len(again.reports) == 1
    assert again.problems == ["What was learned is not there."]


def test_what_was_learned_on_another_model_serves_again_when_that_is_chosen(sit: Sit, tmp_path: Path) -> None:
    learn_in_a_sitting(sit, tmp_path)

    def refuse(path: Path) -> ModelInfo:
        raise InputError("It belongs to another model.")

    again, right = sit(), FakePredictor()
    again.predictor.restore = refuse  # type: ignore[method-assign]
    open_scans(again, tmp_path)
    assert again.problems == ["It belongs to another model."]
    assert again.models[-1].fingerprint == "v1"
    settings = again.annotator.settings
    again.annotator.set_settings(replace(settings, model=replace(settings.model, name="other")), lambda: right)
    again.settle()
    assert again.models[-1].fingerprint == "v2"
    again.annotator.close()
    last = sit()
    open_scans(last, tmp_path)
    assert last.models[-1].fingerprint == "v2", "and is still what serves"


def test_what_was_learned_and_is_not_there_any_more_is_said(sit: Sit, tmp_path: Path) -> None:
    learn_in_a_sitting(sit, tmp_path, and_lose_it=True)
    again = sit()
    open_scans(again, tmp_path)
    assert again.problems == ["What was learned is not there."]
    assert again.annotator.model == again.predictor.info()
    assert again.session.suggestions(again.current)


def test_a_model_learned_before_there_was_a_folder_is_kept_too(tmp_path: Path) -> None:
    desk = make_desk(Settings(learn=LearnSettings(every=0)), MUSCLE_PRESET)
    open_scans(desk, tmp_path)
    desk.accept()
    run_round(desk)
    assert desk.annotator.save_as(tmp_path / "study")
    desk.settle()
    desk.annotator.close()
    assert [path.name for path in (tmp_path / "study" / "models").iterdir()] == ["v2.safetensors"]
    assert Store.read(tmp_path / "study").serving is not None


def test_the_number_of_a_removed_structure_is_not_given_again(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    muscle, _ = desk.session.structures
    desk.annotator.set_structures([muscle])
    assert desk.session.free_value() == 3
    desk.annotator.set_structures([muscle, Structure(3, "bone")])
    desk.annotator.set_structures([muscle])
    desk.annotator.close()
    again = sit()
    open_scans(again, tmp_path)
    assert again.session.structures == (muscle,)
    assert again.session.free_value() == 4


def test_where_all_structures_were_removed_there_are_none_after_reopening(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    desk.annotator.set_structures([])
    desk.settle()
    desk.annotator.close()
    again = sit()
    assert again.session.structures == MUSCLE_PRESET
    open_scans(again, tmp_path)
    assert again.session.structures == ()


def test_undo_does_not_bring_back_pixels_of_a_removed_structure(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    assert (desk.labels() == 2).any()
    stroke(desk)
    desk.annotator.set_structures([desk.session.structures[0]])
    while desk.annotator.undo():
        assert set(np.unique(desk.labels())) <= {0, 1}
    while desk.annotator.redo():
        assert set(np.unique(desk.labels())) <= {0, 1}


def test_structures_the_disk_does_not_take_stay_as_they_were(
    sit: Sit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = sit()
    open_scans(desk, tmp_path)

    full_disk(monkeypatch, "save_structures")
    desk.annotator.set_structures([Structure(7, "bone")])
    assert desk.problems == [FULL]
    assert desk.session.structures == MUSCLE_PRESET


def test_work_begun_beside_a_session_that_is_gone_is_found_the_next_time(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    assert desk.annotator.save_as(tmp_path / "stick")
    desk.annotator.close()
    (tmp_path / "stick").rename(tmp_path / "pulled out")
    desk = sit()
    (said,) = open_scans(desk, tmp_path)
    assert "is not there now" in said
    beside = stored(desk)
    desk.accept()
    desk.annotator.close()
    again = sit()
    assert open_scans(again, tmp_path)[1:] == ["Your earlier work is here again: 1 of 3 accepted."]
    assert stored(again) == beside
    again.annotator.close()
    (tmp_path / "pulled out").rename(tmp_path / "stick")
    assert open_scans(sit(), tmp_path) == [UNTOUCHED]


def test_a_new_folder_that_the_old_one_cannot_name_is_not_begun(
    sit: Sit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise StorageError(FULL)

    desk = sit()
    open_scans(desk, tmp_path)
    old = stored(desk)
    with monkeypatch.context() as patch:
        patch.setattr(home, "leave_word", fail)
        assert not desk.annotator.save_as(tmp_path / "study")
    assert (desk.problems, stored(desk), desk.annotator.kept_by_itself) == ([FULL], old, True)
    assert desk.annotator.save_as(tmp_path / "study")
    assert home.kept_in(old) == tmp_path / "study"


def test_the_number_of_a_removed_structure_is_not_given_again_in_another_folder(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    desk.annotator.set_structures([*MUSCLE_PRESET, Structure(3, "skin")])
    desk.settle()
    assert desk.annotator.tick(3, False)
    desk.annotator.set_structures(MUSCLE_PRESET)
    assert desk.annotator.save_as(tmp_path / "study")
    desk.annotator.close()
    again = sit()
    again.annotator.open([tmp_path / "study"])
    assert (again.session.structures, again.session.free_value()) == (MUSCLE_PRESET, 4)


def test_what_was_wiped_without_a_pixel_is_not_suggested_again(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    stroke(desk)
    desk.annotator.set_structures([*MUSCLE_PRESET, Structure(3, "skin")])
    desk.settle()
    desk.annotator.clear_structure(3)
    touched = desk.session.touched(desk.current)
    assert 3 in touched
    assert Store.read(stored(desk)).drafts[desk.current].touched == touched


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are always text")
def test_a_file_whose_name_is_no_text_is_named_and_the_others_are_opened(sit: Sit, tmp_path: Path) -> None:
    scans = write_images(tmp_path / "scans", 3)
    os.rename(os.fsencode(scans / "scan2.png"), os.fsencode(scans) + b"/sc\xe9an.png")
    desk = sit()
    (said,) = desk.annotator.open([scans])
    assert "sc?an.png not opened" in said
    assert [frame.stem for frame in desk.session.frames] == ["scan1", "scan3"]
    elsewhere = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9tude"))
    old = stored(desk)
    assert desk.annotator.save_as(elsewhere)
    assert home.kept_in(old) == elsewhere


def test_a_note_that_is_no_text_is_refused_in_a_sentence(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    assert not desk.annotator.note("half a sign: \ud83d")
    (said,) = desk.problems
    assert "no text" in said
    assert desk.annotator.note("whole")


def test_a_session_of_earlier_times_with_one_name_twice_opens_and_one_can_be_renamed(sit: Sit, tmp_path: Path) -> None:
    desk = sit()
    open_scans(desk, tmp_path)
    desk.annotator.close()
    twins = (Structure(1, "muscle"), Structure(2, "muscle"))
    with closing(Store.open(stored_last(tmp_path))) as store:
        store.save_structures(twins)
    again = sit()
    open_scans(again, tmp_path)
    assert again.session.structures == twins
    again.annotator.set_structures([twins[0], twins[1].renamed("aponeurosis")])
    assert [one.name for one in again.session.structures] == ["muscle", "aponeurosis"]
