"""Write drawn images as a data set that ``train`` and ``evaluate`` read."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import BytesIO, StringIO
from pathlib import Path

import tifffile
from PIL import Image

from napari_adasam.files.atomic import make_folder, write_whole
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

    Images are TIFF with their scale, labels PNG.

    Parameters
    ----------
    per_cluster
        Images of one geometry, with different speckle; they share the column ``cluster``.
    progress
        Called with (done, n) after each image.

    Raises
    ------
    StorageError
        If the folder cannot be made or the disk is full; every file that is there is whole.
    """
    for name in ("images", "labels"):
        make_folder(folder / name)
    index = StringIO()
    table = csv.writer(index, lineterminator="\n")
    table.writerow(COLUMNS)
    for number in range(n):
        cluster, repeat = divmod(number, per_cluster)
        image = draw(seed * 100_003 + cluster, settings, repeat)
        name = f"phantom_{number:04d}"
        write_image(folder / "images" / f"{name}.tif", image)
        _write_labels(folder / "labels" / f"{name}.png", image)
        table.writerow((name, f"exam_{cluster:04d}", f"{image.spacing.x_mm:.6f}", image.probe))
        if progress is not None:
            progress(number + 1, n)
    write_whole(folder / "index.csv", index.getvalue().encode())
    return folder


def write_image(path: Path, image: PhantomImage) -> None:
    """Write a drawn image as an ImageJ TIFF with its scale. Raises StorageError."""
    per_mm = (1 / image.spacing.x_mm, 1 / image.spacing.y_mm)
    file = BytesIO()
    tifffile.imwrite(file, image.pixels, imagej=True, resolution=per_mm, metadata={"unit": "mm"})
    write_whole(path, file.getvalue())


def _write_labels(path: Path, image: PhantomImage) -> None:
    file = BytesIO()
    Image.fromarray(image.labels).save(file, "PNG")
    write_whole(path, file.getvalue())
