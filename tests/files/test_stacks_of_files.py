"""What readers say of the frames of a file: slices or moments, and how far apart slices are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
from dicom_pictures import picture, saved
from pydicom import Dataset

from napari_adasam.domain.records import Along, Stack
from napari_adasam.files.readers import open_file

UP, TILTED = [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0.8, 0.6]


def stack_of(path: Path) -> Stack | None:
    clip = open_file(path)
    assert all(frame.stack == clip.frames[0].stack for frame in clip.frames)
    return clip.frames[0].stack


def nifti(path: Path, shape: tuple[int, ...], affine: np.ndarray, **units: str) -> Path:
    image = nibabel.Nifti1Image(np.zeros(shape, np.uint8), affine)
    image.header.set_xyzt_units(**units)
    image.to_filename(path)
    return path


def test_nifti_slices_are_as_far_apart_as_their_planes(tmp_path: Path) -> None:
    straight = nifti(tmp_path / "a.nii", (20, 18, 5), np.diag([0.5, 0.7, 2.5, 1]), xyz="mm")
    assert stack_of(straight) == Stack(5, Along.DEPTH, 5, 2.5, "NIfTI header")
    sheared = np.diag([0.5, 0.7, 2.0, 1])
    sheared[1, 2] = 1.5  # the slices are shifted: their middles are 2.5 mm apart, their planes 2
    found = stack_of(nifti(tmp_path / "b.nii", (20, 18, 5), sheared, xyz="mm"))
    assert found is not None
    assert found.step_mm == pytest.approx(2.0)
    metres = stack_of(nifti(tmp_path / "c.nii", (20, 18, 5), np.diag([5e-4, 7e-4, 2.5e-3, 1]), xyz="meter"))
    assert metres is not None
    assert metres.step_mm == pytest.approx(2.5)


def test_nifti_without_a_unit_or_a_depth_has_no_distance(tmp_path: Path) -> None:
    assert stack_of(nifti(tmp_path / "a.nii", (20, 18, 5), np.eye(4))) == Stack(5, Along.DEPTH, 5)
    timed = nifti(tmp_path / "b.nii", (20, 18, 1, 6), np.eye(4), xyz="mm", t="sec")
    assert stack_of(timed) == Stack(6, Along.TIME)
    moments = nifti(tmp_path / "c.nii", (20, 18, 4, 3), np.diag([1, 1, 3, 1.0]), xyz="mm", t="sec")
    assert stack_of(moments) == Stack(12, Along.DEPTH, 4, 3.0, "NIfTI header")
    assert stack_of(nifti(tmp_path / "d.nii", (20, 18), np.eye(4), xyz="mm")) is None


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"axes": "ZYX", "spacing": 3.0, "unit": "mm"}, Stack(5, Along.DEPTH, 5, 3.0, "TIFF header")),
        ({"axes": "ZYX", "spacing": 300.0, "unit": "um"}, Stack(5, Along.DEPTH, 5, pytest.approx(0.3), "TIFF header")),
        ({"axes": "ZYX", "spacing": 3.0, "unit": "cm", "zunit": "mm"}, Stack(5, Along.DEPTH, 5, 3.0, "TIFF header")),
        ({"axes": "ZYX", "spacing": 3.0}, Stack(5, Along.DEPTH, 5)),
        ({"axes": "ZYX", "unit": "mm"}, Stack(5, Along.DEPTH, 5)),
        ({"axes": "TYX", "finterval": 0.1}, Stack(5, Along.TIME)),
    ],
)
def test_imagej_says_depth_or_time(tmp_path: Path, metadata: dict[str, Any], expected: Stack) -> None:
    pixels = np.zeros((5, 20, 18), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, resolution=(2, 2), metadata=metadata)
    assert stack_of(tmp_path / "a.tif") == expected


def test_ome_says_depth_or_time(tmp_path: Path) -> None:
    pixels = np.zeros((5, 20, 18), np.uint8)
    facts = {"PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1, "PhysicalSizeZ": 0.4}
    units = {f"PhysicalSize{axis}Unit": "mm" for axis in "XYZ"}
    tifffile.imwrite(tmp_path / "z.ome.tif", pixels, metadata={"axes": "ZYX", **facts, **units})
    assert stack_of(tmp_path / "z.ome.tif") == Stack(5, Along.DEPTH, 5, 0.4, "TIFF header")
    tifffile.imwrite(tmp_path / "t.ome.tif", pixels, metadata={"axes": "TYX"})
    assert stack_of(tmp_path / "t.ome.tif") == Stack(5, Along.TIME)


def test_frames_of_both_depth_and_time_are_neither_slices_nor_moments(tmp_path: Path) -> None:
    """Two moments of three slices: one distance, and one interval, hold for some of the frames only."""
    facts = {"PhysicalSizeZ": 0.4, "PhysicalSizeZUnit": "mm", "TimeIncrement": 40.0, "TimeIncrementUnit": "ms"}
    pixels = np.zeros((2, 3, 20, 18), np.uint8)
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels, metadata={"axes": "TZYX", **facts})
    tifffile.imwrite(tmp_path / "b.tif", pixels, imagej=True, metadata={"axes": "TZYX", "unit": "mm", "spacing": 0.4})
    for name in ("a.ome.tif", "b.tif"):
        assert stack_of(tmp_path / name) == Stack(6)
        assert [frame.time_s for frame in open_file(tmp_path / name).frames] == [None] * 6


def test_imagej_gives_its_interval_in_a_unit(tmp_path: Path) -> None:
    words = {"axes": "TYX", "finterval": 40.0, "tunit": "ms"}
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 20, 18), np.uint8), imagej=True, metadata=words)
    assert [frame.time_s for frame in open_file(tmp_path / "a.tif").frames] == pytest.approx([0, 0.04, 0.08])


def test_a_plain_tiff_says_nothing(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 20, 18), np.uint8), photometric="minisblack")
    assert stack_of(tmp_path / "a.tif") == Stack(5)


def planes(middles: list[list[float]], turned: list[float], **tags: Any) -> dict[str, Any]:
    own = []
    for middle in middles:
        group, place = Dataset(), Dataset()
        place.ImagePositionPatient = middle
        group.PlanePositionSequence = [place]
        own.append(group)
    shared, orientation = Dataset(), Dataset()
    orientation.ImageOrientationPatient = turned
    shared.PlaneOrientationSequence = [orientation]
    return {"PerFrameFunctionalGroupsSequence": own, "SharedFunctionalGroupsSequence": [shared], **tags}


EVEN = [[0, 0, 1.5 * at] for at in range(4)]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"SpacingBetweenSlices": 1.2}, Stack(4, Along.DEPTH, 4, 1.2, "DICOM slice spacing")),
        ({"SpacingBetweenSlices": -1.2}, Stack(4, Along.DEPTH, 4, 1.2, "DICOM slice spacing")),
        ({"SpacingBetweenSlices": 1.2, "FrameTime": 40}, Stack(4, Along.TIME)),
        ({"SliceThickness": 1.2}, Stack(4)),
        ({"FrameTime": 40}, Stack(4, Along.TIME)),
        ({"SpacingBetweenSlices": 0}, Stack(4)),
        (planes(EVEN, UP), Stack(4, Along.DEPTH, 4, pytest.approx(1.5), "DICOM slice positions")),
        (planes(EVEN, UP, FrameTime=40), Stack(4, Along.DEPTH, 4, pytest.approx(1.5), "DICOM slice positions")),
        (planes([[0, 0, z] for z in (0, 1, 2, 4)], UP, SpacingBetweenSlices=1.0), Stack(4, Along.DEPTH, 4)),
        (planes([[0, 0.5 * at, 1.5 * at] for at in range(4)], UP), Stack(4, Along.DEPTH, 4)),
        (planes([[0, 0, 0]] * 4, UP, FrameTime=40), Stack(4, Along.TIME)),
        (planes([[2.0 * at, 0, 0] for at in range(4)], UP, FrameTime=40), Stack(4, Along.TIME)),
        (
            planes([[0, -0.6 * at, 0.8 * at] for at in range(4)], TILTED),
            Stack(4, Along.DEPTH, 4, pytest.approx(1.0), "DICOM slice positions"),
        ),
    ],
)
def test_dicom_planes_decide_and_thickness_does_not(tmp_path: Path, tags: dict[str, Any], expected: Stack) -> None:
    pixels = np.zeros((4, 40, 30), np.uint8)
    assert stack_of(saved(tmp_path / "a.dcm", picture(pixels, 4, **tags))) == expected


def test_dicom_planes_that_are_turned_against_each_other_are_no_slices(tmp_path: Path) -> None:
    """As where a probe is tilted by hand."""
    tags = planes(EVEN, UP)
    for at, group in enumerate(tags["PerFrameFunctionalGroupsSequence"]):
        orientation = Dataset()
        turn = np.radians(5 * at)
        orientation.ImageOrientationPatient = [1, 0, 0, 0, float(np.cos(turn)), float(np.sin(turn))]
        group.PlaneOrientationSequence = [orientation]
    assert stack_of(saved(tmp_path / "a.dcm", picture(np.zeros((4, 40, 30), np.uint8), 4, **tags))) == Stack(4)
