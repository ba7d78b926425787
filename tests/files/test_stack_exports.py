"""stacks.csv and its plots, and masks that go back into the volume or the stack they come from."""

from __future__ import annotations

import csv
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nibabel
import numpy as np
import pytest
import tifffile
from export_samples import KEY, STRUCTURES, annotation, labels_of, us_dicom
from numpy.typing import NDArray

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.packing import PackedLabels
from napari_adasam.domain.records import Frame, MaskOrigin, Spacing
from napari_adasam.files.exports import ExportOptions, ExportReport, export
from napari_adasam.files.exports.stacks import COLUMNS
from napari_adasam.files.labels import read_labels
from napari_adasam.files.readers import Clip, open_file

Stack3 = NDArray[np.uint8]
TURNED = np.array([[0.0, -0.5, 0.1, 12.0], [0.4, 0.0, 0.0, -7.0], [0.0, 0.05, 2.5, 30.0], [0, 0, 0, 1]])
"""Voxel axes that are turned, flipped, and tilted against the body's."""


def volume(path: Path, affine: NDArray[np.float64] = TURNED, shape: tuple[int, int, int] = (30, 40, 7)) -> Clip:
    grey = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    image = nibabel.Nifti1Image(grey, affine)
    image.header.set_xyzt_units("mm")
    image.to_filename(path)
    return open_file(path)


def some_labels(clip: Clip) -> list[Stack3]:
    return [labels_of(3 * at, one.height, one.width) for at, one in enumerate(clip.frames)]


def write(
    clip: Clip, out: Path, accepted: Sequence[int], propagated: Sequence[int] = (), **options: Any
) -> tuple[ExportReport, list[Stack3]]:
    """Export labels of each frame's own (``labels``, if given), as CSV if no ``formats`` are."""
    own = list(options.pop("labels", some_labels(clip)))
    taken = {clip.frames[at].id: annotation(clip.frames[at], own[at]) for at in accepted}
    came = {clip.frames[at].id: PackedLabels.of(own[at]) for at in propagated}
    wanted = ExportOptions(**{"formats": ("csv",), "propagated": came, **options})
    return export(taken, clip.frames, STRUCTURES, out, wanted), own


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "stacks.csv").open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        found = list(reader)
    assert tuple(reader.fieldnames or ()) == COLUMNS
    return found


def test_a_whole_volume_comes_back_bit_for_bit_with_its_orientation(tmp_path: Path) -> None:
    clip = volume(tmp_path / "knee.nii.gz")
    report, labels = write(clip, tmp_path / "out", range(7), formats=("nifti",))
    assert [path.name for path in report.files] == ["knee.nii.gz", "provenance.json"]
    source, back = (nibabel.load(folder / "knee.nii.gz") for folder in (tmp_path, tmp_path / "out" / "masks"))
    assert back.shape == source.shape
    assert np.array_equal(back.affine, source.affine)
    assert nibabel.aff2axcodes(back.affine) == nibabel.aff2axcodes(source.affine)
    assert back.header.get_xyzt_units()[0] == "mm"
    voxels = np.asarray(back.dataobj)
    assert voxels.dtype == np.uint8
    assert np.array_equal(voxels, np.stack(labels).transpose(2, 1, 0))
    again = open_file(tmp_path / "out" / "masks" / "knee.nii.gz")
    assert all(np.array_equal(again.read(at), one) for at, one in enumerate(labels))
    assert again.frames[0].stack == clip.frames[0].stack


@pytest.mark.parametrize("unit", ["mm", "micron", "meter", "unknown"])
def test_a_volume_keeps_the_unit_of_its_source(tmp_path: Path, unit: str) -> None:
    source = nibabel.Nifti1Image(np.zeros((30, 40, 3), np.uint8), np.diag([50.0, 80.0, 900.0, 1.0]))
    source.header.set_xyzt_units(unit)
    source.to_filename(tmp_path / "knee.nii.gz")
    write(open_file(tmp_path / "knee.nii.gz"), tmp_path / "out", range(3), formats=("nifti",))
    back = nibabel.load(tmp_path / "out" / "masks" / "knee.nii.gz")
    assert back.header.get_xyzt_units() == (unit, "unknown")
    assert np.array_equal(back.affine, source.affine)
    assert back.header.get_zooms() == source.header.get_zooms()


