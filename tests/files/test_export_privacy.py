"""No patient tag goes where it was not asked for: exported files, the session's folder and the log are searched."""

from __future__ import annotations

import gzip
import json
import logging
import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from export_samples import KEY, STRUCTURES, annotation, labels_of, us_dicom

from napari_adasam.domain.export_formats import FORMATS
from napari_adasam.domain.versions import Remark
from napari_adasam.files.activations import ActivationStore
from napari_adasam.files.clips import Clip
from napari_adasam.files.exports import ExportOptions, export, read_key
from napari_adasam.files.readers import open_paths
from napari_adasam.files.store import Store
from napari_adasam.services.agreeing import begin_adjudication, compare_sessions, summary, write_agreement

# Values that appear nowhere by chance, in tags of patient, study, visit and place.
PLANTED = {
    "PatientName": "Qwertzuiop^Yxcvbnm",
    "PatientID": "QZX-4711-0815",
    "OtherPatientIDs": "OTHER-93417",
    "IssuerOfPatientID": "ISSUER-55173",
    "PatientBirthDate": "19431127",
    "PatientBirthName": "Maidenqq",
    "PatientSex": "F",
    "PatientAge": "077Y",
    "PatientAddress": "Nowherestreet 93",
    "PatientTelephoneNumbers": "0049-93-7744",
    "PatientComments": "comment-on-patient-83",
    "MedicalRecordLocator": "LOCATOR-6612",
    "PatientMotherBirthName": "Motherqq",
    "AdditionalPatientHistory": "history-of-patient-29",
    "Occupation": "lamplighter-qq",
    "AccessionNumber": "ACC-887766",
    "StudyID": "STUDY-3141",
    "StudyDescription": "study-described-17",
    "SeriesDescription": "series-described-18",
    "StudyDate": "20190307",
    "StudyTime": "091533",
    "InstitutionName": "Hospital of Qq",
    "InstitutionAddress": "Hospitalroad 7q",
    "InstitutionalDepartmentName": "Department Qq",
    "ReferringPhysicianName": "Referrerqq^Dr",
    "PerformingPhysicianName": "Performerqq^Dr",
    "OperatorsName": "Operatorqq^Op",
    "PhysiciansOfRecord": "Recorderqq^Dr",
    "NameOfPhysiciansReadingStudy": "Readerqq^Dr",
    "RequestingPhysician": "Requesterqq^Dr",
    "StationName": "STATIONQQ",
    "DeviceSerialNumber": "SERIAL-918273",
    "ImageComments": "comment-on-image-64",
    "ProtocolName": "protocol-qq-5",
    "AdmissionID": "ADM-5566",
    "RequestedProcedureDescription": "requested-qq-81",
}
SHORT = ("F",)  # one letter is everywhere; it is looked up by its tag below
MASKS_ONLY = tuple(name for name in FORMATS if name not in ("dicom-seg", "overlay"))


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    """A picture and a cine with every tag planted, in files called like the patient."""
    folder = tmp_path / "Qwertzuiop Yxcvbnm"
    folder.mkdir()
    tags = PLANTED | {"BurnedInAnnotation": "NO"}
    return [us_dicom(folder / "Qwertzuiop_Y.dcm", 1, **tags), us_dicom(folder / "Qwertzuiop_Z.dcm", 3, **tags)]


@pytest.fixture
def anonymous(tmp_path: Path) -> list[Clip]:
    """The same in files with names that say nothing."""
    return [us_dicom(tmp_path / "scan.dcm", 3, **PLANTED, BurnedInAnnotation="NO")]


def run(clips: list[Clip], folder: Path, formats: tuple[str, ...], key: bytes = b"") -> None:
    frames = [frame for clip in clips for frame in clip.frames]
    files = {str(clip.path): clip for clip in clips}
    annotations = {frame.id: annotation(frame, labels_of(number)) for number, frame in enumerate(frames)}
    options = ExportOptions(formats, key=key, pixels=lambda frame: files[frame.path].read(frame.index))
    export(annotations, frames, STRUCTURES, folder, options)


def found_in(folder: Path, words: list[str]) -> dict[str, list[str]]:
    """Word to the files (names, and contents unpacked) that hold it, whatever the case."""
    found: dict[str, list[str]] = {}
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        content += gzip.decompress(content) if path.name.endswith(".gz") else b""
        if path.suffix == ".dcm":
            content += str(pydicom.dcmread(path)).encode()
        text = (str(path.relative_to(folder)).encode() + content).lower()
        for word in words:
            if any(word.lower().encode(kind) in text for kind in ("utf-8", "utf-16-le")):
                found.setdefault(word, []).append(path.name)
    return found


