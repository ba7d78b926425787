"""Opening, going through the frames, suggestions ahead of need."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from annotator_fakes import HEIGHT, WIDTH, Desk, write_images
from PIL import Image

from napari_adasam.domain.errors import ModelError
from napari_adasam.domain.records import FrameStatus
from napari_adasam.services.activity import Activity


def stems(desk: Desk, ids: object) -> list[str]:
    return [desk.session.frame(one).stem for one in ids]  # type: ignore[attr-defined]


def asked(desk: Desk) -> list[str]:
    return stems(desk, (one[0] for one in desk.predictor.asked))


def test_opening_shows_the_first_frame_with_its_suggestion_and_prepares_two(desk: Desk) -> None:
    assert desk.session.frame(desk.current).stem == "scan1"
    assert asked(desk) == ["scan1", "scan2", "scan3"]
    assert stems(desk, desk.predictor.prepared) == ["scan2", "scan3"]  # of the one on the screen nobody is to wait
    assert desk.session.status(desk.current) is FrameStatus.SUGGESTED
    assert set(np.unique(desk.labels())) == {0, 1, 2}
    assert [one.name for one in desk.models] == ["fake"]
    assert desk.problems == []


def test_a_broken_file_is_one_sentence_and_the_rest_is_there(make: Callable[..., Desk], tmp_path: Path) -> None:
    desk = make(images=0)
    folder = write_images(tmp_path / "some", 2)
    (folder / "broken.png").write_bytes(b"not a picture")
    problems = desk.annotator.open([folder, tmp_path / "nowhere"])
    assert len(problems) == 2
    assert "broken.png" in problems[0]
    assert len(desk.session.frames) == 2


def test_the_suggestion_for_the_frame_on_the_screen_goes_before_those_ahead(make: Callable[..., Desk]) -> None:
    desk = make(images=6)
    desk.settle()
    desk.annotator.go_to(desk.session.frames[4].id)
    desk.settle()
    assert asked(desk)[3:] == ["scan5", "scan6"]


def test_coming_to_a_prepared_frame_asks_nothing_again(desk: Desk) -> None:
    desk.annotator.next()
    desk.settle()
    assert asked(desk) == ["scan1", "scan2", "scan3", "scan4"]


def test_a_frame_on_its_way_ahead_is_asked_at_once_when_it_is_shown_and_lands_once(make: Callable[..., Desk]) -> None:
    desk = make(images=3)
    gate = threading.Event()
    while not desk.session.suggestions(desk.current):
        desk.annotator.wait_idle(0.01)
    desk.predictor.before_answer = lambda: gate.wait(5)
    desk.annotator.next()
    gate.set()
    desk.settle()
    assert desk.annotator.undo()
    assert not desk.session.can_undo(desk.current), "a suggestion that landed twice needs two steps back"


def test_a_frame_that_waits_for_its_suggestion_is_not_asked_twice(make: Callable[..., Desk]) -> None:
    desk = make(images=6)
    gate = threading.Event()
    desk.predictor.before_answer = lambda: gate.wait(5)
    while not desk.predictor.asked:
        desk.annotator.wait_idle(0.01)
    desk.annotator.go_to(desk.session.frames[4].id)
    desk.annotator.suggest()
    gate.set()
    desk.settle()
    assert asked(desk) == ["scan1", "scan5", "scan6"]


def test_frames_that_were_passed_quickly_do_not_hold_up_the_one_on_the_screen(make: Callable[..., Desk]) -> None:
    desk = make(images=20)
    desk.settle()
    reached, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        reached.set()
        assert go_on.wait(10)

    desk.predictor.before_answer = wait
    before = len(asked(desk))
    for frame in desk.session.frames[4:15]:
        desk.annotator.go_to(frame.id)
    assert reached.wait(10)
    go_on.set()
    desk.settle()
    begun = [one for one in asked(desk)[before:] if one not in {"scan15", "scan16", "scan17"}]
    assert len(begun) <= 1, "the one that was under way"
    assert desk.session.scores(desk.current)


def test_a_frame_that_is_being_prepared_is_not_begun_anew(make: Callable[..., Desk]) -> None:
    desk = make(images=3)
    gate, entered = threading.Event(), threading.Event()

    def wait() -> None:
        if len(desk.predictor.asked) > 1:
            entered.set()
            gate.wait(5)

    desk.predictor.before_answer = wait
    while not entered.is_set():
        desk.annotator.wait_idle(0.01)
    desk.annotator.set_order("file")
    gate.set()
    desk.settle()
    assert asked(desk) == ["scan1", "scan2", "scan3"]


def test_next_follows_the_files_round_and_back_goes_the_way_one_came(desk: Desk) -> None:
    seen = []
    for _ in range(4):
        desk.annotator.next()
        seen.append(desk.session.frame(desk.current).stem)
    assert seen == ["scan2", "scan3", "scan4", "scan1"]
    desk.annotator.back()
    assert desk.session.frame(desk.current).stem == "scan4"
    desk.annotator.back()
    desk.annotator.back()
    desk.annotator.back()
    assert desk.session.frame(desk.current).stem == "scan1"
    desk.annotator.back()
    assert desk.problems == ["This is the first image."]


def test_accepted_and_skipped_frames_are_not_offered_again(desk: Desk) -> None:
    desk.annotator.skip()
    desk.accept()
    assert stems(desk, desk.annotator.queue) == ["scan3", "scan4"]
    assert [desk.session.status(frame.id).value for frame in desk.session.frames][:2] == ["skipped", "accepted"]


def test_at_the_end_it_is_said_and_the_frame_stays(desk: Desk) -> None:
    desk.accept(4)
    assert desk.session.frame(desk.current).stem == "scan4"
    assert desk.problems == ["No other image is left to be done: 4 of 4 accepted."]


def test_a_frame_whose_file_is_gone_is_passed_over_in_one_sentence(desk: Desk) -> None:
    Path(desk.session.frames[3].path).unlink()
    desk.annotator.go_to(desk.session.frames[2].id)
    desk.settle()
    desk.problems.clear()
    desk.annotator.next()
    assert desk.session.frame(desk.current).stem == "scan1"
    assert len(desk.problems) == 1
    assert "scan4" in desk.problems[0]


def test_seconds_count_while_a_frame_is_on_the_screen(desk: Desk) -> None:
    first = desk.current
    desk.clock.now = 10
    desk.annotator.next()
    desk.clock.now = 100
    desk.annotator.back()
    desk.clock.now = 105
    desk.settle()
    desk.annotator.accept()
    assert desk.session.annotations[first].seconds == 15


def test_a_cancelled_suggestion_does_not_arrive_and_can_be_asked_again(make: Callable[..., Desk]) -> None:
    desk = make()
    gate, entered = threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        gate.wait(5)

    desk.predictor.before_answer = wait
    while not entered.is_set():
        desk.annotator.wait_idle(0.01)
    assert desk.annotator.activity.cancellable
    desk.annotator.cancel()
    gate.set()
    desk.settle()
    assert desk.session.status(desk.current) is FrameStatus.NEW
    assert desk.problems == []
    desk.annotator.suggest()
    desk.settle()
    assert desk.session.status(desk.current) is FrameStatus.SUGGESTED


def test_a_model_that_cannot_be_loaded_is_one_sentence_and_is_tried_again(
    make: Callable[..., Desk], tmp_path: Path
) -> None:
    desk = make(images=0)
    tries = []

    def load() -> object:
        tries.append(1)
        if len(tries) == 1:
            raise ModelError("The checkpoint is cut short. Choose another model.")
        return desk.predictor

    desk.annotator.set_settings(desk.annotator.settings, predictor=load)  # type: ignore[arg-type]
    desk.settle()
    assert desk.problems == []
    desk.annotator.open([write_images(tmp_path / "two", 2)])
    desk.settle()
    assert desk.problems == ["The checkpoint is cut short. Choose another model."]
    assert desk.annotator.model is None
    desk.annotator.next()
    desk.settle()
    assert desk.session.status(desk.current) is FrameStatus.SUGGESTED
    assert len(desk.problems) == 1


def test_a_failed_suggestion_is_one_sentence_and_drawing_goes_on(make: Callable[..., Desk]) -> None:
    desk = make()
    desk.predictor.fails = RuntimeError("CUDA out of memory. Tried to allocate 9 GiB")
    desk.settle()
    assert len(desk.problems) == 1
    assert desk.problems[0].startswith("Suggesting outlines for scan1 needs more memory than is free.")
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[3:9, 3:9] = 1
    desk.annotator.stroke(labels)
    assert desk.annotator.accept()


def test_activity_tells_what_goes_on_and_how_many_are_done(desk: Desk) -> None:
    assert desk.activities[0] == Activity("Loading the model", cancellable=True)
    assert desk.activities[1] == Activity("Suggesting outlines for scan1", cancellable=True)
    assert desk.annotator.activity == Activity("Ready: 0 of 4 images accepted", 0, 4)
    desk.accept()
    desk.settle()
    assert desk.annotator.activity == Activity("Ready: 1 of 4 images accepted", 1, 4)
    assert all(one != other for one, other in zip(desk.activities, desk.activities[1:], strict=False))


def test_with_nothing_open_every_command_says_why_not(make: Callable[..., Desk]) -> None:
    desk = make(images=0)
    for command in ("accept", "skip", "next", "back", "suggest", "click", "box", "stroke", "undo", "redo", "save_as"):
        assert desk.annotator.why_not(command) == "Open images first.", command
    assert "accept an image first" in desk.annotator.why_not("start_round")
    assert "accept an image first" in desk.annotator.why_not("export")
    assert desk.annotator.why_not("cancel") == "Nothing is under way."
    assert desk.annotator.activity.text == "Ready: open images to begin"
    assert not desk.annotator.accept()
    assert desk.problems == ["Open images first."]


def test_a_frame_with_nothing_on_it_is_not_accepted_by_mistake(make: Callable[..., Desk]) -> None:
    desk = make()
    assert not desk.annotator.accept()
    assert "Nothing is outlined here yet" in desk.problems[0]
    desk.settle()
    desk.annotator.undo()
    desk.annotator.tick(1, False)
    desk.annotator.tick(2, False)
    assert desk.annotator.accept()


def test_pixels_are_those_of_the_file(desk: Desk) -> None:
    frame = desk.session.frames[1]
    assert np.array_equal(desk.annotator.pixels(frame.id), np.asarray(Image.open(frame.path)))


def test_outcomes_come_to_the_thread_that_delivers_them(make: Callable[..., Desk]) -> None:
    desk = make()
    threads: set[int] = set()
    desk.session.status_changed.connect(lambda _: threads.add(threading.get_ident()))
    desk.settle()
    assert threads == {threading.get_ident()}


def test_after_closing_nothing_arrives(make: Callable[..., Desk]) -> None:
    desk = make()
    desk.annotator.close()
    assert desk.annotator.wait_idle(1.0)
    assert desk.session.status(desk.current) is FrameStatus.NEW
    desk.annotator.close()