@pytest.mark.parametrize(("kind", "time"), [("Nifti1Image", "msec"), ("Nifti1Image", "sec"), ("Nifti2Image", "usec")])
def test_a_volume_keeps_the_time_step_of_its_source(tmp_path: Path, kind: str, time: str) -> None:
    source = getattr(nibabel, kind)(np.zeros((30, 40, 2, 3), np.uint8), np.diag([0.5, 0.8, 2.0, 1.0]))
    source.header.set_xyzt_units("mm", time)
    source.header.set_zooms((0.5, 0.8, 2.0, 40.0))
    source.to_filename(tmp_path / "beat.nii")
    clip = open_file(tmp_path / "beat.nii")
    write(clip, tmp_path / "out", range(6), formats=("nifti",))
    back = nibabel.load(tmp_path / "out" / "masks" / "beat.nii.gz")
    assert back.header.get_xyzt_units() == ("mm", time)
    assert back.header.get_zooms() == pytest.approx((0.5, 0.8, 2.0, 40.0))
    again = open_file(tmp_path / "out" / "masks" / "beat.nii.gz")
    assert [frame.time_s for frame in again.frames] == [frame.time_s for frame in clip.frames]


def test_slices_that_are_not_accepted_are_empty_in_the_volume(tmp_path: Path) -> None:
    clip = volume(tmp_path / "knee.nii.gz")
    _, labels = write(clip, tmp_path / "out", (1, 4), propagated=(2,), formats=("nifti",))
    voxels = np.asarray(nibabel.load(tmp_path / "out" / "masks" / "knee.nii.gz").dataobj)
    for at, one in enumerate(labels):
        assert np.array_equal(voxels[..., at].T, one if at in (1, 4) else np.zeros_like(one))


def test_a_volume_of_masks_needs_no_room_for_all_of_its_voxels(tmp_path: Path) -> None:
    nibabel.Nifti1Image(np.zeros((400, 500, 60), np.uint8), np.eye(4)).to_filename(tmp_path / "knee.nii")
    clip = open_file(tmp_path / "knee.nii")
    labels = np.pad(np.ones((200, 200), np.uint8), ((100, 200), (100, 100)))
    taken = {one.id: annotation(one, labels) for one in clip.frames}
    tracemalloc.start()
    try:
        export(taken, clip.frames, STRUCTURES, tmp_path / "out", ExportOptions(("nifti",)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 400 * 500 * 60 / 2


@pytest.mark.parametrize(
    "metadata", [{"axes": "ZYX", "spacing": 2.5, "unit": "mm"}, {"axes": "TYX", "unit": "mm"}, {"axes": "ZYX"}]
)
def test_a_tiff_stack_comes_back_as_one_stack(tmp_path: Path, metadata: dict[str, object]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (6, 40, 30), dtype=np.uint8)
    known = "unit" in metadata
    tifffile.imwrite(
        tmp_path / "scan.tif", pixels, imagej=True, metadata=metadata, resolution=(4, 2) if known else None
    )
    clip = open_file(tmp_path / "scan.tif")
    report, labels = write(clip, tmp_path / "out", (5, 0, 3), formats=("tiff",))
    assert [path.name for path in report.files] == ["scan.tif", "provenance.json"]
    back = open_file(tmp_path / "out" / "masks" / "scan.tif")
    assert back.frames[0].stack == clip.frames[0].stack
    assert back.frames[0].spacing == clip.frames[0].spacing
    assert len(back.frames) == 6
    for at, one in enumerate(labels):
        assert np.array_equal(back.read(at), one if at in (0, 3, 5) else np.zeros_like(one))


def test_a_tiff_stack_that_says_nothing_of_its_frames_comes_back_as_one_that_does_not(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (12, 40, 30), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "scan.tif", pixels, photometric="minisblack", metadata=None)
    clip = open_file(tmp_path / "scan.tif")
    _, labels = write(clip, tmp_path / "out", (7, 0), formats=("tiff",))
    written = tmp_path / "out" / "masks" / "scan.tif"
    back = open_file(written)
    assert back.frames[0].stack == clip.frames[0].stack
    assert np.array_equal(back.read(7), labels[7])
    with tifffile.TiffFile(written) as tiff:
        facts = tiff.imagej_metadata or {}
    assert facts["images"] == 12
    assert not {"frames", "slices"}.intersection(facts)
    assert "muscle" in facts["Info"]


def test_single_tiffs_and_frames_of_other_files_have_a_file_each(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "one.tif", np.zeros((40, 30), np.uint8))
    clip = us_dicom(tmp_path / "cine.dcm", 3)
    single = open_file(tmp_path / "one.tif")
    frames = (*single.frames, *clip.frames)
    taken = {one.id: annotation(one, labels_of(0)) for one in frames}
    export(taken, frames, STRUCTURES, tmp_path / "out", ExportOptions(("tiff",)))
    names = ["cine_0000.tif", "cine_0001.tif", "cine_0002.tif", "one.tif"]
    assert sorted(path.name for path in (tmp_path / "out" / "masks").iterdir()) == names
    assert np.array_equal(read_labels(tmp_path / "out" / "masks" / "one.tif"), labels_of(0))


def test_a_stack_that_is_gone_is_not_scattered(tmp_path: Path) -> None:
    frame = Frame("c-3", str(tmp_path / "gone.tif"), 3, 40, 30, "gone_0003")
    with pytest.raises(InputError, match=r"gone\.tif cannot be read.*Nothing was exported"):
        export(
            {frame.id: annotation(frame, labels_of(0))}, [frame], STRUCTURES, tmp_path / "o", ExportOptions(("tiff",))
        )


def test_the_table_has_volumes_thickness_and_the_curve(tmp_path: Path) -> None:
    affine = np.diag([0.25, 0.4, 1.7, 1.0])
    clip = volume(tmp_path / "ball.nii.gz", affine, (120, 60, 20))
    z, y, x = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (20, 60, 120)), indexing="ij")
    body = np.asarray((z * 1.7 / 13) ** 2 + (y * 0.4 / 9) ** 2 + (x * 0.25 / 11) ** 2 <= 1, np.uint8)
    report, _ = write(clip, tmp_path / "out", range(0, 20, 2), range(1, 20, 2), labels=list(body))
    assert report.frames == 10
    found = rows(tmp_path / "out")
    volumes = {row["counted"]: row for row in found if (row["measure"], row["structure"]) == ("volume", "muscle belly")}
    assert volumes["accepted"]["value"] == ""
    assert "are not accepted" in volumes["accepted"]["note"]
    both = volumes["accepted and propagated"]
    assert float(both["value"]) == pytest.approx(4 / 3 * np.pi * 13 * 9 * 11, rel=0.02)
    assert (both["unit"], both["slice_mm"], both["scale_source"]) == ("mm³", "1.7000", "NIfTI header")
    assert (both["frames"], both["measured"], both["file"]) == ("20", "20", "ball.nii.gz")
    curve = [row for row in found if row["measure"] == "thickness mean" and row["structure"] == "muscle belly"]
    assert len(curve) == int(both["present"])
    assert {row["counted"] for row in curve} == {"accepted", "propagated"}
    (greatest,) = [row for row in found if row["measure"] == "thickness greatest" and row["counted"] == "accepted"]
    assert float(greatest["value"]) == max(float(row["value"]) for row in curve if row["counted"] == "accepted")
    assert greatest["frame"] in {row["frame"] for row in curve}
    drawing = ElementTree.fromstring((tmp_path / "out" / "stacks" / "ball.svg").read_text(encoding="utf-8"))
    dots = drawing.findall(".//{http://www.w3.org/2000/svg}circle")
    assert len(dots) == len(curve)
    assert sum(dot.get("fill") == "white" for dot in dots) == sum(row["counted"] == "propagated" for row in curve)


