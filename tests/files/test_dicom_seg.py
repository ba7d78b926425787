"""DICOM SEG: read back by highdicom and by plain pydicom, and checked by an independent validator."""

from __future__ import annotations

import logging
import shutil
import subprocess
import traceback
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from export_samples import KEY, STRUCTURES, annotation, labels_of, plain_frame, us_dicom, write
from numpy.typing import NDArray

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Frame, MaskOrigin, Spacing
from napari_adasam.files.exports import ExportOptions, export
from napari_adasam.files.exports.dicom_source import read_source
from napari_adasam.files.readers import open_file

segread = pytest.importorskip("highdicom.seg", reason="the extra dicom-seg is not installed").segread

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom", "ignore::UserWarning:highdicom")
REAL = {
    "JPGLosslessP14SV1_1s_1f_8b.dcm": 1,
    "OBXXXX1A_2frame.dcm": 2,
    "US1_UNCI.dcm": 1,
    "color3d_jpeg_baseline.dcm": 120,
    "emri_small.dcm": 10,
    "examples_jpeg2k.dcm": 1,
    "examples_rgb_color.dcm": 1,
    "examples_ybr_color.dcm": 30,
}


def by_pydicom(path: Path) -> dict[int, NDArray[np.uint8]]:
    """Frame number in the source, from 0, to its label image, from the standard's attributes alone."""
    seg = pydicom.dcmread(path)
    values = {item.SegmentNumber: int(item.SegmentDescription.split()[-1]) for item in seg.SegmentSequence}
    planes = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    found: dict[int, NDArray[np.uint8]] = {}
    for group, plane in zip(seg.PerFrameFunctionalGroupsSequence, planes, strict=True):
        picture = group.DerivationImageSequence[0].SourceImageSequence[0]
        labels = found.setdefault(picture.get("ReferencedFrameNumber", 1) - 1, np.zeros(plane.shape, np.uint8))
        labels[plane > 0] = values[group.SegmentIdentificationSequence[0].ReferencedSegmentNumber]
    return found


def by_highdicom(path: Path, frames: list[Frame], several: bool) -> NDArray[np.uint8]:
    """(frames, height, width) label images."""
    seg = segread(path)
    uid = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID
    numbers = [frame.index + 1 for frame in frames]
    stack = (
        seg.get_pixels_by_source_frame(uid, numbers, combine_segments=True)
        if several
        else seg.get_pixels_by_source_instance([uid], combine_segments=True)
    )
    values = np.array([0, *(int(item.SegmentDescription.split()[-1]) for item in seg.SegmentSequence)], np.uint8)
    return values[stack]


