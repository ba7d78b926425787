"""The pictures of docs/sessions.md, from a real window: ``xvfb-run python tests/session_screens.py OUT``.

Drawn sample images and the bundled model; the window is 1366 × 768. Look at every picture that it makes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

from napari.viewer import Viewer
from qtpy.QtWidgets import QApplication

from napari_adasam.domain.settings import LearnSettings, Settings
from napari_adasam.files import phantom
from napari_adasam.ui.app import open_window
from napari_adasam.ui.assembly import make_annotator
from napari_adasam.ui.dock import AdasamDock

SETTINGS = Settings(learn=LearnSettings(every=0))


class Screens:
    """A window that is taken pictures of."""

    def __init__(self, out: Path, home: Path) -> None:
        self._out = out
        self.viewer: Viewer
        self.viewer, self.dock = open_window(make=partial(make_annotator, settings=SETTINGS, home=home))
        self.viewer.window.set_geometry(0, 0, 1366, 768)

    def settle(self, seconds: float = 0.5) -> None:
        """Let the window work until nothing is under way, and a moment longer."""
        quiet = time.monotonic()
        while time.monotonic() - quiet < seconds:
            QApplication.processEvents()
            time.sleep(0.005)
            if self.dock.annotator.busy:
                quiet = time.monotonic()

    def shoot(self, name: str) -> None:
        self.settle()
        self.viewer.screenshot(str(self._out / f"session_{name}.png"), canvas_only=False, flash=False)

    def close(self) -> None:
        self.dock.shut_down()
        self.viewer.close()


def unfold(dock: AdasamDock, *names: str) -> None:
    for name, section in dock.sections.items():
        section.set_open(name in names)


def stroke(dock: AdasamDock) -> None:
    """Erase a corner of the muscle."""
    session = dock.annotator.session
    labels = session.labels(session.current or "").copy()
    labels[: labels.shape[0] // 2, : labels.shape[1] // 3] = 0
    dock.annotator.stroke(labels)


def shoot_all(out: Path, work: Path) -> None:
    """Every state, in the order of the work."""
    phantom.write_samples(work / "data", 5, seed=1)
    first = Screens(out, work / "home")
    dock, annotator, review = first.dock, first.dock.annotator, first.dock.annotate_panel.review
    first.shoot("1_start")
    dock.open([work / "data" / "images"])
    first.shoot("2_suggested")
    stroke(dock)
    first.shoot("3_corrected")
    annotator.accept()
    annotator.back()
    review.beside.setCurrentIndex(1)
    review.beside.activated.emit(1)
    first.shoot("beside")
    review.beside.setCurrentIndex(0)
    review.beside.activated.emit(0)
    annotator.next()
    annotator.note("probe tilted")
    annotator.mark_unusable()
    annotator.set_order("active")
    dock.annotate_panel.frame_card.order.setCurrentIndex(1)
    first.settle()
    annotator.next()
    first.shoot("active")
    unfold(dock, "open", "structures")
    first.shoot("6_open_structures")
    second = Screens(out, work / "home")
    second.dock.open([work / "data" / "images"])
    second.shoot("7_second_window")
    second.close()
    first.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        shoot_all(options.out, Path(work))


if __name__ == "__main__":
    main()
