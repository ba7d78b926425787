"""The pictures of docs/clips.md, from a real window: ``xvfb-run python tests/clip_screens.py docs/images``.

A drawn clip of 24 frames and the bundled model; the window is 1366 × 768. Look at every picture that it makes.
"""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import tifffile

from napari_adasam.files import phantom
from napari_adasam.files.phantom import Motion, PhantomSettings
from session_screens import Screens, main

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
    dock.commander.run("measure_stack")
    screens.settle()
    dock.steps.ensureWidgetVisible(dock.annotate_panel.stack)
    screens.shoot("clip_measures")


def draw_volume(path: Path) -> None:
    """An ellipsoid of muscle with its aponeurosis, in slices 1.5 mm apart."""
    z, y, x = np.mgrid[:24, :96, :128]
    inside = ((z - 11.5) / 9) ** 2 + ((y - 48) / 26) ** 2 + ((x - 64) / 45) ** 2
    noise = np.random.default_rng(SEED).normal(0, 12, inside.shape)
    grey = np.where(inside < 0.8, 90, np.where(inside < 1, 210, 45)) + noise
    image = nibabel.Nifti1Image(grey.clip(0, 255).astype(np.uint8).transpose(2, 1, 0), np.diag([0.3, 0.3, 1.5, 1]))
    image.header.set_xyzt_units("mm")
    image.to_filename(path)


def shoot_volume(screens: Screens) -> None:
    """A volume in 3D: some slices accepted, the others propagated."""
    dock, annotator = screens.dock, screens.dock.annotator
    frames = [item for item in annotator.items.all if item.several][-1].frames
    z, y, x = np.mgrid[:24, :96, :128]
    inside = ((z - 11.5) / 9) ** 2 + ((y - 48) / 26) ** 2 + ((x - 64) / 45) ** 2
    for at in (2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 18, 19, 20, 21):
        annotator.go_to(frames[at])
        screens.settle()
        for one in annotator.session.structures:
            annotator.clear_structure(one.value)
        annotator.stroke(np.where(inside[at] < 0.8, 1, np.where(inside[at] < 1, 2, 0)).astype(np.uint8))
        annotator.accept()
    annotator.propagate()
    screens.settle()
    dock.status_line.clear_notice()
    dock.commander.run("volume")
    screens.settle()
    screens.shoot("clip_3d")
    dock.commander.run("volume")


def shoot_all(out: Path, work: Path) -> None:
    """Every picture, in the order of the work."""
    draw_clip(work / "contraction.tif")
    phantom.write_samples(work / "data", 2, seed=1)
    screens = Screens(out, work / "home")
    screens.dock.open([work / "contraction.tif", work / "data" / "images"])
    screens.settle()
    shoot_clip(screens)
    draw_volume(work / "volume.nii.gz")
    screens.dock.open([work / "volume.nii.gz"])
    screens.settle()
    shoot_volume(screens)
    screens.close()


if __name__ == "__main__":
    main(__doc__, shoot_all)