def planted_words() -> list[str]:
    values = [value for value in PLANTED.values() if value not in SHORT]
    return [*values, *(part for value in values if "^" in value for part in value.split("^") if len(part) > 4)]


def test_the_search_finds_what_is_there(clips: list[Clip]) -> None:
    assert set(found_in(clips[0].path.parent, planted_words())) == set(planted_words())


def test_with_names_left_out_no_tag_no_file_name_and_no_path_is_in_any_format(
    clips: list[Clip], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    run(clips, tmp_path / "out", FORMATS, KEY)
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".png", ".tif", ".gz", ".dcm", ".json", ".csv", ".svg"}
    words = [*planted_words(), "Qwertzuiop", str(tmp_path), KEY.hex()]
    words += [frame.file_id for clip in clips for frame in clip.frames]
    assert found_in(tmp_path / "out", words) == {}
    assert [word for word in words if word.lower() in caplog.text.lower()] == []
    for path in files:
        if path.suffix == ".dcm":
            seg = pydicom.dcmread(path)
            assert seg.PatientSex == seg.PatientBirthDate == seg.StudyDate == ""
            assert seg.get("PatientAge") is None


def test_masks_and_figures_hold_no_tag_even_with_names(anonymous: list[Clip], tmp_path: Path) -> None:
    run(anonymous, tmp_path / "out", (*MASKS_ONLY, "overlay"))
    assert found_in(tmp_path / "out", planted_words()) == {}


def test_a_dicom_seg_with_names_holds_patient_and_study_only(anonymous: list[Clip], tmp_path: Path) -> None:
    run(anonymous, tmp_path / "out", ("dicom-seg",))
    found = found_in(tmp_path / "out", planted_words())
    assert {"QZX-4711-0815", "19431127"} <= set(found)
    beyond = ("OperatorsName", "PerformingPhysicianName", "StationName", "DeviceSerialNumber", "ImageComments",
              "InstitutionName", "InstitutionAddress", "SeriesDescription", "ProtocolName")  # fmt: skip
    assert [name for name in beyond if PLANTED[name] in found] == []


def saved_session(folder: Path, clip: Clip, shift: int = 0) -> Path:
    """A reader's session of a clip, every frame accepted, with a remark and a second version of the first mask."""
    store = Store.create(folder)
    store.save_frames(clip.frames)
    store.save_structures(STRUCTURES)
    for number, frame in enumerate((*clip.frames, clip.frames[0])):
        store.save_annotation(annotation(frame, labels_of(number + shift)))
        store.save_remark(frame.id, Remark(note="probe tilted"))
    store.close()
    return folder


def test_what_two_readers_agree_on_holds_no_tag(
    anonymous: list[Clip], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    first, second = (saved_session(tmp_path / f"reader{number}", anonymous[0], number) for number in range(2))
    found = compare_sessions(first, second)
    assert len(write_agreement(found, tmp_path / "agreement")) == 2
    begin_adjudication(first, second, found, tmp_path / "third")
    for folder in ("reader0", "agreement", "third"):
        assert any((tmp_path / folder).iterdir())
        assert found_in(tmp_path / folder, planted_words()) == {}
    assert [word for word in planted_words() if word in json.dumps(summary(found)) + caplog.text] == []


def test_what_is_kept_of_pictures_has_no_name(clips: list[Clip], tmp_path: Path) -> None:
    ActivationStore(tmp_path / "cache").put(f"{clips[0].frames[0].id} {clips[0].path}", np.zeros(3, np.float16))
    (file,) = (tmp_path / "cache").iterdir()
    assert found_in(tmp_path / "cache", [*planted_words(), "Qwertzuiop", clips[0].frames[0].id]) == {}
    assert re.fullmatch(r"[0-9a-f]{64}\.act", file.name)


def test_an_error_about_a_file_holds_no_tag(anonymous: list[Clip], tmp_path: Path) -> None:
    """What is said of a broken file comes from its name and its pixels, not from its header."""
    whole = anonymous[0].path.read_bytes()
    for kept in (len(whole) // 3, len(whole) - 50):
        cut = tmp_path / "cut.dcm"
        cut.write_bytes(whole[:kept])
        (sentence,) = open_paths([cut]).problems
        assert [word for word in planted_words() if word in sentence] == []


def test_the_sessions_folder_holds_no_tag(anonymous: list[Clip], tmp_path: Path) -> None:
    frames = anonymous[0].frames
    store = Store.create(tmp_path / "session")
    store.save_frames(frames)
    store.save_structures(STRUCTURES)
    for number, frame in enumerate(frames):
        store.save_annotation(annotation(frame, labels_of(number)))
    store.close()
    run(anonymous, tmp_path / "out", FORMATS, read_key(tmp_path / "session"))
    assert found_in(tmp_path / "session", planted_words()) == {}
