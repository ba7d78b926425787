from __future__ import annotations

import csv
import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.domain.records import Annotation, Frame, MaskOrigin, Spacing
from napari_adasam.domain.settings import ModelSettings, Settings
from napari_adasam.domain.structures import MUSCLE_PRESET, Structure
from napari_adasam.domain.versions import Remark
from napari_adasam.files.exports import ExportOptions, Provenance, export, mask_png, mask_tiff, output_names
from napari_adasam.files.exports.provenance import remark_facts
from napari_adasam.files.exports.table import NO_PICTURE
from napari_adasam.files.labels import read_labels
from napari_adasam.files.readers import open_file

ANY_LABELS = arrays(np.uint8, st.tuples(st.integers(16, 40), st.integers(16, 40)))


def frame(key: str, stem: str | None = None, spacing: Spacing | None = None) -> Frame:
    return Frame(key, f"/exams/Jane Doe/{stem or key}.png", 0, 20, 30, stem or key, spacing)


def annotation(key: str, labels: np.ndarray | None = None) -> Annotation:
    if labels is None:
        labels = np.zeros((20, 30), np.uint8)
        labels[5:10, 5:15] = 1
    return Annotation(key, labels, {1: MaskOrigin.CORRECTED, 2: MaskOrigin.ABSENT}, {1: 0.25}, 12.34, "abc123")


def run(
    folder: Path, frames: list[Frame], formats: tuple[str, ...] = ("png", "tiff", "csv"), **options: Any
) -> list[Path]:
    wanted = ExportOptions(formats=formats, **options)
    return list(export({f.id: annotation(f.id) for f in frames}, frames, MUSCLE_PRESET, folder, wanted).files)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "measurements.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def areas(folder: Path) -> list[dict[str, str]]:
    return [row for row in table(folder) if row["measure"] == "area"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(labels=ANY_LABELS)
def test_png_masks_come_back(tmp_path: Path, labels: np.ndarray) -> None:
    (tmp_path / "m.png").write_bytes(mask_png(labels, MUSCLE_PRESET))
    assert np.array_equal(read_labels(tmp_path / "m.png"), labels)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(labels=ANY_LABELS, size=st.none() | st.tuples(st.floats(0.01, 2), st.floats(0.01, 2)))
def test_tiff_masks_come_back_with_their_scale(
    tmp_path: Path, labels: np.ndarray, size: tuple[float, float] | None
) -> None:
    path = tmp_path / "m.tif"
    path.write_bytes(mask_tiff(labels, None if size is None else Spacing(*size, "by hand")))
    assert np.array_equal(read_labels(path), labels)
    spacing = open_file(path).frames[0].spacing
    if size is None:
        assert spacing is None
    else:
        assert spacing is not None
        assert (spacing.y_mm, spacing.x_mm) == pytest.approx(size, rel=1e-3)


def test_png_shows_each_structure_in_its_colour(tmp_path: Path) -> None:
    labels = np.zeros((20, 20), np.uint8)
    labels[0, 0], labels[0, 1] = 1, 2
    (tmp_path / "m.png").write_bytes(mask_png(labels, MUSCLE_PRESET))
    with Image.open(tmp_path / "m.png") as image:
        assert image.mode == "P"
        colours = np.asarray(image.convert("RGB"))
    assert [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colours[0, :3]] == [
        MUSCLE_PRESET[0].color,
        MUSCLE_PRESET[1].color,
        "#000000",
    ]


def test_everything_is_written_under_the_stems_of_the_images(tmp_path: Path) -> None:
    written = run(tmp_path / "out", [frame("a"), frame("b")])
    assert sorted(path.relative_to(tmp_path / "out").as_posix() for path in written) == [
        "masks/a.png",
        "masks/a.tif",
        "masks/b.png",
        "masks/b.tif",
        "measurements.csv",
        "provenance.json",
    ]
    assert sorted(written) == sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())


def test_only_the_formats_that_were_asked_for_and_only_accepted_frames(tmp_path: Path) -> None:
    frames = [frame("a"), frame("b")]
    report = export({"b": annotation("b")}, frames, MUSCLE_PRESET, tmp_path, ExportOptions(("png",)))
    assert report.frames == 1
    assert [path.name for path in report.files] == ["b.png", "provenance.json"]


def test_area_is_in_mm2_where_the_scale_is_known_and_in_px2_where_not(tmp_path: Path) -> None:
    run(tmp_path, [frame("a", spacing=Spacing(0.2, 0.1, "DICOM region")), frame("b")])
    known, absent, unknown, _ = areas(tmp_path)
    assert known == {
        "frame": "a",
        "file": "a.png",
        "structure": "muscle belly",
        "measure": "area",
        "value": "1.0000",
        "unit": "mm²",
        "scale_source": "DICOM region",
        "model": "abc123",
        "origin": "corrected",
        "changed_share": "0.2500",
        "seconds": "12.3",
        "bit_depth": "",
        "note": NO_PICTURE,
    }
    assert (absent["structure"], absent["value"], absent["origin"]) == ("aponeurosis", "0.0000", "absent")
    assert absent["changed_share"] == ""
    assert (unknown["value"], unknown["unit"], unknown["scale_source"]) == ("50", "px²", "none")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(labels=ANY_LABELS)
