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
from napari_adasam.files.scaling import NO_NUMBERS

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
    assert levels[0, 0] is np.ma.masked if np.isnan(odd) else levels[0, 0] == odd
    assert clip.read(1).dtype == (np.uint8 if kind == "u1" else np.uint16)


@pytest.mark.parametrize("ending", [".nii", ".tif"])
@pytest.mark.parametrize(("odd", "shown"), [(np.nan, 0), (-np.inf, 0), (np.inf, 65535)])
@pytest.mark.parametrize("frames", [1, 2])
def test_what_is_no_number_is_black_or_white_and_said(
    tmp_path: Path, ending: str, odd: float, shown: int, frames: int
) -> None:
    """As in pictures in decibels, where black is minus infinity and everything else is below 0."""
    decibels = np.linspace(-60, -10, 2 * 30 * 20, dtype="f4").reshape(2, 30, 20)[:frames]
    sound = open_file(saved(tmp_path, ending, decibels))
    before = sound.read(frames - 1)
    decibels[-1, 0, 0] = odd
    clip = open_file(saved(tmp_path, ending, decibels))
    assert clip.read(frames - 1)[0, 0] == shown
    assert np.abs(clip.read(frames - 1).astype(int) - before)[0, 1:].max() <= 120, "nothing else is shown otherwise"
    assert (NO_NUMBERS in clip.frames[0].note, NO_NUMBERS in sound.frames[0].note) == (True, False)


def test_colour_without_a_number_is_masked_and_fractions_stay(tmp_path: Path) -> None:
    colour = np.full((30, 20, 3), 0.5, "f4")
    colour[..., 1] = 0.25
    colour[0, 0, 2], colour[0, 1] = np.nan, (np.inf, -np.inf, 0)
    tifffile.imwrite(tmp_path / "scan.tif", colour, photometric="rgb")
    levels = open_file(tmp_path / "scan.tif").levels(0)
    assert np.ma.getmaskarray(levels)[0].tolist() == [True, True] + 18 * [False]
    assert levels[1, 1] == pytest.approx(0.5 * (0.299 + 0.114) + 0.25 * 0.587)


@pytest.mark.parametrize("rows", [slice(10, 12), slice(10, 20)])
def test_echo_intensity_leaves_out_what_is_no_number_and_says_so(tmp_path: Path, rows: slice) -> None:
    frames = pictures("f4", 100.5)
    frames[1, rows, 5:15] = np.nan
    labels = np.zeros((30, 20), np.uint8)
    labels[10:20, 5:15] = 1
    clip = open_file(saved(tmp_path, ".nii", frames))
    one = Measured("scan", "scan.nii", labels, None)
    grey = np.ma.array(clip.levels(1), mask=np.broadcast_to(np.arange(20) < 6, (30, 20)))
    measured = {row["measure"]: row for row in measured_rows(one, (Structure(1, "tissue"),), grey)}
    gone = 10 * (rows.stop - rows.start)
    if gone == 100:
        assert "echo intensity mean" not in measured
        assert (
            measured["area"]["note"] == f"no echo intensity: all was left out; {gone} px that hold no number left out"
        )
        return
    assert measured["echo intensity mean"]["value"] == "100.0000"
    assert (
        "8 px outside the scan sector left out; 20 px that hold no number left out"
        in (measured["echo intensity mean"]["note"])
    )


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
