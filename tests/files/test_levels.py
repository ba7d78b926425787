"""Grey levels to be measured are those of the file, however it is scaled to be shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from napari_adasam.domain.records import Annotation, MaskOrigin
from napari_adasam.domain.structures import Structure
from napari_adasam.files.exports.table import Measured, measured_rows
from napari_adasam.files.readers import open_file

TISSUE = 100


def pictures(kind: str, odd: float) -> NDArray[Any]:
    """Two frames of (30, 20), all tissue but for one pixel in the second."""
    frames = np.full((2, 30, 20), TISSUE, kind)
    frames[1, 0, 0] = odd
    return frames


def saved(folder: Path, ending: str, frames: NDArray[Any]) -> Path:
    path = folder / f"scan{ending}"
    if ending == ".tif":
        tifffile.imwrite(path, frames, photometric="minisblack")
    else:
        nibabel.save(nibabel.Nifti1Image(frames.transpose(2, 1, 0), np.eye(4)), path)
    return path


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".tif"])
@pytest.mark.parametrize(("kind", "odd"), [("f4", 255), ("f4", 100.5), ("f4", np.nan), ("i2", -1), ("u1", 255)])
def test_one_odd_pixel_changes_no_other(tmp_path: Path, ending: str, kind: str, odd: float) -> None:
    clip = open_file(saved(tmp_path, ending, pictures(kind, odd)))
    levels = clip.levels(1)
    assert levels.shape == (30, 20)
    assert (levels[1:] == TISSUE).all()
    assert levels[0, 0] == (0 if np.isnan(odd) else odd)
    assert clip.read(1).dtype == (np.uint8 if kind == "u1" else np.uint16)


def test_echo_intensity_is_of_these_levels(tmp_path: Path) -> None:
    frames = pictures("f4", 255)
    clip = open_file(saved(tmp_path, ".nii", frames))
    labels = np.zeros((30, 20), np.uint8)
    labels[10:20, 5:15] = 1
    annotation = Annotation(clip.frames[1].id, labels, {1: MaskOrigin.DRAWN}, {1: 1.0}, 1.0, "")
    one = Measured("scan", "scan.nii", labels, None, None, clip.frames[1].bits, annotation)
    rows = measured_rows(one, (Structure(1, "tissue"),), clip.levels(1))
    (mean,) = [row for row in rows if row["measure"] == "echo intensity mean"]
    assert (mean["value"], mean["bit_depth"]) == ("100.0000", "")
