from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_pictures import GREY, picture, region, saved
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.sequence import Sequence

from napari_adasam.domain.calibration import NOT_SQUARE
from napari_adasam.domain.records import Spacing
from napari_adasam.files.calibration import Scale, calibrate
from napari_adasam.files.dicom_marks import BURNED_IN
from napari_adasam.files.readers import open_file


def scale(*regions: Dataset, **tags: Any) -> tuple[Spacing | None, str]:
    """Spacing and sentence of a 40 × 30 picture with these regions."""
    scales = calibrate(picture(SequenceOfUltrasoundRegions=Sequence(regions), **tags))
    assert len(scales) == 1
    return scales[0].spacing, scales[0].note


def test_scale_of_a_sound_region(tmp_path: Path) -> None:
    dataset = picture(SequenceOfUltrasoundRegions=Sequence([region()]), BurnedInAnnotation="NO")
    frame = open_file(saved(tmp_path / "a.dcm", dataset)).frames[0]
    assert frame.spacing is not None
    assert (frame.spacing.y_mm, frame.spacing.x_mm) == pytest.approx((0.08, 0.05))
    assert frame.spacing.source == "DICOM region"
    assert frame.note == ""


@given(x=st.floats(0.0002, 0.9), y=st.floats(0.0002, 0.9), sign=st.sampled_from([1, -1]))
def test_scale_is_ten_times_the_delta_in_cm(x: float, y: float, sign: int) -> None:
    spacing, note = scale(region(PhysicalDeltaX=sign * x, PhysicalDeltaY=sign * y))
    assert spacing is not None
    assert (spacing.y_mm, spacing.x_mm) == pytest.approx((10 * y, 10 * x))
    assert note == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"RegionLocationMaxX1": 31},
        {"RegionLocationMaxY1": 400},
        {"RegionLocationMaxX1": 0},
        {"PhysicalDeltaX": None},
        {"PhysicalDeltaY": 0.0},
        {"PhysicalDeltaX": float("nan")},
        {"PhysicalDeltaX": 50.0},
        {"RegionLocationMinX0": None},
    ],
    ids=str,
)
def test_a_region_that_does_not_fit_is_not_trusted_and_says_so(changes: dict[str, Any]) -> None:
    spacing, note = scale(region(**changes))
    assert spacing is None
    assert "does not fit its picture" in note
    assert note.endswith("figures are in pixels only. Set the scale by hand if you know it.")


def test_a_region_that_cannot_be_read_beside_a_sound_one_takes_its_scale_away() -> None:
    spacing, note = scale(region(**LEFT), region(PhysicalDeltaX=None, **RIGHT))
    assert spacing is None
    assert "(it is incomplete)" in note


@pytest.mark.parametrize(
    "changes", [{"PhysicalUnitsXDirection": 4}, {"PhysicalUnitsYDirection": 7}, {"RegionSpatialFormat": 4}], ids=str
)
def test_a_region_of_time_or_speed_gives_no_scale(changes: dict[str, Any]) -> None:
    assert scale(region(**changes)) == (None, "")
    spacing, _ = scale(region(), region(**changes))
    assert spacing is not None


def test_regions_must_agree() -> None:
    spacing, _ = scale(region(), region(PhysicalDeltaX=0.00501))
    assert spacing is not None
    spacing, note = scale(region(), region(PhysicalDeltaX=0.006))
    assert spacing is None
    assert "different scales" in note


def frame_scale(*regions: Dataset, **tags: Any) -> Scale:
    (one,) = calibrate(picture(SequenceOfUltrasoundRegions=Sequence(regions), **tags))
    return one


LEFT = {"RegionLocationMaxX1": 14}
RIGHT = {"RegionLocationMinX0": 15}
COARSE = {"PhysicalDeltaX": 0.02, "PhysicalDeltaY": 0.02}


def test_the_scale_of_tissue_is_the_picture_s_and_holds_in_its_region() -> None:
    flow = region(RegionDataType=2, **RIGHT, **COARSE)
    one = frame_scale(flow, region(**LEFT))
    assert one.spacing is not None
    assert one.spacing.x_mm == pytest.approx(0.05)
    assert one.box == (0, 0, 40, 15)
    assert "The scale holds from 0, 0 to 15, 40 px (x, y)" in one.note


def test_two_pictures_of_tissue_with_different_scales_have_none() -> None:
    one = frame_scale(region(**LEFT), region(**RIGHT, **COARSE))
    assert one.spacing is None
    assert "different scales" in one.note
    both = frame_scale(region(**LEFT), region(**RIGHT))
    assert both.spacing is not None
    assert both.box == (0, 0, 40, 30)
    assert both.note == ""


def test_regions_of_different_scale_that_overlap_have_none() -> None:
    assert frame_scale(region(), region(RegionDataType=2, **RIGHT, **COARSE)).spacing is None


def test_a_spectrum_in_seconds_beside_the_picture_takes_nothing_from_it() -> None:
    spectrum = region(RegionSpatialFormat=3, RegionDataType=3, PhysicalUnitsXDirection=4, PhysicalUnitsYDirection=7)
    one = frame_scale(region(**LEFT), spectrum)
    assert one.spacing is not None
    assert one.box == (0, 0, 40, 15)