def errors_of(path: Path) -> list[str]:
    """What the validator of dicom3tools finds wrong."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("needs dciodvfy (Debian package dicom3tools)")
    ended = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False, errors="replace")
    lines = (ended.stdout + ended.stderr).splitlines()
    assert any(line.strip().endswith("Segmentation") for line in lines), "the validator took it for something else"
    return [line for line in lines if line.startswith("Error")]


@pytest.mark.parametrize("key", [b"", KEY], ids=["named", "deidentified"])
@pytest.mark.parametrize(("count", "chosen"), [(1, [0]), (7, [0, 3, 4]), (7, list(range(7)))])
def test_masks_classes_and_spacing_come_back(tmp_path: Path, key: bytes, count: int, chosen: list[int]) -> None:
    clip = us_dicom(tmp_path / "scan.dcm", count)
    frames = [clip.frames[index] for index in chosen]
    report, labels = write(tmp_path / "out", frames, ("dicom-seg",), key=key)
    path = report.files[0]
    assert (path.parent.name, path.name.startswith("scan")) == ("dicom-seg", not key)
    plain = by_pydicom(path)
    assert sorted(plain) == chosen
    read = by_highdicom(path, frames, count > 1)
    for place, frame in enumerate(frames):
        assert np.array_equal(plain[frame.index], labels[frame.id])
        assert np.array_equal(read[place], labels[frame.id])
    seg, source = pydicom.dcmread(path), pydicom.dcmread(tmp_path / "scan.dcm")
    assert [item.SegmentLabel for item in seg.SegmentSequence] == [one.name for one in STRUCTURES]
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert [float(size) for size in measures.PixelSpacing] == [0.08, 0.05]
    for picture in (
        seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0],
        seg.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0],
    ):
        assert picture.ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert picture.ReferencedSOPClassUID == source.SOPClassUID
    assert seg.StudyInstanceUID == source.StudyInstanceUID
    assert seg.SOPInstanceUID != source.SOPInstanceUID


@pytest.mark.parametrize("key", [b"", KEY], ids=["named", "deidentified"])
@pytest.mark.parametrize("count", [1, 5])
def test_the_validator_finds_nothing_wrong(tmp_path: Path, key: bytes, count: int) -> None:
    clip = us_dicom(tmp_path / "scan.dcm", count, PatientID="77", StudyID="9", PatientSex="F")
    report, _ = write(tmp_path / "out", list(clip.frames), ("dicom-seg",), key=key)
    assert errors_of(report.files[0]) == []


def test_what_a_structure_is_stands_in_codes(tmp_path: Path) -> None:
    report, _ = write(tmp_path / "out", list(us_dicom(tmp_path / "scan.dcm").frames), ("dicom-seg",))
    muscle, aponeurosis, _ = pydicom.dcmread(report.files[0]).SegmentSequence
    kind = muscle.SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.CodingSchemeDesignator, kind.CodeMeaning) == ("71616004", "SCT", "Muscle")
    assert aponeurosis.SegmentedPropertyCategoryCodeSequence[0].CodeMeaning == "Tissue"
    assert (muscle.SegmentAlgorithmType, aponeurosis.SegmentAlgorithmType) == ("SEMIAUTOMATIC", "MANUAL")


def test_the_patient_is_the_sources_unless_names_are_left_out(tmp_path: Path) -> None:
    tags = {
        "SpecificCharacterSet": "ISO_IR 100",
        "PatientName": "Müller^Zoë",
        "PatientID": "77",
        "StudyDate": "20200101",
    }
    frames = list(us_dicom(tmp_path / "scan.dcm", 1, **tags).frames)
    named = pydicom.dcmread(write(tmp_path / "named", frames, ("dicom-seg",))[0].files[0])
    assert (str(named.PatientName), named.PatientID, named.StudyDate) == ("Müller^Zoë", "77", "20200101")
    nameless = [
        pydicom.dcmread(write(tmp_path / str(number), frames, ("dicom-seg",), key=KEY)[0].files[0]) for number in (1, 2)
    ]
    assert str(nameless[0].PatientName).startswith("subject^")
    assert nameless[0].PatientID == nameless[1].PatientID
    assert nameless[0].StudyDate == nameless[0].PatientBirthDate == ""
    assert nameless[0].PatientIdentityRemoved == "YES"
    assert "77" not in nameless[0].PatientID.split("_")


def test_a_structure_that_nobody_was_asked_for_on_a_frame_has_no_plane_of_it(tmp_path: Path) -> None:
    clip = us_dicom(tmp_path / "cine.dcm", 3)
    labels = {frame.id: labels_of(0) * np.uint8(at > 0) for at, frame in enumerate(clip.frames)}
    annotations = {key: annotation(clip.frames[0], one) for key, one in labels.items()}
    first = annotations[clip.frames[0].id]
    annotations[first.frame_id] = replace(first, origins={1: MaskOrigin.ABSENT})
    export(annotations, clip.frames, STRUCTURES, tmp_path / "out", ExportOptions(("dicom-seg",)))
    seg = pydicom.dcmread(tmp_path / "out" / "dicom-seg" / "cine.dcm")
    planes = [
        (
            group.SegmentIdentificationSequence[0].ReferencedSegmentNumber,
            group.FrameContentSequence[0].DimensionIndexValues[1],
        )
        for group in seg.PerFrameFunctionalGroupsSequence
    ]
    assert planes == [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 2), (3, 3)]
    assert seg.NumberOfFrames == 7
    back = by_pydicom(tmp_path / "out" / "dicom-seg" / "cine.dcm")
    assert all(np.array_equal(back[frame.index], labels[frame.id]) for frame in clip.frames)
    read = by_highdicom(tmp_path / "out" / "dicom-seg" / "cine.dcm", list(clip.frames), True)
    assert np.array_equal(read, np.stack([labels[frame.id] for frame in clip.frames]))
    assert not errors_of(tmp_path / "out" / "dicom-seg" / "cine.dcm")


def test_each_plane_lies_where_its_frame_does_with_its_own_scale_in_the_order_of_the_source(tmp_path: Path) -> None:
    groups = []
    for at in range(3):
        place, orientation, group = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        place.ImagePositionPatient = [0, 0, 1.5 * at]
        orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        group.PlanePositionSequence, group.PlaneOrientationSequence = [place], [orientation]
        groups.append(group)
    tags = {"PerFrameFunctionalGroupsSequence": groups, "FrameOfReferenceUID": "1.2.3.4"}
    clip = us_dicom(tmp_path / "scan.dcm", 3, **tags)
    by_hand = replace(clip.frames[0], spacing=Spacing(0.2, 0.1, "by hand"))
    report, labels = write(tmp_path / "out", [clip.frames[2], by_hand], ("dicom-seg",))
    planes = []
    for group in pydicom.dcmread(report.files[0]).PerFrameFunctionalGroupsSequence:
        if group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == 1:
            number = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
            position = group.PlanePositionSequence[0].ImagePositionPatient
            sizes = group.PixelMeasuresSequence[0].PixelSpacing
            planes.append((number, group.FrameContentSequence[0].InStackPositionNumber, *position, *sizes))
    assert planes == [(1, 1, 0, 0, 0, 0.2, 0.1), (3, 2, 0, 0, 3, 0.08, 0.05)]
    back = by_pydicom(report.files[0])
    assert all(np.array_equal(back[index], labels[clip.frames[index].id]) for index in (0, 2))


def in_space(**attributes: list[float]) -> pydicom.Dataset:
    """Functional groups with a position, an orientation, or both."""
    group = pydicom.Dataset()
    for name, value in attributes.items():
        item = pydicom.Dataset()
        setattr(item, f"Image{name}Patient", value)
        setattr(group, f"Plane{name}Sequence", [item])
    return group


FLAT = [1, 0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("own", "frame_of_reference", "there"),
    [
        (in_space(Position=[0, 0, 4], Orientation=FLAT), "1.2.3", True),
        (in_space(Position=[0, 0, 4], Orientation=FLAT), None, False),
        (in_space(Position=[0, 0, 4]), "1.2.3", False),
        (in_space(Orientation=FLAT), "1.2.3", False),
    ],
)
def test_a_place_in_space_is_whole_or_none(
    tmp_path: Path, own: pydicom.Dataset, frame_of_reference: str | None, there: bool
) -> None:
    tags = {} if frame_of_reference is None else {"FrameOfReferenceUID": frame_of_reference}
    clip = us_dicom(tmp_path / "scan.dcm", 2, PerFrameFunctionalGroupsSequence=[own, own], **tags)
    report, _ = write(tmp_path / "out", list(clip.frames), ("dicom-seg",))
    seg = pydicom.dcmread(report.files[0])
    groups = seg.PerFrameFunctionalGroupsSequence
    assert {"PlanePositionSequence" in group and "PlaneOrientationSequence" in group for group in groups} == {there}
    assert {"PlanePositionSequence" in group or "PlaneOrientationSequence" in group for group in groups} == {there}
    assert seg.get("FrameOfReferenceUID") == (frame_of_reference if there else None)


def test_what_a_frame_says_of_its_place_goes_before_what_all_share(tmp_path: Path) -> None:
    shared = in_space(Position=[0, 0, 9], Orientation=FLAT)
    for group, millimetres in ((shared, 3.0), (own := in_space(Position=[0, 0, 4]), 2.0)):
        group.PixelMeasuresSequence = [pydicom.Dataset()]
        group.PixelMeasuresSequence[0].SliceThickness = millimetres
    tags = {"PerFrameFunctionalGroupsSequence": [own, pydicom.Dataset()], "SharedFunctionalGroupsSequence": [shared]}
    us_dicom(tmp_path / "scan.dcm", 2, FrameOfReferenceUID="1.2.3", **tags)
    source = read_source(tmp_path / "scan.dcm")
    assert [source.place(at).PlanePositionSequence[0].ImagePositionPatient[2] for at in (0, 1)] == [4, 9]
    assert [source.place(at).PlaneOrientationSequence[0].ImageOrientationPatient for at in (0, 1)] == [FLAT, FLAT]
    assert [source.thickness(at) for at in (0, 1)] == [2.0, 3.0]


def test_a_structure_is_manual_only_where_it_was_drawn_on_every_frame(tmp_path: Path) -> None:
    clip = us_dicom(tmp_path / "cine.dcm", 2)
    annotations = {frame.id: annotation(frame, labels_of(0)) for frame in clip.frames}
    first = annotations[clip.frames[0].id]
    annotations[first.frame_id] = replace(
        first, origins={1: MaskOrigin.DRAWN, 2: MaskOrigin.DRAWN, 5: MaskOrigin.ABSENT}
    )
    export(annotations, clip.frames, STRUCTURES, tmp_path / "out", ExportOptions(("dicom-seg",)))
    segments = pydicom.dcmread(tmp_path / "out" / "dicom-seg" / "cine.dcm").SegmentSequence
    assert [one.SegmentAlgorithmType for one in segments] == ["SEMIAUTOMATIC", "MANUAL", "SEMIAUTOMATIC"]


def test_one_file_for_each_source_and_none_for_other_pictures(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    clips = [us_dicom(tmp_path / "scan.dcm", 2, PatientID="1"), us_dicom(tmp_path / "more" / "scan.dcm", 3)]
    frames = [*clips[0].frames, plain_frame("a"), *clips[1].frames]
    report, labels = write(tmp_path / "out", frames, ("dicom-seg",))
    assert [path.name for path in report.files] == ["scan.dcm", "scan_2.dcm", "provenance.json"]
    for clip, path in zip(clips, report.files[:2], strict=True):
        found = by_pydicom(path)
        assert sorted(found) == [frame.index for frame in clip.frames]
        assert all(np.array_equal(found[frame.index], labels[frame.id]) for frame in clip.frames)


def test_only_other_pictures_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="None of the images is from a DICOM file"):
        write(tmp_path / "out", [plain_frame("a")], ("png", "dicom-seg"))
    assert not (tmp_path / "out").exists()


def test_another_file_under_the_name_is_refused(tmp_path: Path) -> None:
    frames = list(us_dicom(tmp_path / "scan.dcm").frames)
    us_dicom(tmp_path / "scan.dcm", PatientName="Another")
    with pytest.raises(InputError, match="another file than when the session was made"):
        write(tmp_path / "out", frames, ("dicom-seg",))
    assert not (tmp_path / "out").exists()


def test_a_source_without_identifiers_is_a_sentence(tmp_path: Path) -> None:
    frames = list(us_dicom(tmp_path / "scan.dcm", StudyInstanceUID="").frames)
    with pytest.raises(InputError, match="has no StudyInstanceUID"):
        write(tmp_path / "out", frames, ("dicom-seg",))


def with_text(path: Path, **tags: str) -> list[Frame]:
    """Frames of a file in which these tags hold a text as it is, however wrong for their kind."""
    us_dicom(path)
    dataset = pydicom.dcmread(path)
    for name, text in tags.items():
        tag, value = pydicom.tag.Tag(name), text.encode() + b" " * (len(text) % 2)
        kind = pydicom.datadict.dictionary_VR(tag)
        dataset._dict[tag] = pydicom.dataelem.RawDataElement(tag, kind, len(value), value, 0, False, True)
    dataset.save_as(path)
    return list(open_file(path).frames)


UNFIT = {
    "PatientBirthDate": "12 March 1950",
    "PatientSex": "female, Qwertz, Hermine, of Ypsilonbach",
    "StudyDate": "the 9th of May",
    "StudyTime": "half past nine",
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_is_not_as_dicom_wants_it_is_left_empty(tmp_path: Path, name: str) -> None:
    frames = with_text(tmp_path / "scan.dcm", PatientID="77", **{name: UNFIT[name]})
    report, labels = write(tmp_path / "out", frames, ("dicom-seg",))
    seg = pydicom.dcmread(report.files[0])
    assert (seg[name].value, seg.PatientID) == ("", "77")
    assert np.array_equal(by_pydicom(report.files[0])[0], labels[frames[0].id])


def test_what_is_as_dicom_wants_it_is_carried_over(tmp_path: Path) -> None:
    sound = {"PatientBirthDate": "19500312", "PatientSex": "F", "StudyDate": "20200509", "StudyTime": "0930"}
    report, _ = write(tmp_path / "out", with_text(tmp_path / "scan.dcm", **sound), ("dicom-seg",))
    seg = pydicom.dcmread(report.files[0])
    assert seg.PatientBirthDate == "19500312"
    assert (seg.PatientSex, seg.StudyDate, seg.StudyTime) == ("F", "20200509", "0930")


def test_a_header_that_cannot_be_carried_over_is_named_by_its_keyword_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    frames = with_text(tmp_path / "scan.dcm", SliceThickness="Hermine", PatientWeight="70 kg")
    with pytest.raises(
        InputError, match=r"scan\.dcm cannot be carried over into a DICOM SEG \(SliceThickness\)"
    ) as found:
        write(tmp_path / "out", frames, ("dicom-seg",))
    lines = "".join(traceback.format_exception(found.value)) + caplog.text
    assert "Hermine" not in lines
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", REAL)
def test_real_sources_round_trip_and_validate(shared_data: Path, tmp_path: Path, name: str) -> None:
    clip = open_file(shared_data / "dicom" / name)
    assert len(clip.frames) == REAL[name]
    frames = list(clip.frames[::9] if len(clip.frames) > 2 else clip.frames)
    report, labels = write(tmp_path, frames, ("dicom-seg",))
    path = report.files[0]
    plain = by_pydicom(path)
    read = by_highdicom(path, frames, len(clip.frames) > 1)
    for place, frame in enumerate(frames):
        assert np.array_equal(plain[frame.index], labels[frame.id])
        assert np.array_equal(read[place], labels[frame.id])
    wrong = errors_of(path)
    if name == "OBXXXX1A_2frame.dcm":  # two frames in a class for one: they can only be told apart by number
        wrong = [line for line in wrong if "not multi-frame - attribute <ReferencedFrameNumber>" not in line]
    assert wrong == []


@pytest.mark.parametrize("count", [1, 2])
def test_nothing_that_stands_beside_a_place_in_space_is_carried_over_without_names(tmp_path: Path, count: int) -> None:
    group = pydicom.Dataset()
    for name, attribute, value in (
        ("PlanePositionSequence", "ImagePositionPatient", [1, 2, 3]),
        ("PlaneOrientationSequence", "ImageOrientationPatient", [1, 0, 0, 0, 1, 0]),
    ):
        item = pydicom.Dataset()
        setattr(item, attribute, value)
        item.ImageComments = "Jane Doe"
        item.add_new(0x00091001, "LO", "Jane Doe")
        setattr(group, name, [item])
    groups = {"PerFrameFunctionalGroupsSequence": [group] * count, "NumberOfFrames": count}
    tags = groups | {"FrameOfReferenceUID": "1.2.3.4", "PositionReferenceIndicator": "Jane Doe"}
    clip = us_dicom(tmp_path / "scan.dcm", count, **tags)
    write(tmp_path / "out", list(clip.frames), ("dicom-seg",), key=KEY)
    (path,) = (tmp_path / "out" / "dicom-seg").iterdir()
    assert b"Jane Doe" not in path.read_bytes()
    seg = pydicom.dcmread(path)
    first = seg.PerFrameFunctionalGroupsSequence[0]
    assert first.PlanePositionSequence[0].ImagePositionPatient == [1, 2, 3]
    assert first.PlaneOrientationSequence[0].ImageOrientationPatient == [1, 0, 0, 0, 1, 0]
    assert (seg.FrameOfReferenceUID, seg.PositionReferenceIndicator) == ("1.2.3.4", "")
