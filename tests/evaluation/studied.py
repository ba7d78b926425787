"""A data set of bright discs for the tests of the studies."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from tiny import blob

from napari_adasam.files.dataset import Dataset


def discs(folder: Path, groups: int, each: int = 1) -> Dataset:
    """``each`` images of every group, the IDs ``GROUP_NUMBER``; label 1 is the disc."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for group in range(groups):
        for number in range(each):
            pixels, labels = blob(10 * group + number)
            Image.fromarray(pixels).save(folder / "images" / f"{group}_{number}.png")
            Image.fromarray(labels).save(folder / "labels" / f"{group}_{number}.png")
    return Dataset.open(folder)
