"""What an export cannot hold is said before it is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from export_samples import plain_frame, us_dicom

from napari_adasam.domain.export_formats import FORMATS
from napari_adasam.domain.structures import MUSCLE_PRESET, Structure
from napari_adasam.files.exports import Extras, losses
from napari_adasam.files.readers import open_file

KNOWN = [plain_frame("a"), plain_frame("b")]
MIXED = [plain_frame("a"), plain_frame("b", None)]


def said(formats: tuple[str, ...], *arguments: object, **options: object) -> str:
    frames, structures = (*arguments, *(KNOWN, MUSCLE_PRESET)[len(arguments) :])
    return " ".join(losses(formats, frames, structures, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FORMATS)
def test_sentences_are_short_and_end(name: str) -> None:
    for deidentify in (False, True):
        for sentence in losses((name,), MIXED, MUSCLE_PRESET, deidentify):
            assert sentence.endswith(".")
            assert len(sentence) < 160


def test_the_table_and_dicom_lose_nothing_that_others_lose(tmp_path: Path) -> None:
    assert losses(("csv",), KNOWN, MUSCLE_PRESET, deidentify=False) == (
        "Files and rows are called like your image files, and their folders where two share a name; "
        "if those are names of people, leave names out.",
    )


def test_scale_and_names() -> None:
    assert "PNG, TIFF, NIfTI: other programs will not see the names" in said(("png", "tiff", "nifti"))
    assert "PNG, COCO: other programs will not see the scale" in said(("png", "coco"))
    assert "1 of 2 images have no scale" in said(("tiff",), MIXED)
    assert "No image has a scale" in said(("csv",), [MIXED[1]])
    assert "scale" not in said(("tiff", "csv"))


def test_images_are_called_images_and_frames_are_those_of_a_clip(tmp_path: Path) -> None:
    clip = [replace(one, spacing=None) for one in us_dicom(tmp_path / "cine.dcm", frames=2).frames]
    assert "No frame has a scale" in said(("csv",), clip)
    assert "1 of 3 images have no scale" in said(("csv",), [*KNOWN, clip[0]])
    (tmp_path / "files.csv").write_text("file,side\nnobody,left\n")
    table = Extras(table=tmp_path / "files.csv")
    assert "has no row for 2 of 2 frames." in said(("csv",), clip, MUSCLE_PRESET, extras=table)


def test_dicom(tmp_path: Path) -> None:
    dicom = list(us_dicom(tmp_path / "scan").frames)  # DICOM files often have no ending
    assert "2 of 3 images are not from DICOM" in said(("dicom-seg",), [*KNOWN, *dicom])
    assert "the patient's name, birth date and study are copied" in said(("dicom-seg",), dicom)
    nameless = said(("dicom-seg",), dicom, deidentify=True)
    assert "are copied" not in nameless
    assert "identifiers (UIDs) of study and picture stay" in nameless
    renumbered = (Structure(2, "a"), Structure(7, "b"))
    assert "numbered 1, 2, 3… anew" in said(("dicom-seg",), dicom, renumbered)
    assert "cut to 64 characters" in said(("dicom-seg",), dicom, (Structure(1, "x" * 65),))
    assert "numbered" not in said(("dicom-seg",), dicom)
    assert "gets none" in said(("dicom-seg",), [*dicom, replace(dicom[0], spacing=None)])
    assert "DICOM" not in said(("png",), dicom)


def test_names_that_may_be_in_the_picture(tmp_path: Path) -> None:
    unsure = list(us_dicom(tmp_path / "a.dcm").frames)
    clean = list(us_dicom(tmp_path / "b.dcm", BurnedInAnnotation="NO").frames)
    assert "1 picture may have the patient's name written in, though masks" in said(("png",), [*unsure, *clean])
    assert "an overlay would show it" in said(("overlay",), unsure)
    assert "written in" not in said(("overlay",), clean)
    assert "text that is written in a picture is still there" in said(("overlay",), clean, deidentify=True)
    assert "not a certified de-identification" in said(("csv",), clean, deidentify=True)
    assert open_file(tmp_path / "a.dcm").frames[0].note
