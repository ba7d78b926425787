"""The command ``measure``: label images of a data set into a table."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from dicom_pictures import picture, region, saved
from PIL import Image

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.domain.sector_finding import find_sector
from napari_adasam.services.measuring import MeasureChoice, MeasureReport, measure_dataset

PIXELS = (np.arange(60 * 90) % 200).astype(np.uint8).reshape(60, 90)
BELLY = np.zeros((60, 90), np.uint8)
BELLY[20:40, 5:85] = 1
BOTH = BELLY.copy()
BOTH[10:14, 5:85] = BOTH[46:50, 5:85] = 2


def make(folder: Path, labels: dict[str, np.ndarray], table: str = "") -> Path:
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for key, values in labels.items():
        Image.fromarray(PIXELS).save(folder / "images" / f"{key}.png")
        Image.fromarray(values).save(folder / "labels" / f"{key}.png")
    if table:
        (folder / "index.csv").write_text(table, encoding="utf-8")
    return folder


def run(folder: Path, out: Path, names: tuple[tuple[int, str], ...] = ()) -> MeasureReport:
    return measure_dataset(folder, out, names, lambda done, total, what: None)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def value(rows: list[dict[str, str]], frame: str, structure: str, measure: str) -> tuple[float, str, str]:
    wanted = (frame, structure, measure)
    row = next(row for row in rows if (row["frame"], row["structure"], row["measure"]) == wanted)
    return float(row["value"]), row["unit"], row["scale_source"]


def test_a_data_set_with_sizes_in_its_table(tmp_path: Path) -> None:
    folder = make(tmp_path / "set", {"a2": BOTH, "a10": BOTH}, "id,pixel_size_mm,side\na2,0.1,left\na10,,right\n")
    report = run(folder, tmp_path / "new" / "out.csv", ((1, "muscle belly"), (2, "aponeurosis")))
    rows = table(tmp_path / "new" / "out.csv")
    assert (report.images, report.rows, report.problems) == (2, len(rows), ())
    assert list(dict.fromkeys(row["frame"] for row in rows)) == ["a2", "a10"]
    assert value(rows, "a2", "muscle belly", "thickness mean") == (2.0, "mm", "index.csv")
    assert value(rows, "a2", "aponeurosis", "thickness between parts mean") == (3.2, "mm", "index.csv")
    assert value(rows, "a10", "muscle belly", "area") == (1600, "px²", "none")
    assert value(rows, "a10", "muscle belly", "echo intensity mean")[0] == pytest.approx(
        PIXELS[BELLY == 1].mean(), abs=1e-4
    )
    assert {(row["frame"], row["side"], row["pixel_size_mm"]) for row in rows} == {
        ("a2", "left", "0.1"),
        ("a10", "right", ""),
    }
    assert {(row["model"], row["origin"], row["seconds"]) for row in rows} == {("", "", "")}


def test_without_names_structures_have_numbers_and_parts_are_seen(tmp_path: Path) -> None:
    make(tmp_path, {"a": BOTH, "b": BELLY})
    run(tmp_path, tmp_path / "out.csv")
    rows = table(tmp_path / "out.csv")
    assert value(rows, "a", "structure 1", "thickness mean")[0] == 20
    assert value(rows, "a", "structure 2", "thickness between parts mean")[0] == 32
    assert value(rows, "b", "structure 2", "area")[0] == 0
    assert [row["origin"] for row in rows if row["frame"] == "b" and row["structure"] == "structure 2"] == ["absent"]


def test_sizes_come_from_the_files_where_the_table_has_none(tmp_path: Path) -> None:
    make(tmp_path, {"a": BELLY})
    options = {"imagej": True, "resolution": (10, 5), "metadata": {"unit": "mm"}}
    (tmp_path / "images" / "a.png").unlink()
    tifffile.imwrite(tmp_path / "images" / "a.tif", PIXELS, **options)  # type: ignore[arg-type]
    tifffile.imwrite(tmp_path / "labels" / "b.tif", BELLY, **options)  # type: ignore[arg-type]
    report = run(tmp_path, tmp_path / "out.csv")
    rows = table(tmp_path / "out.csv")
    assert report.problems == ()
    assert value(rows, "a", "structure 1", "thickness mean") == (pytest.approx(4, rel=1e-3), "mm", "TIFF header")
    # A label image without a picture is measured too, by its own size, without echo intensity.
    assert value(rows, "b", "structure 1", "thickness mean")[1] == "mm"
    assert not any("echo" in row["measure"] for row in rows if row["frame"] == "b")


def test_what_is_broken_is_a_sentence_and_the_rest_is_done(tmp_path: Path) -> None:
    keys = ("label", "picture", "size", "shape", "sound")
    make(tmp_path, dict.fromkeys(keys, BELLY), "id,pixel_size_mm\nsize,wide\nshape,0.5\npicture,0.5\n")
    (tmp_path / "labels" / "label.png").write_bytes(b"not a picture")
    (tmp_path / "images" / "picture.png").write_bytes(b"not a picture")
    Image.fromarray(PIXELS[:50]).save(tmp_path / "images" / "shape.png")
    report = run(tmp_path, tmp_path / "out.csv")
    rows = table(tmp_path / "out.csv")
    assert report.images == 4
    assert [problem.split()[0] for problem in report.problems] == ["label.png", "picture.png", "The", "index.csv"]
    assert all(problem.endswith(".") and "\n" not in problem for problem in report.problems)
    assert {row["frame"] for row in rows} == set(keys) - {"label"}
    assert value(rows, "picture", "structure 1", "area") == (400, "mm²", "index.csv")
    assert not any("echo" in row["measure"] for row in rows if row["frame"] in ("picture", "shape"))
    for key in ("shape", "size"):  # never a millimetre that is not sure
        assert {row["unit"] for row in rows if row["frame"] == key} <= {"px", "px²", "°", "grey level"}


def test_a_broken_picture_is_named_once(tmp_path: Path) -> None:
    make(tmp_path, {"a": BELLY})
    (tmp_path / "images" / "a.png").write_bytes(b"not a picture")
    (said,) = run(tmp_path, tmp_path / "out.csv").problems
    assert said.endswith("was left out. a was measured in pixels, and without echo intensity.")


def test_a_file_of_several_label_images_is_not_measured_by_its_first(tmp_path: Path) -> None:
    make(tmp_path, {"a": BELLY})
    tifffile.imwrite(tmp_path / "labels" / "b.tif", np.stack([BELLY, BOTH]), photometric="minisblack")
    report = run(tmp_path, tmp_path / "out.csv")
    assert report.images == 1
    assert report.problems == ("b.tif holds 2 label images, and was left out; save one in each file.",)


def test_where_nothing_can_be_measured_the_earlier_table_stays(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("earlier")
    with pytest.raises(InputError, match="holds no label images"):
        run(tmp_path / "nowhere", out)
    make(tmp_path / "set", {"a": BELLY})
    with pytest.raises(InputError, match="300=belly names no label value"):
        run(tmp_path / "set", out, ((300, "belly"),))
    (tmp_path / "set" / "labels" / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match="No label image could be read"):
        run(tmp_path / "set", out)
    assert out.read_text() == "earlier"
    make(tmp_path / "set", {"a": BELLY})
    with pytest.raises(StorageError):
        run(tmp_path / "set", out / "below.csv")


@pytest.mark.parametrize("name", ["index.csv", "labels/a.png"])
def test_a_file_of_the_data_set_is_not_written_over(name: str, tmp_path: Path) -> None:
    label = np.zeros((40, 50), np.uint8)
    label[10:20, 10:40] = 1
    make(tmp_path, {"a": label}, "id,side\na,left\n")
    before = (tmp_path / name).read_bytes()
    with pytest.raises(InputError, match="Nothing was written"):
        run(tmp_path, tmp_path / name)
    assert (tmp_path / name).read_bytes() == before


def test_columns_of_the_table_do_not_hide_figures(tmp_path: Path) -> None:
    make(tmp_path, {"a": BELLY}, "id,value,note\na,7,seen twice\n")
    run(tmp_path, tmp_path / "out.csv")
    row = table(tmp_path / "out.csv")[0]
    assert (row["value"], row["value (index.csv)"], row["note (index.csv)"]) == ("1600", "7", "seen twice")


def test_colour_is_measured_as_luma_and_16_bits_as_they_are(tmp_path: Path) -> None:
    make(tmp_path, {"a": BELLY, "b": BELLY})
    colour = np.zeros((60, 90, 3), np.uint8)
    colour[..., 1] = 100
    Image.fromarray(colour).save(tmp_path / "images" / "a.png")
    (tmp_path / "images" / "b.png").unlink()
    tifffile.imwrite(tmp_path / "images" / "b.tif", np.full((60, 90), 3000, np.uint16))
    run(tmp_path, tmp_path / "out.csv")
    rows = table(tmp_path / "out.csv")
    assert value(rows, "a", "structure 1", "echo intensity mean")[0] == 59
    assert value(rows, "b", "structure 1", "echo intensity mean")[0] == 3000
    depths = {(row["frame"], row["bit_depth"]) for row in rows if "echo" in row["measure"]}
    assert depths == {("a", "8"), ("b", "12")}


def test_beyond_the_region_of_a_dicom_picture_there_are_no_millimetres(tmp_path: Path) -> None:
    make(tmp_path, {"a": BOTH})
    (tmp_path / "images" / "a.png").unlink()
    linear = region(RegionLocationMinY0=16, RegionLocationMaxX1=89, RegionLocationMaxY1=44)
    saved(tmp_path / "images" / "a.dcm", picture(PIXELS, SequenceOfUltrasoundRegions=[linear]))
    assert run(tmp_path, tmp_path / "out.csv").problems == ()
    rows = table(tmp_path / "out.csv")
    assert value(rows, "a", "structure 1", "area") == (pytest.approx(1600 * 0.004), "mm²", "DICOM region")
    assert value(rows, "a", "structure 2", "area") == (640, "px²", "none")


def test_the_command_prints_json_and_needs_no_torch(tmp_path: Path) -> None:
    make(tmp_path, {"a": BOTH, "b": BOTH})
    (tmp_path / "labels" / "b.png").write_bytes(b"broken")
    code = (
        "import sys; from napari_adasam.cli import main\n"
        f"sys.argv = ['napari-adasam', 'measure', {str(tmp_path)!r}, '--out', {str(tmp_path / 'out.csv')!r}, "
        "'--structures', '1=muscle belly,2=aponeurosis']\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "assert not {'torch', 'napari', 'qtpy'} & set(sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told = json.loads(ended.stdout)
    assert told.keys() == {"images", "rows", "problems"}
    assert told["images"] == 1
    assert told["rows"] == len(table(tmp_path / "out.csv"))
    assert told["problems"] == [line for line in ended.stderr.splitlines() if line.startswith("b.png")]


def test_head_circumference_of_real_heads(shared_data: Path, tmp_path: Path) -> None:
    """Against the circumference that the experts' ellipses have in mm, for each head; docs/measurements.md has more."""
    report = run(shared_data / "fetal_head", tmp_path / "heads.csv", ((1, "head"),))
    assert (report.images, report.problems) == (63, ())
    rows = [row for row in table(tmp_path / "heads.csv") if row["measure"] == "perimeter"]
    assert {row["unit"] for row in rows} == {"mm"}
    error = [abs(float(row["value"]) / float(row["head_circumference_mm"]) - 1) for row in rows]
    assert len(error) == 63
    assert np.mean(error) <= 0.01