def test_each_volume_of_a_file_with_time_says_which_one_it_is(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.random.default_rng(0).integers(0, 255, (30, 40, 3, 2), dtype=np.uint8), np.eye(4))
    image.header.set_xyzt_units("mm", "sec")
    image.to_filename(tmp_path / "beats.nii.gz")
    clip = open_file(tmp_path / "beats.nii.gz")
    own = [np.zeros((40, 30), np.uint8) for _ in clip.frames]
    own[1][10:20, 5:25], own[4][10:30, 5:25] = 1, 1
    write(clip, tmp_path / "all", range(6), labels=own)
    write(clip, tmp_path / "some", range(5), labels=own)
    told = []
    for out in ("all", "some"):
        belly = [row for row in rows(tmp_path / out) if row["structure"] == "muscle belly" and row["frame"] == ""]
        told.append([(row["measure"], row["value"], row["note"]) for row in belly])
    volumes = [[row for row in found if row[0] == "volume"] for found in told]
    assert volumes[0] == [("volume", "200.0000", "volume 0 of 2"), ("volume", "400.0000", "volume 1 of 2")]
    why = "volume 1 of 2; Slice 0005 in or beside it is not accepted."
    assert volumes[1] == [("volume", "200.0000", "volume 0 of 2"), ("volume", "", why)]
    means = [note for name, _, note in told[0] if name == "thickness mean over frames"]
    assert means == ["volume 0 of 2", "volume 1 of 2"]


