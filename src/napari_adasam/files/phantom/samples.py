"""Write drawn images as a data set that ``train`` and ``evaluate`` read."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from napari_adasam.files.phantom.images import PhantomImage, PhantomSettings, draw

COLUMNS = ("id", "cluster", "pixel_size_mm", "probe")


def write_samples(
    folder: Path,
    n: int,
    seed: int = 0,
    settings: PhantomSettings | None = None,
    per_cluster: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write ``n`` drawn images to ``folder``/images and /labels with an index.csv; returns the folder.

    Parameters
    ----------
    per_cluster
        Images of one geometry, with different speckle; they share the column ``cluster``.
    progress
        Called with (done, n) after each image.
    """
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for number in range(n):
            cluster, repeat = divmod(number, per_cluster)
            image = draw(seed * 100_003 + cluster, settings, repeat)
            name = f"phantom_{number:04d}"
            _write(folder, name, image)
            table.writerow((name, f"exam_{cluster:04d}", f"{image.spacing.x_mm:.6f}", image.probe))
            if progress is not None:
                progress(number + 1, n)
    return folder


def _write(folder: Path, name: str, image: PhantomImage) -> None:
    Image.fromarray(image.pixels).save(folder / "images" / f"{name}.png")
    Image.fromarray(image.labels).save(folder / "labels" / f"{name}.png")