def test_no_labelled_pixel_is_lost_from_the_table(tmp_path: Path, labels: np.ndarray) -> None:
    export({"a": annotation("a", labels)}, [frame("a")], MUSCLE_PRESET, tmp_path, ExportOptions(("csv",)))
    assert sum(int(row["value"]) for row in areas(tmp_path)) == np.count_nonzero(labels)


def test_names_with_commas_and_accents_survive_the_table(tmp_path: Path) -> None:
    structures = (Structure(1, 'rectus, "left" é'),)
    export({"a": annotation("a")}, [frame("a")], structures, tmp_path, ExportOptions(("csv",)))
    assert table(tmp_path)[0]["structure"] == 'rectus, "left" é'


@pytest.mark.parametrize("key", [b"", b"k" * 32])
def test_provenance_tells_what_was_noted_unless_names_are_left_out(tmp_path: Path, key: bytes) -> None:
    noted = remark_facts(frame("b"), Remark("moved, says Jane", True))
    run(tmp_path, [frame("a")], key=key, provenance=Provenance(remarks=(noted,)))
    content = json.loads((tmp_path / "provenance.json").read_text(encoding="utf-8"))
    assert content["unusable"] == 1
    told = [{"file": "b.png", "index": 0, "unusable": True, "note": "moved, says Jane"}]
    assert content["remarks"] == ([] if key else told)


def test_provenance_tells_how_each_mask_was_made_and_no_folder(tmp_path: Path) -> None:
    weights = ModelSettings(name="/home/jane doe/weights.pt")
    provenance = Provenance("C:\\jane doe\\adasam-us", "f00", ("base", "f00"), "Apache-2.0", Settings(model=weights))
    run(tmp_path, [frame("a", spacing=Spacing(0.2, 0.1, "by hand"))], provenance=provenance)
    text = (tmp_path / "provenance.json").read_text(encoding="utf-8")
    content = json.loads(text)
    assert content["model"] == {
        "name": "adasam-us",
        "fingerprint": "f00",
        "lineage": ["base", "f00"],
        "licence": "Apache-2.0",
    }
    assert content["settings"]["model"]["name"] == "weights.pt"
    assert content["settings"]["train"]["rank"] == Settings().train.rank
    assert content["versions"]["numpy"] == np.__version__
    assert content["structures"][1]["several_parts"] is True
    only = content["frames"][0]
    assert (only["name"], only["file"], only["origins"]) == ("a", "a.png", {"1": "corrected", "2": "absent"})
    assert only["spacing"] == {"y_mm": 0.2, "x_mm": 0.1, "source": "by hand"}
    assert "jane" not in text.casefold()


@given(st.lists(st.sampled_from(["a", "A", "a_2", "A_2", "a_2_2", "b"]), max_size=8))
def test_names_are_unique_and_kept_where_they_can_be(stems: list[str]) -> None:
    frames = [frame(f"id{number}", stem) for number, stem in enumerate(stems)]
    names = output_names(frames)
    folded = [names[one.id].casefold() for one in frames]
    assert len(set(folded)) == len(frames)
    assert all(names[one.id].startswith(one.stem) for one in frames)
    first = {one.stem.casefold(): one.id for one in reversed(frames)}
    assert all(names[key].casefold() == stem for stem, key in first.items())


def test_two_frames_of_one_name_get_two_files(tmp_path: Path) -> None:
    run(tmp_path, [frame("x", "scan"), frame("y", "Scan")], ("png", "csv"))
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == ["Scan_2.png", "scan.png"]
    assert {row["frame"] for row in table(tmp_path)} == {"scan", "Scan_2"}


def test_a_picture_is_never_written_over(tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"the picture")
    source = Frame("a", str(folder / "a.png"), 0, 20, 30, "a")
    with pytest.raises(InputError, match="would write over the picture"):
        export({"a": annotation("a")}, [source], MUSCLE_PRESET, tmp_path)
    assert (folder / "a.png").read_bytes() == b"the picture"


def test_bad_requests(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="'bmp' is not an export format; png, overlay, tiff, nifti, dicom-seg, coco, csv are"
    ):
        run(tmp_path, [frame("a")], ("bmp",))
    with pytest.raises(InputError, match="No image is accepted yet"):
        export({}, [frame("a")], MUSCLE_PRESET, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="could not be written"):
        run(tmp_path / "file" / "out", [frame("a")])


@pytest.mark.parametrize(
    ("number", "why"),
    [(errno.ENOSPC, "no space left"), (errno.EROFS, "may not be written to"), (errno.EIO, "could not be written")],
)
def test_a_failed_write_leaves_the_earlier_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, why: str
) -> None:
    run(tmp_path, [frame("a")], ("png",))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match=why):
        run(tmp_path, [frame("a")], ("png",))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
