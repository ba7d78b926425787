"""Which frames of a saved session are exported where they are asked for by name."""

from __future__ import annotations

import csv
import json
import unicodedata
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_adasam.domain.errors import AdasamError, InputError
from napari_adasam.domain.records import Annotation, Frame, FrameStatus, MaskOrigin
from napari_adasam.domain.structures import Structure
from napari_adasam.domain.versions import Remark
from napari_adasam.files import raster
from napari_adasam.files.exports import outputs
from napari_adasam.files.readers import open_paths
from napari_adasam.files.store import Store
from napari_adasam.services.session_export import SessionExport, export_session


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A session of a packed volume of three slices and a picture, all accepted."""
    (tmp_path / "exams").mkdir()
    nibabel.save(nibabel.Nifti1Image(np.full((30, 40, 3), 9, np.uint8), np.eye(4)), tmp_path / "exams" / "vol.nii.gz")
    Image.fromarray(np.full((40, 30), 9, np.uint8)).save(tmp_path / "exams" / "scan.png")
    frames = [frame for clip in open_paths([tmp_path / "exams"]).clips for frame in clip.frames]
    store = Store.create(tmp_path / "session")
    store.save_frames(frames)
    store.save_structures((Structure(1, "muscle"),))
    for frame in frames:
        labels = np.ones((frame.height, frame.width), np.uint8)
        store.save_annotation(Annotation(frame.id, labels, {1: MaskOrigin.DRAWN}, {}, 1.0, ""))
    store.close()
    return tmp_path / "session"


@pytest.mark.parametrize(
    ("name", "count"),
    [("vol", 3), ("vol.nii.gz", 3), ("vol.nii", 3), ("vol_0001", 1), ("scan", 1), ("scan.png", 1)],
)
def test_a_file_goes_by_its_name_with_its_ending_and_without(
    saved: Path, tmp_path: Path, name: str, count: int
) -> None:
    assert export_session(saved, tmp_path / "out", SessionExport(("png",), (name,))).frames == count


@pytest.mark.parametrize("now", [FrameStatus.SKIPPED, FrameStatus.CORRECTED])
def test_a_slice_that_is_no_longer_accepted_does_not_take_the_volumes_figures_away(
    saved: Path, tmp_path: Path, now: FrameStatus
) -> None:
    store = Store.open(saved)
    last = next(frame for frame in Store.read(saved).frames if frame.stem == "vol_0002")
    store.save_status(last.id, now)
    store.close()
    report = export_session(saved, tmp_path / "out", SessionExport(("csv",)))
    assert report.frames == 3
    with (tmp_path / "out" / "stacks.csv").open(newline="", encoding="utf-8") as file:
        assert {(row["file"], row["measured"]) for row in csv.DictReader(file) if row["measured"]} == {
            ("vol.nii.gz", "2")
        }


def test_nothing_is_told_of_an_image_that_was_left_out_and_has_no_note(saved: Path, tmp_path: Path) -> None:
    store, frames = Store.open(saved), {frame.stem: frame.id for frame in Store.read(saved).frames}
    for remark in (Remark(unusable=True), Remark()):  # first held to be unusable, then of another study
        store.save_status(frames["scan"], FrameStatus.SKIPPED)
        store.save_remark(frames["scan"], remark)
    store.save_remark(frames["vol_0001"], Remark("tilted"))
    store.close()
    export_session(saved, tmp_path / "out", SessionExport(("png",)))
    told = json.loads((tmp_path / "out" / "provenance.json").read_text(encoding="utf-8"))
    assert [one["note"] for one in told["remarks"]] == ["tilted"]
    assert "scan.png" not in json.dumps(told)


def test_half_a_name_is_none(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match='"vo" is not in this session'):
        export_session(saved, tmp_path / "out", SessionExport(("png",), ("vo",)))


@pytest.mark.parametrize("kept", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_names_with_accents_are_found_however_they_are_kept(tmp_path: Path, kept: str, typed: str) -> None:
    name, asked = (unicodedata.normalize(form, "Müller") for form in (kept, typed))  # type: ignore[arg-type]
    folder = session_of(tmp_path, f"/exams/{name}.png", name)
    for one in (asked, f"{asked}.png"):
        assert export_session(folder, tmp_path / one, SessionExport(("png",), (one,))).frames == 1


@pytest.mark.parametrize("name", ["left", "left.png", "scan"])
def test_a_file_of_windows_goes_by_its_name_elsewhere_too(tmp_path: Path, name: str) -> None:
    folder = session_of(tmp_path, "C:\\Users\\Mary Miller\\left.png", "scan")
    assert export_session(folder, tmp_path / "out", SessionExport(("png",), (name,))).frames == 1


def session_of(folder: Path, path: str, stem: str) -> Path:
    """A session of one accepted frame, whose picture is elsewhere."""
    store = Store.create(folder / "session")
    store.save_frames([Frame("f", path, 0, 40, 30, stem)])
    store.save_structures((Structure(1, "muscle"),))
    store.save_annotation(Annotation("f", np.ones((40, 30), np.uint8), {1: MaskOrigin.DRAWN}, {}, 1.0, ""))
    store.close()
    return folder / "session"


def full(*_given: object, **_named: object) -> None:
    raise MemoryError


@pytest.mark.parametrize(
    ("owner", "name", "why"),
    [
        (
            raster,
            "_read",
            "scan.png is too large for the memory of this computer. Close other programs and try again.",
        ),
        (outputs, "mask_png", "The export needs more memory than is free. Close other programs and try again."),
    ],
)
def test_an_export_that_the_memory_does_not_hold_says_that_alone(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, why: str
) -> None:
    """Nothing is left out of an export of which there is nothing."""
    monkeypatch.setattr(owner, name, full)
    with pytest.raises(AdasamError) as told:
        export_session(saved, tmp_path / "out", SessionExport(("png", "overlay"), ("scan",)))
    assert (
        str(told.value) == f"{why} Nothing was exported (0 of 1 images were ready; earlier exports are as they were)."
    )
    assert not (tmp_path / "out").exists()


def test_a_mask_that_the_memory_does_not_hold_is_not_called_damaged(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier version would stand in for it."""
    told: list[str] = []
    monkeypatch.setattr(tifffile.TiffPage, "asarray", full)
    with pytest.raises(AdasamError, match=r"not enough free memory to read the mask \w+\.tif\. It is safe\.") as why:
        export_session(saved, tmp_path / "out", SessionExport(("png",)), told.append)
    assert told == []
    assert not isinstance(why.value, InputError)
