"""What ``napari-adasam`` starts: the window on paths, the demo's frame around its script, the virtual screen."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import napari
import pytest
from qtpy.QtCore import QMimeData, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QApplication, QSplitter

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.session import Session
from napari_adasam.domain.settings import LearnSettings, ModelSettings, Settings, TrainSettings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.services.annotator import Annotator
from napari_adasam.services.lane import Outcome
from napari_adasam.ui import app, screen
from napari_adasam.ui import demo as demo_module
from napari_adasam.ui.app import launch, open_window
from napari_adasam.ui.demo import DemoPlan, run_demo
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.drops import WindowDrops

from window_fakes import BrightnessPredictor, CountingTrainer, draw_small, wait_idle  # isort: skip

NO_KEY = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def made(predictor: BrightnessPredictor, trainer: CountingTrainer) -> list[Annotator]:
    """Annotators on fakes that a window has made."""
    return []


@pytest.fixture
def make(predictor: BrightnessPredictor, trainer: CountingTrainer, made: list[Annotator]) -> Callable[..., Annotator]:
    def make_annotator(
        forward: Callable[[Outcome], None], settings: Settings = Settings(learn=LearnSettings(every=0))
    ) -> Annotator:
        made.append(Annotator(Session(MUSCLE_PRESET), lambda: predictor, lambda _: trainer, settings, forward=forward))
        return made[-1]

    return make_annotator


@pytest.fixture(autouse=True)
def close_windows(qapp: QApplication) -> Iterator[None]:
    """No window outlives its test."""
    yield
    napari.Viewer.close_all()
    qapp.processEvents()


def test_a_window_opens_on_files_and_folders(
    make: Callable[..., Annotator], images: Path, scaled_image: Path, qtbot: Any
) -> None:
    viewer, dock = open_window([images, scaled_image], make)
    wait_idle(dock, qtbot)
    assert viewer.title == "AdaSAM ultrasound"
    assert [frame.stem for frame in dock.annotator.session.frames][-2:] == ["scan_3", "scaled"]
    assert dock.canvas.image is not None
    assert dock.window().isVisible()
    assert dock.isVisible()
    dock.shut_down()


def takes(dock: AdasamDock, paths: list[Path], held: Qt.KeyboardModifier = NO_KEY) -> bool:
    """Let go of files over napari's picture, before napari sees it; whether the session takes them."""
    (taker,) = [one for one in dock.window().findChildren(QSplitter) if one.acceptDrops()]
    (watcher,) = [one for one in dock.children() if isinstance(one, WindowDrops)]
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(QPointF(20, 20), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, held)
    return watcher.eventFilter(taker, event)


def test_what_is_dropped_on_the_picture_is_taken_into_the_session_without_a_question(
    make: Callable[..., Annotator], images: Path, scaled_image: Path, qtbot: Any
) -> None:
    viewer, dock = open_window([], make)
    assert dock.open_panel.kept.text() == "You can also drop files or folders anywhere on this window."
    assert takes(dock, [images])
    wait_idle(dock, qtbot)
    assert [frame.stem for frame in dock.annotator.session.frames] == [f"scan_{number}" for number in range(4)]
    assert [one for one in viewer.layers if one.name.startswith("scan")] == []
    assert not takes(dock, [scaled_image], Qt.KeyboardModifier.AltModifier), "napari's"
    assert len(dock.annotator.session.frames) == 4
    dock.shut_down()


def test_a_window_opens_on_a_saved_session(
    make: Callable[..., Annotator], images: Path, tmp_path: Path, qtbot: Any
) -> None:
    viewer, dock = open_window([images], make)
    wait_idle(dock, qtbot)
    assert dock.annotator.save_as(tmp_path / "session")
    dock.annotator.accept()
    wait_idle(dock, qtbot)
    dock.shut_down()
    viewer.close()
    _, again = open_window([tmp_path / "session"], make)
    wait_idle(again, qtbot)
    session = again.annotator.session
    statuses = [session.status(frame.id) for frame in session.frames]
    assert statuses.count(FrameStatus.ACCEPTED) == 1
    assert len(statuses) == 4
    again.shut_down()