def test_thickness_of_real_muscles_is_the_same_from_the_belly_as_from_its_aponeuroses(
    shared_data: Path, tmp_path: Path
) -> None:
    """The belly there is what lies between the first two aponeuroses, so that two ways must lead to one figure."""
    small = tmp_path / "set" / "labels"
    small.mkdir(parents=True)
    for path in sorted((shared_data / "muscle" / "labels").iterdir())[::12]:
        (small / path.name).write_bytes(path.read_bytes())
    run(tmp_path / "set", tmp_path / "out.csv", ((1, "muscle belly"), (2, "aponeurosis")))
    rows = table(tmp_path / "out.csv")
    belly, between = (
        np.array([float(row["value"]) for row in rows if row["measure"] == f"thickness {what}"])
        for what in ("mean", "between parts mean")
    )
    assert len(belly) == len(between) == 30
    assert np.abs(between / belly - 1).max() < 0.01


def test_what_is_not_of_the_scan_is_left_out_of_echo_intensity(tmp_path: Path) -> None:
    folder = make(tmp_path / "set", {"a": BELLY})
    scan, labels = np.full((120, 160), 52, np.uint8), np.zeros((120, 160), np.uint8)
    scan[20:100, 30:130] = np.random.default_rng(0).integers(20, 200, (80, 100))
    labels[40:60, 20:120] = 1
    Image.fromarray(scan).save(folder / "images" / "a.png")
    Image.fromarray(labels).save(folder / "labels" / "a.png")
    found = {}
    for sector in (True, False):
        out = tmp_path / f"{sector}.csv"
        measure_dataset(folder, out, (), lambda done, total, what: None, MeasureChoice(sector))
        rows = table(out)
        note = next(row["note"] for row in rows if row["measure"] == "echo intensity mean")
        found[sector] = (value(rows, "a", "structure 1", "echo intensity mean")[0], note)
        assert value(rows, "a", "structure 1", "area")[0] == 2000
    kept = (labels == 1) & find_sector(scan).mask(scan.shape)
    assert 1750 < kept.sum() < 1850
    assert found[True][0] == pytest.approx(scan[kept].mean(), abs=1e-4)
    assert f"{2000 - kept.sum()} px outside the scan sector left out" in found[True][1]
    assert found[False][0] == pytest.approx(scan[40:60, 20:120].mean(), abs=1e-4)
    assert "left out" not in found[False][1]
