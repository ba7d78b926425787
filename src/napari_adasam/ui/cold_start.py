"""A process that opens the dock in a running napari, as a clinician does, and waits for the first suggestion.

``python -m napari_adasam.ui.cold_start ORDER`` prints one JSON object of ms; ``benchmark`` starts it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import napari
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.settings import Settings

TICK_MS = 5


def _until(ready: Callable[[], bool]) -> float:
    """Let the window live until then; seconds of ``perf_counter``. The event loop sleeps in between, as it does."""
    loop, timer = QEventLoop(), QTimer()

    def look() -> None:
        if ready():
            loop.quit()

    timer.timeout.connect(look)
    timer.start(TICK_MS)
    loop.exec()
    return time.perf_counter()


def measure(path: Path, model: str, began: float) -> dict[str, float]:
    """Times in ms: the dock to its first drawing; a picture opened to its suggestion, and the same from ``began``.

    And the longest gap of the event loop in between, in which the window answered nothing (``gap_first_image_ms``).

    ``began`` is the time of the clock at which the process was started. Raises AdasamError where opening the dock
    imported torch, or the model gave no suggestion.
    """
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    QApplication.processEvents()
    start = time.perf_counter()
    from napari_adasam.ui.assembly import make_annotator
    from napari_adasam.ui.dock import AdasamDock
    from napari_adasam.ui.pulse import Pulse

    settings = replace(Settings(), model=replace(Settings().model, name=model))
    dock = AdasamDock(viewer, partial(make_annotator, settings=settings))
    viewer.window.add_dock_widget(dock, name="AdaSAM ultrasound", area="right")
    QApplication.processEvents()
    opened = _until(dock.isVisible)
    if "torch" in sys.modules:
        raise AdasamError("Opening the dock has imported torch.")
    problems: list[str] = []
    dock.annotator.problem.connect(problems.append)
    pulse = Pulse()
    pulse.start()
    dock.open([path])
    session = dock.annotator.session
    seen = _until(lambda: bool(problems) or (session.current is not None and bool(session.scores(session.current))))
    from_start = time.time() - began
    pulse.stop()
    dock.shut_down()
    viewer.close()
    if problems:
        raise AdasamError(" ".join(problems))
    return {
        "open_dock_ms": 1000 * (opened - start),
        "first_suggestion_ms": 1000 * (seen - opened),
        "start_to_suggestion_ms": 1000 * from_start,
        "gap_first_image_ms": max(pulse.gaps),
    }


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    found = measure(Path(order["path"]), order["model"], order["began"])
    sys.stdout.write(f"{json.dumps(found)}\n")