def test_launching_works_until_the_window_is_closed_and_then_lets_go(
    make: Callable[..., Annotator], made: list[Annotator], images: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    settings = Settings(ModelSettings(name="another"))
    monkeypatch.setattr(app, "make_annotator", lambda forward, settings, home: make(forward, settings))

    def close_soon() -> None:
        opened = QTimer()
        opened.timeout.connect(lambda: made and made[0].session.frames and napari.Viewer.close_all())
        opened.start(300)
        napari_run()

    napari_run = napari.run
    monkeypatch.setattr(napari, "run", close_soon)
    launch([images], settings)
    [annotator] = made
    assert annotator.settings.model.name == "another"
    assert len(annotator.session.frames) == 4
    qtbot.wait_until(lambda: not any(thread.name == "adasam-lane" for thread in threading.enumerate()), timeout=30_000)


def test_the_demo_runs_in_a_window_of_its_own_and_writes_its_report(
    make: Callable[..., Annotator],
    made: list[Annotator],
    trainer: CountingTrainer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer.seconds = 0.1
    monkeypatch.setattr(demo_module, "draw_samples", draw_small)
    monkeypatch.setattr(demo_module, "make_annotator", make)
    told: list[tuple[int, int, str]] = []
    plan = DemoPlan(tmp_path / "out", headless=True, seed=7, model="adasam-us", accepted=1, waiting=0, unseen=1)
    report = run_demo(plan, lambda *event: told.append(event))
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == json.loads(json.dumps(report))
    assert told[-1] == (7, 7, "done")
    assert made[0].settings.train == TrainSettings(seed=7)
    assert made[0].settings.model.name == "adasam-us"
    assert (tmp_path / "out" / "measurements.csv").exists()


def test_a_demo_that_fails_closes_its_window_and_says_why(
    make: Callable[..., Annotator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_disk(folder: Path, plan: DemoPlan) -> None:
        raise AdasamError("There is no space left.")

    monkeypatch.setattr(demo_module, "draw_samples", no_disk)
    monkeypatch.setattr(demo_module, "open_window", partial(open_window, make=make))
    with pytest.raises(AdasamError, match="no space left"):
        run_demo(DemoPlan(tmp_path / "out", headless=True), lambda *event: None)
    assert not any(widget.isVisible() for widget in QApplication.topLevelWidgets())


def test_a_demo_whose_window_is_closed_has_no_report(
    make: Callable[..., Annotator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_module, "draw_samples", draw_small)
    monkeypatch.setattr(demo_module, "open_window", partial(open_window, make=make))
    QTimer.singleShot(2500, napari.Viewer.close_all)
    plan = DemoPlan(tmp_path / "out", accepted=1, waiting=0, unseen=1)  # with pauses, as for a person
    assert run_demo(plan, lambda *event: None) is None
    assert not (tmp_path / "out" / "report.json").exists()


def on_platform(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "sys", SimpleNamespace(platform=name, executable=sys.executable))


@pytest.fixture
def execs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """What would have been started in place of this process."""
    started: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(screen.os, "execv", lambda program, words: started.append((program, words)))
    monkeypatch.setattr(screen.shutil, "which", lambda name: f"/usr/bin/{name}")
    on_platform("linux", monkeypatch)
    for name in screen.DISPLAYS:
        monkeypatch.delenv(name, raising=False)
    return started


def test_without_a_screen_the_command_starts_anew_on_a_virtual_one(execs: list[tuple[str, list[str]]]) -> None:
    screen.move_to_virtual_screen(["demo", "--headless"])
    [(program, words)] = execs
    assert program == "/usr/bin/xvfb-run"
    assert words[0] == program
    assert words[1:3] == ["--auto-servernum", "--server-args=-screen 0 1366x768x24"]
    assert words[3:] == [sys.executable, "-m", "napari_adasam", "demo", "--headless"]


@pytest.mark.parametrize("there", ["DISPLAY", "WAYLAND_DISPLAY", "windows", "no xvfb-run"])
def test_with_a_screen_or_without_a_virtual_one_it_goes_on(
    execs: list[tuple[str, list[str]]], there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if there == "windows":
        on_platform("win32", monkeypatch)
    elif there == "no xvfb-run":
        monkeypatch.setattr(screen.shutil, "which", lambda name: None)
    else:
        monkeypatch.setenv(there, ":0")
    screen.move_to_virtual_screen(["demo", "--headless"])
    assert execs == []


@pytest.mark.parametrize(
    ("qt", "display", "said"), [(False, ":0", "no Qt 6"), (True, "", "no screen"), (True, ":0", "")]
)
def test_why_no_window_can_be_opened(qt: bool, display: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "find_spec", lambda name: object() if qt else None)
    on_platform("linux", monkeypatch)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert said in screen.no_window_because()
    if said:
        with pytest.raises(AdasamError, match=said):
            screen.need_window()
    else:
        assert screen.no_window_because() == ""
        screen.need_window()
