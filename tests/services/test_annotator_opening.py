"""Opening without waiting: file by file on the lane, with progress and a stop, and clicks overtake it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from annotator_fakes import OUTSIDE, Desk, FakePredictor, write_images

from napari_adasam.files import readers
from napari_adasam.files.clips import Clip
from napari_adasam.services.ports import Predictor


def open_soon(desk: Desk, folder: Path) -> list[str]:
    said: list[str] = []
    desk.annotator.open_soon([folder], said.extend)
    return said


def test_frames_are_there_when_it_has_ended_and_not_before(make: Callable[..., Desk], tmp_path: Path) -> None:
    desk = make(images=0)
    folder = write_images(tmp_path / "scans", 5)
    (folder / "broken.png").write_bytes(b"no picture")
    said = open_soon(desk, folder)
    assert desk.session.frames == ()
    assert desk.annotator.busy
    desk.settle()
    assert [frame.stem for frame in desk.session.frames] == [f"scan{number}" for number in range(1, 6)]
    assert desk.session.suggestions(desk.current)
    assert len(said) == 1
    assert "broken.png" in said[0]
    texts = [one.text for one in desk.activities]
    assert "Opening images: 6 of 6" in texts
    assert texts.index("Opening images: 1 of 6") < texts.index("Opening images: 6 of 6")


def test_files_are_opened_off_the_thread_of_the_window(
    make: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[str] = set()
    opener = readers.open_file

    def noting(path: Path) -> Clip:
        threads.add(threading.current_thread().name)
        return opener(path)

    monkeypatch.setattr(readers, "open_file", noting)
    desk = make(images=0)
    open_soon(desk, write_images(tmp_path / "scans", 2))
    desk.settle()
    assert threads == {"adasam-lane"}


def test_it_can_be_stopped_and_nothing_is_taken_in(
    make: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on = threading.Event(), threading.Event()
    opener = readers.open_file

    def slow(path: Path) -> Clip:
        reached.set()
        go_on.wait(10)
        return opener(path)

    monkeypatch.setattr(readers, "open_file", slow)
    desk = make(images=0)
    open_soon(desk, write_images(tmp_path / "scans", 4))
    assert reached.wait(10)
    assert desk.annotator.activity.cancellable
    desk.annotator.cancel()
    go_on.set()
    desk.settle()
    assert desk.session.frames == ()
    assert desk.annotator.activity.text == "Ready: open images to begin"


def test_a_click_overtakes_it(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    go_on = threading.Event()
    opener = readers.open_file

    def noting(path: Path) -> Clip:
        go_on.wait(10)
        order.append(path.stem)
        return opener(path)

    monkeypatch.setattr(readers, "open_file", noting)
    segment = desk.predictor.segment
    monkeypatch.setattr(desk.predictor, "segment", lambda *args: (order.append("click"), segment(*args))[1])
    open_soon(desk, write_images(tmp_path / "more", 5))
    desk.annotator.click(OUTSIDE, 1)
    go_on.set()
    desk.settle()
    assert order.index("click") <= 1
    assert len(order) == 6


def test_a_saved_session_is_opened_at_once(desk: Desk, make: Callable[..., Desk], tmp_path: Path) -> None:
    assert desk.annotator.save_as(tmp_path / "session")
    desk.annotator.close()
    other = make(images=0)
    assert open_soon(other, tmp_path / "session") == []
    assert len(other.session.frames) == 4


def test_files_are_opened_between_two_steps_of_loading(
    make: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    begun, go_on = threading.Event(), threading.Event()
    opener = readers.open_file

    def noting(path: Path) -> Clip:
        order.append("a file")
        return opener(path)

    def make_predictor() -> Generator[None, None, Predictor]:
        begun.set()
        go_on.wait(10)
        order.append("a step")
        yield
        order.append("the last step")
        return FakePredictor()

    monkeypatch.setattr(readers, "open_file", noting)
    desk = make(images=0)
    desk.annotator._bench.models.replace(make_predictor, None, keep_predictor=False)
    desk.annotator.warm_up()
    assert begun.wait(10)
    open_soon(desk, write_images(tmp_path / "scans", 1))
    go_on.set()
    desk.settle()
    assert order == ["a step", "a file", "the last step"]
    assert desk.session.suggestions(desk.current)
