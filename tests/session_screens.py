"""The pictures of docs/window.md and docs/sessions.md, from a real window.

``xvfb-run python tests/session_screens.py docs/images`` makes them all.

Drawn sample images and the bundled model; the window is 1366 × 768. Two minutes. Look at every picture that it makes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from napari.viewer import Viewer
from PIL import Image, ImageColor
from qtpy.QtWidgets import QApplication

from napari_adasam.domain.settings import LearnSettings, Settings, TrainSettings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.files import phantom
from napari_adasam.ui.app import open_window
from napari_adasam.ui.assembly import make_annotator
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.theme import AMBER, STATUS_COLORS

SHORT_ROUND = TrainSettings(steps=10, batch=1, views=1, max_unlabelled=1)
SETTINGS = Settings(learn=LearnSettings(every=0), train=SHORT_ROUND)
COLORS = 88
"""So many colours make a picture small, and hide nothing of the window if its own are among them."""
OWN = [color for color, _ in (*STATUS_COLORS.values(), AMBER)] + [one.color for one in MUSCLE_PRESET]


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
            busy = self.dock.annotator.busy
            QApplication.processEvents()
            time.sleep(0.005)
            if busy or self.dock.annotator.busy:  # one turn may take as long as the model takes to load
                quiet = time.monotonic()

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.005)

    def shoot(self, name: str, settle: bool = True) -> None:
        self.settle() if settle else self.wait(0.3)
        picture = Image.fromarray(self.viewer.screenshot(canvas_only=False, flash=False)[..., :3])
        sample, there = picture.copy(), {color for _, color in picture.getcolors(picture.width * picture.height) or []}
        own = [color for color in OWN if ImageColor.getrgb(color) in there]
        for place, color in enumerate(own):  # the canvas has most of the pixels: the small chips' colours would go
            sample.paste(color, (100 * place, 0, 100 * place + 100, 200))
        palette = sample.quantize(COLORS, dither=Image.Dither.NONE)
        small = picture.quantize(palette=palette, dither=Image.Dither.NONE)
        small.save(self._out / f"{name}.png", optimize=True)

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


def shoot_start(screens: Screens) -> None:
    """Steps 1 and 2, before anything is open."""
    screens.shoot("window_1_open")
    panel = screens.dock.structures_panel
    panel.preset.activated.emit(panel.preset.findText("Gastrocnemius medialis"))
    screens.shoot("window_2_structures")
    panel.preset.activated.emit(0)


def shoot_states(screens: Screens) -> None:
    """Step 3: suggested, corrected, accepted, compared, unusable, and offered because of what it teaches."""
    dock, annotator, review = screens.dock, screens.dock.annotator, screens.dock.annotate_panel.review
    screens.shoot("window_3_suggested")
    stroke(dock)
    screens.shoot("window_3_corrected")
    annotator.accept()
    screens.settle()
    annotator.back()
    screens.shoot("window_3_accepted")
    review.beside.setCurrentIndex(1)
    review.beside.activated.emit(1)
    screens.shoot("session_beside")
    review.beside.setCurrentIndex(0)
    review.beside.activated.emit(0)
    annotator.next()
    annotator.note("probe tilted")
    annotator.mark_unusable()
    screens.settle()
    annotator.back()
    screens.shoot("window_3_unusable")
    annotator.set_order("active")
    dock.annotate_panel.frame_card.order.setCurrentIndex(1)
    screens.settle()
    annotator.next()
    screens.shoot("session_active")


def shoot_learning(screens: Screens) -> None:
    """Step 4: a round under way, and what came of it."""
    dock, annotator = screens.dock, screens.dock.annotator
    for _ in range(2):
        annotator.accept()
        screens.settle()
    unfold(dock, "learn")
    steps: list[int] = []
    annotator.round_progress.connect(lambda event: steps.append(event.step))
    dock.learn_panel.start.click()
    while annotator.training and (not steps or steps[-1] < SHORT_ROUND.steps // 2):
        screens.wait(0.1)
    screens.shoot("window_4_learning", settle=False)
    screens.settle()
    screens.shoot("window_4_verdict")


def shoot_export(screens: Screens, out: Path) -> None:
    """Step 5, with what was written."""
    dock = screens.dock
    unfold(dock, "export")
    dock.export_panel.folder.setText(str(out))
    dock.export_panel.export.click()
    screens.shoot("window_5_export")


def shoot_all(out: Path, work: Path) -> None:
    """Every step and state, in the order of the work."""
    phantom.write_samples(work / "data", 6, seed=1)
    first = Screens(out, work / "home")
    shoot_start(first)
    first.dock.open([work / "data" / "images"])
    shoot_states(first)
    second = Screens(out, work / "home")
    second.dock.open([work / "data" / "images"])
    second.settle()
    unfold(second.dock, "open", "annotate")
    second.shoot("window_second")
    second.close()
    shoot_learning(first)
    shoot_export(first, work / "knee study" / "ultrasound-masks")
    first.close()


def main(description: str | None, shoot: Callable[[Path, Path], None]) -> None:
    """Take pictures, into the folder that the command line names; ``shoot`` gets it and a folder to work in."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        shoot(options.out, Path(work))


if __name__ == "__main__":
    main(__doc__, shoot_all)
