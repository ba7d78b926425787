"""How long the window's thread computes at a stretch where much is to be done: ``python tests/window_holds.py``.

In a real window (xvfb-run) on predictors that need no weights: *Keep session in…* with 300 accepted frames of
600 × 800 pixels, a structure removed among 5,000 frames, and pictures of 16 megapixels. One line of JSON a row: the
longest time between two beats of a 5 ms timer of the event loop in each repetition, in processor time of the window's
thread, so that a busy machine does not count, and by the clock.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_adasam.domain.prompts import Point
from napari_adasam.domain.session import Session
from napari_adasam.domain.settings import LearnSettings, Settings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.services.annotator import Annotator
from napari_adasam.ui.app import open_window
from napari_adasam.ui.dock import AdasamDock

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "ui")]
from window_fakes import BrightnessPredictor, CountingTrainer  # noqa: E402

import bench_session  # noqa: E402

SIDE, LARGE = 4096, 6


class Holds:
    """The longest time between two beats of the event loop, by the thread's processor time and by the clock."""

    def __init__(self) -> None:
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._last = self._longest = (0.0, 0.0)

    def of(self, act: Callable[[], object], settle: Callable[[], None]) -> tuple[float, float]:
        """Both in ms, from before ``act()`` until nothing is under way."""
        self._longest, self._last = (0.0, 0.0), (time.thread_time(), time.perf_counter())
        self._timer.start(5)
        act()
        settle()
        self._beat()
        self._timer.stop()
        return self._longest

    def _beat(self) -> None:
        now = (time.thread_time(), time.perf_counter())
        computed, clock = (1000 * (one - before) for one, before in zip(now, self._last, strict=True))
        self._longest = max(self._longest[0], computed), max(self._longest[1], clock)
        self._last = now


@contextmanager
def window() -> Iterator[tuple[AdasamDock, Callable[[], None]]]:
    """A window, and what waits until nothing is under way in it."""

    def make(forward: Any) -> Annotator:
        predictor, settings = BrightnessPredictor(), Settings(learn=LearnSettings(every=0))
        trainer = CountingTrainer(predictor)
        return Annotator(Session(MUSCLE_PRESET), lambda: predictor, lambda _: trainer, settings, forward=forward)

    def settle() -> None:
        quiet = 0
        while quiet < 10:
            QApplication.processEvents()
            quiet = 0 if dock.annotator.busy or not dock.canvas.whole else quiet + 1
            time.sleep(0.01)

    viewer, dock = open_window(make=make)
    viewer.window.set_geometry(0, 0, 1366, 768)
    settle()
    try:
        yield dock, settle
    finally:
        dock.shut_down()
        viewer.close()


def tell(what: str, times: list[tuple[float, float]]) -> None:
    computed, clock = ([round(one) for one in series] for series in zip(*times, strict=True))
    sys.stdout.write(f"{json.dumps({'what': what, 'processor_ms': computed, 'clock_ms': clock})}\n")
    sys.stdout.flush()


def keeping(folder: Path) -> None:
    """Three copies of a session, one after the other."""
    with window() as (dock, settle):
        dock.open([bench_session.write(folder, 600, None)])
        settle()
        copies = [folder / f"copy_{number}" for number in range(3)]
        tell("keep_session", [Holds().of(lambda one=one: dock.annotator.start_keeping(one), settle) for one in copies])


def removing(folder: Path) -> None:
    """The first structure, which half of the frames show, is refused; the second, which none shows, is removed."""
    with window() as (dock, settle):
        dock.open([bench_session.write(folder, 5000, None)])
        settle()
        first, second = dock.annotator.session.structures
        tell("remove_refused", [Holds().of(lambda: dock.annotator.set_structures([second]), settle)])
        tell("remove", [Holds().of(lambda: dock.annotator.set_structures([first]), settle)])


def large(folder: Path) -> None:
    """Suggestion, click, stroke, accept and next on pictures of 16 megapixels."""
    rng = np.random.default_rng(0)
    (folder / "scans").mkdir()
    for number in range(LARGE):
        picture = rng.integers(0, 60, (SIDE, SIDE), dtype=np.uint8)
        picture[1000:2500, 500 + 50 * number : 3500] = 180
        Image.fromarray(picture).save(folder / "scans" / f"scan_{number}.png", compress_level=1)
    with window() as (dock, settle):
        annotator, session = dock.annotator, dock.annotator.session
        dock.open([folder / "scans"])
        settle()
        took: dict[str, list[tuple[float, float]]] = {"click": [], "stroke": [], "accept_and_next": []}
        for _ in range(LARGE - 1):
            frame_id = str(session.current)
            took["click"].append(Holds().of(lambda: annotator.click(Point(3000.0, 3000.0), 1), settle))
            labels = session.labels(frame_id).copy()
            labels[3200:3300, 1000:1200] = 1
            took["stroke"].append(Holds().of(lambda labels=labels: annotator.stroke(labels), settle))
            took["accept_and_next"].append(Holds().of(lambda: dock.commander.run("accept"), settle))
        for what, times in took.items():
            tell(f"16_megapixels_{what}", times)


def main() -> None:
    for part in (keeping, removing, large):
        with tempfile.TemporaryDirectory() as name:
            part(Path(name))


if __name__ == "__main__":
    main()
