"""Stop stops what the status line is about; the round has a stop of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from annotator_fakes import Desk, write_images

from napari_adasam.files import readers
from napari_adasam.files.clips import Clip
from napari_adasam.services import sources
from napari_adasam.services.exporting import ExportOrder


class Gate:
    """What waits until the test lets it go on."""

    def __init__(self) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __call__(self, *_: object) -> None:
        self.reached.set()
        self.go_on.wait(10)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.go_on.set()


def test_the_rounds_own_stop_leaves_an_export_alone(desk: Desk, gate: Gate, tmp_path: Path) -> None:
    desk.accept(2)
    desk.settle()
    exported: list[object] = []
    desk.annotator.exported.connect(exported.append)
    desk.trainer.before_step = gate
    assert desk.annotator.start_round()
    assert gate.reached.wait(10)
    assert desk.annotator.start_export(ExportOrder(tmp_path / "out", ("png",)))
    desk.annotator.cancel_round()
    gate.go_on.set()
    desk.settle()
    assert desk.reports == []
    assert len(exported) == 1
    assert desk.problems == []


@pytest.mark.parametrize("beside", ["files that are opened", "an image of a large file"])
def test_stop_ends_what_the_line_names_and_nothing_else(
    desk: Desk, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: str
) -> None:
    desk.accept()
    desk.settle()
    desk.trainer.before_step = gate
    desk.annotator.start_round()
    assert gate.reached.wait(10)
    there = desk.session.frames[3].id
    if beside == "files that are opened":
        desk.annotator.open_soon([write_images(tmp_path / "more", 2)], desk.problems.extend)
        assert desk.annotator.activity.text.startswith("Opening images")
    else:
        monkeypatch.setattr(sources.Sources, "at_hand", lambda _sources, frame_id: frame_id == desk.session.current)
        desk.annotator.go_to(there)
        assert desk.annotator.activity.text.startswith("Learning")
        assert "Opening" in desk.annotator.activity.text
        monkeypatch.setattr(sources.Sources, "at_hand", lambda *_: True)
    desk.annotator.cancel()
    gate.go_on.set()
    desk.settle()
    if beside == "files that are opened":
        assert len(desk.reports) == 1, "the line did not name the round"
        assert len(desk.session.frames) == 4
    else:
        assert desk.reports == [], "the line named the round"
        assert desk.current == there


def test_an_export_is_stopped_first_while_the_line_names_it(
    desk: Desk, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.accept()
    desk.settle()
    opener: Callable[[Path], Clip] = readers.open_file

    def slow(path: Path) -> Clip:
        gate()
        return opener(path)

    monkeypatch.setattr(readers, "open_file", slow)
    desk.annotator.open_soon([write_images(tmp_path / "more", 5)], desk.problems.extend)
    assert gate.reached.wait(10)
    assert desk.annotator.start_export(ExportOrder(tmp_path / "out", ("png",)))
    assert desk.annotator.activity.text.startswith("Exporting")
    desk.annotator.cancel()
    gate.go_on.set()
    desk.settle()
    assert not (tmp_path / "out").exists()
    assert len(desk.session.frames) == 5, "the opening went on: one of the five pictures is new"
