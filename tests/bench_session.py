"""How a session of many frames opens, goes on and grows: ``python tests/bench_session.py --frames 5000``.

Drawn pictures of 600 × 800 pixels, or real ones of ``--images FOLDER`` in that size, each stamped with its number; half
of them accepted, with a model that needs no weights. Times are processor time of the window's thread, so that a busy
machine does not count, and by the clock. ``--window`` does the same in a real window (xvfb-run), which has made its
preparations, as it does while somebody looks for a folder; with ``--at-once`` it has not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from napari_adasam.domain.records import Annotation, FrameStatus, MaskOrigin
from napari_adasam.domain.session import Session
from napari_adasam.domain.settings import LearnSettings, Settings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.evaluation.memory import resident_mb
from napari_adasam.files.readers import open_paths
from napari_adasam.files.store import Store
from napari_adasam.services.annotator import Annotator

sys.path[:0] = [str(Path(__file__).parent / "services"), str(Path(__file__).parent / "ui")]
from annotator_fakes import FakePredictor, FakeTrainer  # noqa: E402

HEIGHT, WIDTH = 600, 800
LOOKS_FOR_A_FOLDER = 5.0
"""Seconds."""


def write(folder: Path, frames: int, images: Path | None) -> Path:
    """Pictures, and a session of them, every second one accepted."""
    (folder / "scans").mkdir()
    pictures = real(images) if images else [np.tile(np.linspace(0, 200, WIDTH, dtype=np.uint8), (HEIGHT, 1))]
    for number in range(frames):
        grey = pictures[number % len(pictures)]
        grey[:4, :4] = np.frombuffer(number.to_bytes(16, "big"), np.uint8).reshape(4, 4)
        Image.fromarray(grey).save(folder / "scans" / f"scan_{number:05d}.png", compress_level=1)
    store = Store.create(folder / "session")
    store._connection.execute("PRAGMA synchronous=OFF")  # only while the sample is made
    store.save_structures(MUSCLE_PRESET)
    known = [frame for clip in open_paths([folder / "scans"]).clips for frame in clip.frames]
    store.save_frames(known)
    rows = np.arange(HEIGHT)[:, None] + np.zeros((1, WIDTH))
    for number, frame in enumerate(known[::2]):
        wave = 20 * np.sin(np.arange(WIDTH) / 40 + number)
        labels = ((rows > 180 + wave) & (rows < 380 + wave)).astype(np.uint8)
        origins = {1: MaskOrigin.CORRECTED, 2: MaskOrigin.ABSENT}
        store.save_annotation(Annotation(frame.id, labels, origins, {1: 0.1, 2: 0.0}, 10.0, "m"))
    store.close()
    return folder / "session"


def real(folder: Path) -> list[np.ndarray]:
    """At most 400 grey pictures of a folder, in the size of the drawn ones."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".png", ".jpg", ".tif", ".tiff"})[:400]
    return [np.array(Image.open(path).convert("L").resize((WIDTH, HEIGHT))) for path in paths]


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds of this thread's processor time, and by the clock."""
    began, clock = time.thread_time(), time.perf_counter()
    act()
    return (time.thread_time() - began) * 1000, (time.perf_counter() - clock) * 1000


def figures(values: list[float]) -> dict[str, float]:
    return {f"p{share}": round(float(np.percentile(values, share)), 1) for share in (50, 95, 100)}


def result(opening: tuple[float, float], took: list[tuple[float, float]], memory: list[float]) -> dict[str, Any]:
    return {
        "open_ms": round(opening[0]),
        "open_by_the_clock_ms": round(opening[1]),
        "accept_and_next_ms": figures([one[0] for one in took]),
        "accept_and_next_by_the_clock_ms": figures([one[1] for one in took]),
        "memory_mb": [round(one) for one in memory],
    }


def measure(folder: Path, steps: int) -> dict[str, Any]:
    """Without a window: open, then accept and go on, each next frame prepared beforehand."""
    predictor = FakePredictor()
    settings = Settings(learn=LearnSettings(every=0))
    annotator = Annotator(Session(MUSCLE_PRESET), lambda: predictor, lambda _: FakeTrainer(predictor), settings)
    opening = timed(lambda: annotator.open([folder]))
    annotator.wait_idle(600)
    took, memory = [], [resident_mb()]
    for step in range(steps):
        took.append(timed(annotator.accept))
        annotator.wait_idle(60)
        if (step + 1) % max(1, steps // 5) == 0:
            memory.append(resident_mb())
    assert all(annotator.session.status(one) is FrameStatus.ACCEPTED for one in list(annotator.session.annotations)[:1])
    annotator.close()
    return result(opening, took, memory)


def measure_window(folder: Path, steps: int, at_once: bool) -> dict[str, Any]:
    """In a real window, with everything that it draws."""
    from qtpy.QtWidgets import QApplication

    from napari_adasam.ui.app import open_window

    predictor = FakePredictor()

    def make(forward: Any) -> Annotator:
        settings = Settings(learn=LearnSettings(every=0))
        model = Session(MUSCLE_PRESET)
        return Annotator(model, lambda: predictor, lambda _: FakeTrainer(predictor), settings, forward=forward)

    def settle() -> None:
        while dock.annotator.busy:
            QApplication.processEvents()
            time.sleep(0.002)
        QApplication.processEvents()

    def accept() -> None:
        dock.commander.run("accept")
        QApplication.processEvents()

    viewer, dock = open_window(make=make)
    ready = time.monotonic() + (0 if at_once else LOOKS_FOR_A_FOLDER)
    while time.monotonic() < ready:
        settle()
    opening = timed(lambda: (dock.open([folder]), QApplication.processEvents()))
    settle()
    took, memory = [], [resident_mb()]
    for step in range(steps):
        took.append(timed(accept))
        settle()
        if (step + 1) % max(1, steps // 5) == 0:
            memory.append(resident_mb())
    dock.shut_down()
    viewer.close()
    return result(opening, took, memory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--window", action="store_true")
    parser.add_argument("--at-once", action="store_true")
    parser.add_argument("--images", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        session = write(Path(name), options.frames, options.images)
        if options.window:
            found = measure_window(session, options.steps, options.at_once)
        else:
            found = measure(session, options.steps)
    print(json.dumps({"frames": options.frames, "steps": options.steps, **found}))  # noqa: T201


if __name__ == "__main__":
    main()
