"""Round trips: what is exported is read back with the same masks, classes and spacing."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from dataclasses import replace
from io import BytesIO, StringIO
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from export_samples import KEY, SPACING, STRUCTURES, labels_of, plain_frame, png_facts, write
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Frame, Geometry, Spacing
from napari_adasam.domain.structures import Structure
from napari_adasam.files.exports.coco import compressed, run_lengths
from napari_adasam.files.exports.nifti import mask_nifti
from napari_adasam.files.exports.overlay import legend, overlay_png, scale_bar
from napari_adasam.files.labels import read_labels
from napari_adasam.files.readers import open_file
from napari_adasam.services.sources import Sources

NAMES = {"1": "muscle belly", "2": "aponeurosis", "5": "Fäscia 筋膜"}
FRAMES = [plain_frame("a"), plain_frame("b", None), plain_frame("c")]
MASKS = arrays(np.bool_, st.tuples(st.integers(1, 30), st.integers(1, 30)))
ANY_LABELS = arrays(np.uint8, st.tuples(st.integers(16, 40), st.integers(16, 40)))


def test_png_and_tiff_hold_masks_classes_and_spacing(tmp_path: Path) -> None:
    _, labels = write(tmp_path, FRAMES, ("png", "tiff"))
    for frame in FRAMES:
        png, tiff = (tmp_path / "masks" / f"{frame.stem}{ending}" for ending in (".png", ".tif"))
        assert np.array_equal(read_labels(png), labels[frame.id])
        assert np.array_equal(read_labels(tiff), labels[frame.id])
        with tifffile.TiffFile(tiff) as file:
            metadata = file.imagej_metadata
            x, y = (file.pages.first.tags[name].value for name in ("XResolution", "YResolution"))
        assert metadata is not None
        for facts in (png_facts(png), json.loads(metadata["Info"])):
            assert facts["structures"] == NAMES
            assert facts["pixel_size_mm"] == (None if frame.spacing is None else [0.08, 0.05])
        if frame.spacing is not None:
            assert metadata["unit"] == "mm"
            assert (y[1] / y[0], x[1] / x[0]) == pytest.approx((0.08, 0.05), rel=1e-6)


def test_nifti_holds_masks_classes_and_spacing(tmp_path: Path) -> None:
    _, labels = write(tmp_path, FRAMES, ("nifti",))
    for frame in FRAMES:
        image = nibabel.load(tmp_path / "masks" / f"{frame.stem}.nii.gz")
        assert np.array_equal(np.asarray(image.dataobj)[:, :, 0].T, labels[frame.id])
        assert image.get_data_dtype() == np.uint8
        size, unit = ((1, 1), "unknown") if frame.spacing is None else ((0.05, 0.08), "mm")
        assert image.header.get_zooms()[:2] == pytest.approx(size)
        assert image.header.get_xyzt_units()[0] == unit
        assert np.allclose(image.affine, np.diag([*size, 1, 1]))
        text = image.header.extensions[0].get_content()
        assert json.loads(text)["structures"] == NAMES
        scaling = gzip.decompress((tmp_path / "masks" / f"{frame.stem}.nii.gz").read_bytes())[112:120]
        assert np.frombuffer(scaling, "<f4").tolist() == [1, 0], "not all programs take NaN for no scaling"


@given(labels=ANY_LABELS)
def test_any_labels_come_back_from_nifti(labels: np.ndarray) -> None:
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(mask_nifti(labels, SPACING)))
    assert np.array_equal(np.asarray(image.dataobj)[:, :, 0].T, labels)


VOLUME = Geometry(((0, 0, 2, 7), (-0.5, 0, 0, 8), (0, 1, 0, 9), (0, 0, 0, 1)), (30, 4, 40), rows=2, columns=0)
"""Of a volume whose frames are cut across its second axis."""


def test_slices_of_a_volume_go_back_to_their_place_with_its_affine(tmp_path: Path) -> None:
    frames = [
        Frame(f"v-{index}", "/exams/brain.nii.gz", index, 40, 30, f"brain_{index:04d}", SPACING, geometry=VOLUME)
        for index in (3, 0)
    ]
    _, labels = write(tmp_path, [*frames, plain_frame("brain")], ("nifti",))
    image = nibabel.load(tmp_path / "masks" / "brain_2.nii.gz")
    array = np.asarray(image.dataobj)
    assert array.shape == (30, 4, 40)
    assert np.array_equal(array[:, 3].T, labels["v-3"])
    assert np.array_equal(array[:, 0].T, labels["v-0"])
    assert not array[:, 1:3].any()
    assert np.allclose(image.affine, VOLUME.affine)
    assert (tmp_path / "masks" / "brain.nii.gz").exists()


def test_a_reopened_session_writes_slices_back_into_the_volume_of_their_file(tmp_path: Path) -> None:
    source = tmp_path / "exam.nii.gz"
    affine = np.diag([0.5, 0.25, 2.0, 1.0])
    volume = nibabel.Nifti1Image(np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8), affine)
    volume.header.set_xyzt_units("mm")
    nibabel.save(volume, source)
    clip = open_file(source)
    forgotten = [replace(frame, geometry=None) for frame in clip.frames[:2]]  # as a session's folder has them
    _, labels = write(tmp_path / "out", [Sources().facts(frame) for frame in forgotten], ("nifti",))
    with pytest.raises(InputError, match=r"exam\.nii\.gz cannot be read.*Nothing was exported"):
        write(tmp_path / "other", forgotten, ("nifti",))
    (written,) = (tmp_path / "out" / "masks").iterdir()
    image = nibabel.load(written)
    assert image.shape == (30, 40, 3)
    assert np.allclose(image.affine, affine)
    for frame in forgotten:
        place = clip.frames[frame.index].geometry.place(frame.index)
        assert np.array_equal(np.asarray(image.dataobj)[place].T, labels[frame.id])


# pycocotools 2.0.11 has not followed numpy 2 everywhere
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_is_what_its_own_tools_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, labels = write(tmp_path, FRAMES, ("coco",))
    coco = COCO(tmp_path / "coco.json")
    capsys.readouterr()  # it prints
    assert {str(one["id"]): one["name"] for one in coco.loadCats(coco.getCatIds())} == NAMES
    assert len(coco.getImgIds()) == 3
    for frame, image in zip(FRAMES, coco.loadImgs(coco.getImgIds()), strict=True):
        assert (image["file_name"], image["height"], image["width"]) == (f"{frame.stem}.png", 40, 30)
        assert image["pixel_size_mm"] == (None if frame.spacing is None else [0.08, 0.05])
        found = np.zeros((40, 30), np.uint8)
        for one in coco.loadAnns(coco.getAnnIds(imgIds=image["id"])):
            mask = coco.annToMask(one).astype(bool)
            assert not found[mask].any()
            assert one["area"] == mask.sum() == coco_mask.area(one["segmentation"])
            assert one["bbox"] == coco_mask.toBbox(one["segmentation"]).tolist()
            found[mask] = one["category_id"]
        assert np.array_equal(found, labels[frame.id])


@given(mask=MASKS)
def test_run_lengths_are_those_of_cocos_own_tools(mask: np.ndarray) -> None:
    own = compressed(run_lengths(mask))
    assert own == coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


def test_the_table_has_every_frame_once_under_one_header(tmp_path: Path) -> None:
    write(tmp_path, FRAMES, ("csv",))
    rows = list(csv.DictReader(StringIO((tmp_path / "measurements.csv").read_text(encoding="utf-8"))))
    areas = {(row["frame"], row["structure"]): float(row["value"]) for row in rows if row["measure"] == "area"}
    for number, frame in enumerate(FRAMES):
        for structure in STRUCTURES:
            pixels = np.count_nonzero(labels_of(number) == structure.value)
            expected = pixels if frame.spacing is None else pixels * 0.08 * 0.05
            assert areas[frame.stem, structure.name] == pytest.approx(expected, abs=1e-4)


def test_overlay_changes_nothing_outside_the_masks_and_outlines_in_colour(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    write(tmp_path, [plain_frame("a")], ("overlay",), pixels=lambda frame: pixels)
    picture = np.asarray(Image.open(tmp_path / "overlays" / "a.png"))
    labels = labels_of(0)
    assert np.array_equal(picture[:40][labels == 0], pixels[labels == 0])
    assert (picture[:40][labels == 1] != pixels[labels == 1]).any(axis=1).all()
    assert tuple(picture[5, 10]) == (0x56, 0xB4, 0xE9)
    assert picture.shape[0] > 40


def test_the_legend_has_areas_in_cm2_and_px2_where_the_scale_does_not_hold() -> None:
    labels = np.zeros((60, 80), np.uint8)
    labels[10:30, 10:60], labels[40:50, 10:20] = 1, 2
    structures = (Structure(1, "belly"), Structure(2, "fascia"))
    fine = Spacing(0.5, 0.5, "by hand")
    assert legend(labels, structures, fine) == {1: "belly · 2.500 cm²", 2: "fascia · 25.00 mm²"}
    assert legend(labels, structures, fine, (0, 0, 35, 80))[2] == "fascia · 100.0 px²"
    assert legend(labels, (), None)[1] == "value 1 · 1000 px²"


def test_an_overlay_has_no_mm2_where_the_scale_of_the_frame_does_not_hold(tmp_path: Path) -> None:
    pixels, regional = np.full((200, 600), 90, np.uint8), Spacing(0.08, 0.05, "DICOM region")
    frame = replace(plain_frame("a", regional, region=(0, 0, 22, 600)), height=200, width=600)
    _, labels = write(tmp_path / "part", [frame], ("overlay",), pixels=lambda _: pixels)
    by_hand = replace(frame, spacing=SPACING)
    write(tmp_path / "whole", [by_hand], ("overlay",), pixels=lambda _: pixels)
    parts = {"part": (regional, (0, 0, 22, 600)), "whole": (SPACING, None)}
    for folder, scale in parts.items():
        expected = overlay_png(pixels, labels["a"], STRUCTURES, *scale)
        assert (tmp_path / folder / "overlays" / "a.png").read_bytes() == expected
    drawn = [(tmp_path / folder / "overlays" / "a.png").read_bytes() for folder in parts]
    assert drawn[0] != drawn[1], "its words can be seen"


def test_overlay_keeps_grey_and_divides_sixteen_bits_by_their_range() -> None:
    pixels = np.full((40, 30), 4095, np.uint16)
    pixels[:, :10] = 1024
    picture = np.asarray(Image.open(BytesIO(overlay_png(pixels, np.zeros((40, 30), np.uint8)))))
    assert set(map(tuple, picture[0, :10])) == {(64, 64, 64)}
    assert set(map(tuple, picture[0, 10:])) == {(255, 255, 255)}


@given(width=st.integers(16, 4000), x_mm=st.floats(0.005, 5))
@example(width=200, x_mm=1.6666666666666665)  # a hair under 100 mm, whose logarithm is rounded to that of 100
def test_the_scale_bar_is_as_long_as_it_says(width: int, x_mm: float) -> None:
    bar = scale_bar(width, x_mm)
    assert abs(bar.pixels * x_mm - bar.mm) <= x_mm / 2 + 1e-9
    assert bar.mm <= 0.3 * width * x_mm * (1 + 1e-9) < bar.mm * 2.5 + 1e-9
    assert f"{bar.mm:.6e}"[0] in "125"


def test_the_bar_is_drawn_at_that_length() -> None:
    content = overlay_png(np.zeros((300, 600), np.uint8), np.zeros((300, 600), np.uint8), (), Spacing(0.1, 0.1, "x"))
    picture = np.asarray(Image.open(BytesIO(content)))
    assert scale_bar(600, 0.1).words == "1 cm"
    row = (picture[305] == 255).all(axis=1)[:110]
    assert row.sum() == 100


def test_provenance_lists_every_other_file_with_its_sum(tmp_path: Path) -> None:
    report, _ = write(tmp_path, FRAMES, ("png", "coco", "csv"))
    content = json.loads((tmp_path / "provenance.json").read_text())
    assert set(content["files"]) == {path.relative_to(tmp_path).as_posix() for path in report.files} - {
        "provenance.json"
    }
    for name, digest in content["files"].items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest


def test_only_chosen_frames_and_a_step_for_each(tmp_path: Path) -> None:
    steps: list[tuple[int, int, str]] = []
    report, _ = write(tmp_path, FRAMES, ("png",), frames=("a", "c"), progress=lambda *step: steps.append(step))
    assert report.frames == 2
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == ["a.png", "c.png"]
    assert [step[:2] for step in steps] == [(0, 2), (1, 2), (2, 2)]
    assert [step[2] for step in steps[:2]] == ["a", "c"]


def test_pseudonyms_are_the_same_for_the_same_key_only(tmp_path: Path) -> None:
    names = []
    for folder, key in (("one", KEY), ("two", KEY), ("three", bytes(32))):
        report, _ = write(tmp_path / folder, FRAMES, ("png",), key=key)
        names.append({path.name for path in report.files})
    assert names[0] == names[1]
    assert names[0] & names[2] == {"provenance.json"}
    assert not any(frame.stem in name.removesuffix(".png").split("_") for name in names[0] for frame in FRAMES)
