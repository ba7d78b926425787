"""To a frame of a large file that is not open: the lane opens it, and the window goes on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from annotator_fakes import OUTSIDE, Desk, write_images

from napari_adasam.domain.records import FrameStatus
from napari_adasam.files.clips import Clip
from napari_adasam.services import sources

MakeDesk = Callable[..., Desk]


@pytest.fixture
def saved(make: MakeDesk, tmp_path: Path) -> tuple[Path, Path]:
    """A session's folder, and that of its three images; one is accepted."""
    images = write_images(tmp_path / "scans", 3)
    desk = make(images=0)
    desk.annotator.open([images])
    assert desk.annotator.save_as(tmp_path / "session")
    desk.accept()
    desk.settle()
    desk.annotator.close()
    return tmp_path / "session", images


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Every file counts as large; (name of the file, thread on which it was opened) are noted."""
    noted: list[tuple[str, str]] = []
    opener = sources.open_file

    def noting(path: Path) -> Clip:
        noted.append((path.name, threading.current_thread().name))
        return opener(path)

    monkeypatch.setattr(sources, "QUICK_BYTES", 0)
    monkeypatch.setattr(sources, "open_file", noting)
    return noted


def test_a_large_file_of_a_reopened_session_is_opened_on_the_lane(
    make: MakeDesk, saved: tuple[Path, Path], opened: list[tuple[str, str]]
) -> None:
    desk = make(images=0)
    desk.annotator.open([saved[0]])
    assert desk.session.current is None
    assert desk.annotator.opening
    assert "Opening scan2.png" in [one.text for one in desk.activities]
    desk.settle()
    assert desk.session.frame(desk.current).stem == "scan2"
    assert not desk.annotator.opening
    assert {thread for _, thread in opened} == {"adasam-lane"}


def test_the_last_wish_counts(make: MakeDesk, saved: tuple[Path, Path], opened: list[tuple[str, str]]) -> None:
    desk = make(images=0)
    desk.annotator.open([saved[0]])
    ids = [frame.id for frame in desk.session.frames]
    gate = threading.Event()
    desk.predictor.before_answer = lambda: gate.wait(10) and None
    desk.annotator.go_to(ids[2])
    desk.annotator.go_to(ids[0])
    gate.set()
    desk.settle()
    assert desk.current == ids[0]
    desk.annotator.go_to(ids[2])
    desk.settle()
    desk.annotator.back()
    desk.settle()
    assert desk.current == ids[0]
    assert [thread for _, thread in opened] == ["adasam-lane"] * len(opened)


def test_a_broken_one_is_told_and_passed_over(
    make: MakeDesk, saved: tuple[Path, Path], opened: list[tuple[str, str]]
) -> None:
    (saved[1] / "scan2.png").write_bytes(b"no picture")
    desk = make(images=0)
    desk.annotator.open([saved[0]])
    desk.settle()
    assert desk.session.frame(desk.current).stem == "scan3"
    assert [one for one in desk.problems if "scan2.png" in one]


def test_the_way_back_leads_over_one_that_broke_meanwhile(make: MakeDesk) -> None:
    desk = make()
    first, second, third, fourth = (frame.id for frame in desk.session.frames)
    for one in (second, third, fourth):
        desk.annotator.go_to(one)
    desk.settle()
    path = Path(desk.session.frame(third).path)
    desk.annotator._bench.sources.close()  # as another day: files are opened anew
    path.write_bytes(b"no picture")
    desk.annotator.back()
    desk.settle()
    assert desk.current == second
    assert [one for one in desk.problems if path.name in one]
    desk.annotator.back()
    desk.settle()
    assert desk.current == first
    desk.annotator.back()
    assert desk.current == first
    assert desk.problems[-1] == "This is the first image."


def test_stopped_nothing_else_is_gone_to(
    make: MakeDesk, saved: tuple[Path, Path], opened: list[tuple[str, str]]
) -> None:
    desk = make(images=0)
    desk.annotator.open([saved[0]])
    desk.settle()
    before = desk.current
    gate, reached = threading.Event(), threading.Event()

    def wait() -> None:
        reached.set()
        gate.wait(10)

    desk.predictor.before_answer = wait
    desk.annotator.suggest(before)
    assert reached.wait(10)
    desk.annotator.go_to(desk.session.frames[0].id)
    desk.annotator.cancel()
    gate.set()
    desk.settle()
    assert desk.current == before
    assert not desk.annotator.opening


@pytest.mark.parametrize("what", ["stroke", "click", "undo", "redo", "tick", "sector", "suggest"])
def test_who_does_something_on_the_frame_meanwhile_stays_there(
    make: MakeDesk, saved: tuple[Path, Path], opened: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    desk = make(images=0)
    desk.annotator.open([saved[0]])
    desk.settle()
    before, painted = desk.current, np.where(desk.labels() == 0, 1, desk.labels())
    if what in ("undo", "redo"):
        desk.annotator.stroke(painted)
    if what == "redo":
        desk.annotator.undo()
    acts: dict[str, Callable[[], object]] = {
        "stroke": lambda: desk.annotator.stroke(painted),
        "click": lambda: desk.annotator.click(OUTSIDE, 1),
        "undo": desk.annotator.undo,
        "redo": desk.annotator.redo,
        "tick": lambda: desk.annotator.tick(2, False),
        "sector": lambda: desk.annotator.set_sector(whole=True),
        "suggest": desk.annotator.suggest,
    }
    go_on, opener = threading.Event(), sources.open_file

    def waiting(path: Path) -> Clip:
        assert go_on.wait(10)
        return opener(path)

    monkeypatch.setattr(sources, "open_file", waiting)
    desk.annotator.go_to(desk.session.frames[0].id)
    assert desk.annotator.opening
    acts[what]()
    assert not desk.annotator.opening
    go_on.set()
    desk.settle()
    assert desk.current == before
    desk.annotator.go_to(desk.session.frames[0].id)
    desk.settle()
    assert desk.current == desk.session.frames[0].id


def test_an_accept_taken_back_while_the_next_file_is_opened_is_not_left(
    make: MakeDesk, saved: tuple[Path, Path], opened: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = make(images=0)
    desk.annotator.open([saved[0]])
    desk.settle()
    before = desk.current
    with monkeypatch.context() as patch:
        patch.setattr(sources.Sources, "at_hand", lambda _sources, frame_id: frame_id == before)
        assert desk.annotator.accept()
    assert desk.annotator.opening
    assert desk.annotator.undo()
    desk.settle()
    assert desk.current == before
    assert desk.session.status(before) is FrameStatus.SUGGESTED


def test_a_large_picture_is_read_on_the_lane_before_it_is_shown(
    make: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, read = list[str](), sources.Sources.read

    def noting(self: sources.Sources, frame_id: str) -> np.ndarray:
        threads.append(threading.current_thread().name)
        return read(self, frame_id)

    monkeypatch.setattr(sources, "LARGE_PIXELS", 0)
    monkeypatch.setattr(sources.Sources, "read", noting)
    desk = make(images=6)
    desk.settle()
    for _ in range(2):  # those that come next have been read meanwhile
        before = desk.current
        assert desk.annotator.accept()
        assert not desk.annotator.opening
        assert desk.current != before
        desk.settle()
    last = desk.session.frames[-1].id
    desk.annotator.go_to(last)
    assert desk.annotator.opening
    desk.settle()
    assert desk.current == last
    assert set(threads) == {"adasam-lane"}
    assert len(desk.annotator._bench.sources._fetched) <= sources.FETCHED


def test_a_large_picture_that_was_changed_since_it_was_read_is_not_shown(
    make: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "LARGE_PIXELS", 0)
    desk = make(images=3)
    desk.settle()
    second, third = (frame.id for frame in desk.session.frames[1:])
    Path(desk.session.frame(second).path).write_bytes(b"another file")
    desk.annotator.go_to(second)
    desk.settle()
    assert desk.current != second
    assert len(desk.problems) == 1
    desk.annotator.go_to(third)
    desk.settle()
    assert desk.current == third