def test_a_picture_enlarged_without_its_tags_is_not_trusted() -> None:
    large = np.zeros((120, 90), np.uint8)
    (one,) = calibrate(picture(large, SequenceOfUltrasoundRegions=Sequence([region()])))
    assert one.spacing is None
    assert "(it covers only 39 × 29 px of 120 × 90 px, as if the picture was enlarged)" in one.note


def test_the_shape_of_a_pixel_must_agree() -> None:
    assert frame_scale(region(), PixelAspectRatio=[8, 5]).spacing is not None
    wrong = frame_scale(region(), PixelAspectRatio=[1, 1])
    assert wrong.spacing is None
    assert "contradict each other" in wrong.note


@pytest.mark.parametrize(
    ("ratio", "square"), [([2, 1], False), ([1, 1], True), ([0, 0], True), ([1000, 1001], True), (None, True)]
)
def test_pixels_that_are_not_square_and_have_no_size_are_pointed_out(ratio: list[int] | None, square: bool) -> None:
    tags = {} if ratio is None else {"PixelAspectRatio": ratio}
    (one,) = calibrate(picture(**tags))
    assert one == Scale(note="" if square else NOT_SQUARE)
    (sized,) = calibrate(picture(PixelSpacing=[0.2, 0.1], Modality="MR", **tags))
    assert sized.note == ""
    (misfit,) = calibrate(picture(SequenceOfUltrasoundRegions=Sequence([region(RegionLocationMaxX1=99)]), **tags))
    assert misfit.note.endswith("Set the scale by hand if you know it." if square else f"in pixels only. {NOT_SQUARE}")


def test_regions_of_a_frame_go_before_those_of_the_file(tmp_path: Path) -> None:
    groups = [Dataset(), Dataset()]
    groups[1].SequenceOfUltrasoundRegions = Sequence([region(**COARSE)])
    dataset = picture(
        np.stack([GREY, GREY]),
        frames=2,
        SequenceOfUltrasoundRegions=Sequence([region()]),
        PerFrameFunctionalGroupsSequence=Sequence(groups),
    )
    sizes = [one.spacing.x_mm for one in calibrate(dataset, 2) if one.spacing is not None]
    assert sizes == pytest.approx([0.05, 0.2])
    groups[1].SequenceOfUltrasoundRegions = Sequence([region(**LEFT)])
    frames = open_file(saved(tmp_path / "a.dcm", dataset)).frames
    assert [frame.region for frame in frames] == [(0, 0, 40, 30), (0, 0, 40, 15)]


def test_region_and_pixel_spacing_must_agree() -> None:
    assert scale(region(), PixelSpacing=[0.08, 0.05])[0] is not None
    spacing, note = scale(region(), PixelSpacing=[0.16, 0.1])
    assert spacing is None
    assert "contradict each other" in note


def test_regions_that_were_emptied_are_as_none() -> None:
    assert scale() == (None, "")
    spacing, note = scale(PixelSpacing=[0.08, 0.05])
    assert spacing == Spacing(0.08, 0.05, "DICOM pixel spacing")
    assert "compare it with the ruler" in note


def test_pixel_spacing_alone_is_used_with_a_word_of_caution_in_ultrasound() -> None:
    (one,) = calibrate(picture(PixelSpacing=[0.2, 0.1]))
    assert one.spacing == Spacing(0.2, 0.1, "DICOM pixel spacing")
    assert "compare it with the ruler" in one.note
    assert calibrate(picture(PixelSpacing=[0.2, 0.1], Modality="MR"))[0].note == ""
    assert calibrate(picture(ImagerPixelSpacing=[0.2, 0.1])) == (Scale(),)


def test_each_frame_may_have_a_scale_of_its_own(tmp_path: Path) -> None:
    groups = []
    for size in (0.1, 0.2):
        measures = Dataset()
        measures.PixelSpacing = [size, size]
        group = Dataset()
        group.PixelMeasuresSequence = Sequence([measures])
        groups.append(group)
    cine = np.stack([GREY, GREY])
    dataset = picture(cine, frames=2, Modality="MR", PerFrameFunctionalGroupsSequence=Sequence(groups))
    frames = open_file(saved(tmp_path / "mr.dcm", dataset)).frames
    assert [frame.spacing.x_mm for frame in frames if frame.spacing] == [0.1, 0.2]


def test_scales_of_fewer_frames_than_there_are_belong_to_none() -> None:
    groups = []
    for size in (0.1, 0.2):
        measures = Dataset()
        measures.PixelSpacing = [size, size]
        group = Dataset()
        group.PixelMeasuresSequence = Sequence([measures])
        groups.append(group)
    cine = picture(np.stack([GREY] * 3), frames=3, Modality="MR", PerFrameFunctionalGroupsSequence=Sequence(groups))
    assert calibrate(cine, 3) == (Scale(),)


def test_burned_in_names_are_pointed_out(tmp_path: Path) -> None:
    assert open_file(saved(tmp_path / "a.dcm", picture())).frames[0].note == BURNED_IN
    assert open_file(saved(tmp_path / "b.dcm", picture(BurnedInAnnotation="YES"))).frames[0].note == BURNED_IN
    assert open_file(saved(tmp_path / "c.dcm", picture(BurnedInAnnotation="NO"))).frames[0].note == ""