def test_a_volume_says_who_gave_the_pixels_size_and_who_the_slices_distance(tmp_path: Path) -> None:
    clip = volume(tmp_path / "exam.nii.gz", np.diag([0.25, 0.4, 2.0, 1.0]), (30, 40, 4))
    by_hand = tuple(replace(frame, spacing=Spacing(0.5, 0.5, "by hand")) for frame in clip.frames)
    body = np.zeros((40, 30), np.uint8)
    body[10:20, 5:25] = 1
    write(replace(clip, frames=by_hand), tmp_path / "out", range(4), labels=[body] * 4)
    found = [row for row in rows(tmp_path / "out") if row["structure"] == "muscle belly"]
    assert {row["scale_source"] for row in found if row["measure"] == "volume"} == {"by hand; slices: NIfTI header"}
    assert {row["scale_source"] for row in found if row["measure"] != "volume"} == {"by hand"}
    assert [row["value"] for row in found if row["measure"] == "volume"] == [f"{4 * 200 * 0.25 * 2:.4f}"]


def test_a_frame_that_was_accepted_does_not_count_as_propagated_too(tmp_path: Path) -> None:
    clip = volume(tmp_path / "exam.nii.gz")
    write(clip, tmp_path / "out", (0, 2, 3), (2, 3, 4))
    counts = {(row["counted"], row["measured"]) for row in rows(tmp_path / "out") if row["measure"] == "volume"}
    assert counts == {("accepted", "3"), ("accepted and propagated", "4")}


def test_frames_that_were_accepted_before_a_structure_was_in_the_list_do_not_count_for_it(tmp_path: Path) -> None:
    clip = volume(tmp_path / "exam.nii.gz", np.diag([0.25, 0.4, 2.0, 1.0]), (30, 40, 4))
    body = np.zeros((40, 30), np.uint8)
    body[10:20, 5:25] = 1
    taken = {frame.id: annotation(frame, body) for frame in clip.frames}
    for frame in clip.frames[:3]:
        taken[frame.id] = replace(taken[frame.id], origins={1: MaskOrigin.DRAWN})
    export(taken, clip.frames, STRUCTURES, tmp_path / "out", ExportOptions(("csv",)))
    told = {row["structure"]: row for row in rows(tmp_path / "out") if row["measure"] == "volume"}
    belly, fascia = told["muscle belly"], told["aponeurosis"]
    assert (belly["measured"], belly["value"]) == ("4", f"{4 * 200 * 0.1 * 2:.4f}")
    assert (fascia["measured"], fascia["value"]) == ("1", "")
    assert fascia["note"] == "It is on no accepted slice, and 3 of 4 slices do not count."


def test_a_cine_has_seconds_and_no_volume(tmp_path: Path) -> None:
    clip = us_dicom(tmp_path / "cine.dcm", 4, FrameTime=40)
    write(clip, tmp_path / "out", range(4))
    found = rows(tmp_path / "out")
    volumes = [row for row in found if row["measure"] == "volume"]
    assert {row["value"] for row in volumes} == {""}
    assert all("follow each other in time" in row["note"] for row in volumes)
    curve = [row for row in found if row["measure"] == "thickness mean" and row["structure"] == "muscle belly"]
    assert [row["time_s"] for row in curve] == ["0.0000", "0.0400", "0.0800", "0.1200"]
    assert {row["scale_source"] for row in curve} == {"DICOM region"}


def test_a_name_of_two_lines_stays_in_its_cell(tmp_path: Path) -> None:
    clip = volume(tmp_path / "plain.nii.gz")
    frames = [replace(frame, path="first\rsecond.nii.gz") for frame in clip.frames]
    write(replace(clip, frames=tuple(frames)), tmp_path / "out", range(7))
    assert {row["file"] for row in rows(tmp_path / "out")} == {"first\rsecond.nii.gz"}


def test_single_images_and_files_in_part_have_no_table(tmp_path: Path) -> None:
    clip = us_dicom(tmp_path / "cine.dcm", 4)
    taken = {one.id: annotation(one, labels_of(0)) for one in clip.frames}
    some = ExportOptions(("csv",), frames=(clip.frames[0].id, clip.frames[1].id))
    export(taken, clip.frames, STRUCTURES, tmp_path / "part", some)
    single = us_dicom(tmp_path / "one.dcm")
    alone = {single.frames[0].id: annotation(single.frames[0], labels_of(0))}
    export(alone, single.frames, STRUCTURES, tmp_path / "one", ExportOptions(("csv",)))
    for out in ("part", "one"):
        assert sorted(path.name for path in (tmp_path / out).iterdir()) == ["measurements.csv", "provenance.json"]


def test_names_are_left_out_if_asked_for(tmp_path: Path) -> None:
    clip = us_dicom(tmp_path / "jane_doe.dcm", 3, FrameTime=40)
    report, _ = write(clip, tmp_path / "out", (0, 2), (1,), key=KEY)
    assert any(path.name == "stacks.csv" for path in report.files)
    for path in report.files:
        assert "jane" not in path.name
        assert b"jane" not in path.read_bytes()
    assert {row["file"] for row in rows(tmp_path / "out")} == {""}
