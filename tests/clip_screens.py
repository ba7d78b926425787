"""The pictures of docs/clips.md, from a real window: ``xvfb-run python tests/clip_screens.py docs/images``.

A drawn clip of 24 frames and the bundled model; the window is 1366 × 768. Look at every picture that it makes.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import tifffile

from napari_adasam.files import phantom
from napari_adasam.files.phantom import Motion, PhantomSettings
from session_screens import Screens

FRAMES, SEED, STEP_S = 24, 500, 0.05


def draw_clip(path: Path) -> None:
    """A contracting muscle, as ImageJ keeps a series in time."""
    images = list(phantom.clip(SEED, FRAMES, PhantomSettings(320, 380), Motion(1.0, 4.0)))
    spacing = images[0].spacing
    tifffile.imwrite(
        path,
        np.stack([image.pixels for image in images]),
        imagej=True,
        resolution=(1 / spacing.x_mm, 1 / spacing.y_mm),
        metadata={"axes": "TYX", "unit": "mm", "finterval": STEP_S},
    )


def shoot_clip(screens: Screens) -> None:
    """The list folded open while outlines are taken through."""
    dock, annotator = screens.dock, screens.dock.annotator
    card = dock.annotate_panel.clip
    annotator.accept()
    screens.settle()
    annotator.propagate()
    screens.settle()
    card.fold.click()
    annotator.go_to(card.rows.frames[14])
    annotator.accept()
    screens.settle()
    annotator.go_to(card.rows.frames[10])
    screens.settle()
    screens.shoot("clip_frames")
    card.fold.click()


def shoot_all(out: Path, work: Path) -> None:
    """Every picture, in the order of the work."""
    draw_clip(work / "contraction.tif")
    phantom.write_samples(work / "data", 2, seed=1)
    screens = Screens(out, work / "home")
    screens.dock.open([work / "contraction.tif", work / "data" / "images"])
    screens.settle()
    shoot_clip(screens)
    screens.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        shoot_all(options.out, Path(work))


if __name__ == "__main__":
    main()
