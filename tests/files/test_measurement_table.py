"""measurements.csv: its columns, its units, and what a user's own table adds."""

from __future__ import annotations

import csv
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Annotation, Frame, MaskOrigin, Spacing
from napari_adasam.domain.structures import MUSCLE_PRESET, Structure
from napari_adasam.files.exports.table import (
    BEYOND_SCALE,
    COLUMNS,
    NO_PICTURE,
    NOT_ASKED,
    NOT_COMPARABLE,
    NOT_ERODED,
    Further,
    measurements_csv,
    read_file_table,
)

LABELS = np.zeros((60, 90), np.uint8)
LABELS[20:40, 5:85] = 1
LABELS[10:14, 5:85] = LABELS[46:50, 5:85] = 2
GREY = np.full(LABELS.shape, 50, np.uint8)


def frame(key: str, scale: Spacing | None = None, index: int = 0) -> Frame:
    return Frame(key, f"/exams/jane doe/{key}.avi", index, *LABELS.shape, f"{key}_{index:04d}", scale)


def annotation(key: str) -> Annotation:
    origins = {1: MaskOrigin.CORRECTED, 2: MaskOrigin.DRAWN}
    return Annotation(key, LABELS, origins, {1: 0.123456}, 61.25, "f00d")


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(content.decode())))


def by_measure(content: bytes, structure: str) -> dict[str, dict[str, str]]:
    return {row["measure"]: row for row in rows(content) if row["structure"] == structure}


def written(*frames: Frame, **options: object) -> bytes:
    annotations = {one.id: annotation(one.id) for one in frames}
    names = {one.id: one.stem for one in frames}
    return measurements_csv(annotations, frames, MUSCLE_PRESET, names, lambda one: GREY, **options)  # type: ignore[arg-type]


def test_every_row_says_what_where_from_and_how() -> None:
    content = written(frame("a", Spacing(0.1, 0.1, "DICOM region")))
    assert content.decode().splitlines()[0] == ",".join(COLUMNS)
    belly = by_measure(content, "muscle belly")
    assert belly["thickness mean"] == {
        "frame": "a_0000",
        "file": "a.avi",
        "structure": "muscle belly",
        "measure": "thickness mean",
        "value": "2.0000",
        "unit": "mm",
        "scale_source": "DICOM region",
        "model": "f00d",
        "origin": "corrected",
        "changed_share": "0.1235",
        "seconds": "61.2",
        "bit_depth": "",
        "note": "",
    }
    assert belly["area"]["value"] == "16.0000"
    assert {row["origin"] for row in by_measure(content, "aponeurosis").values()} == {"drawn"}
    assert by_measure(content, "aponeurosis")["thickness between parts mean"]["value"] == "3.2000"


def test_a_border_in_mm_stays_where_there_is_no_scale() -> None:
    """Nobody knows how many pixels it has; the row says that it stayed."""
    noise = np.random.default_rng(0).integers(0, 255, LABELS.shape, dtype=np.uint8)
    found = []
    for scale, erosion in ((None, 0.0), (None, 3.0), (Spacing(1, 1, "by hand"), 3.0)):
        one = frame("a", scale)
        table = measurements_csv(
            {"a": annotation("a")}, [one], MUSCLE_PRESET, {"a": "a"}, lambda _: noise, Further(erosion_mm=erosion)
        )
        row = by_measure(table, "muscle belly")["echo intensity mean"]
        found.append((row["value"], row["note"].removeprefix(f"{NOT_COMPARABLE}; ")))
    inside = noise[20:40, 5:85]
    assert found[:2] == [(f"{inside.mean():.4f}", NOT_COMPARABLE), (f"{inside.mean():.4f}", NOT_ERODED)]
    assert found[2] == (f"{inside[3:-3, 3:-3].mean():.4f}", "3 mm along the border left out")


def test_echo_intensity_has_its_bit_depth_and_its_warning_and_no_scale() -> None:
    row = by_measure(written(frame("a", Spacing(0.1, 0.1, "by hand"))), "muscle belly")["echo intensity mean"]
    assert (row["value"], row["unit"], row["bit_depth"]) == ("50.0000", "grey level", "8")
    assert (row["note"], row["scale_source"]) == (NOT_COMPARABLE, "none")


def test_what_is_masked_does_not_enter_echo_intensity() -> None:
    grey = np.ma.array(GREY, mask=False)
    grey[30:, :] = 250
    grey[30:, :] = np.ma.masked
    one = frame("a")
    content = measurements_csv({"a": annotation("a")}, [one], MUSCLE_PRESET, {"a": "a"}, lambda frame: grey)
    row = by_measure(content, "muscle belly")["echo intensity mean"]
    assert (row["value"], row["bit_depth"]) == ("50.0000", "8")


def test_without_grey_values_there_is_no_echo_intensity() -> None:
    one = frame("a")
    content = measurements_csv({"a": annotation("a")}, [one], MUSCLE_PRESET, {"a": "a"}, lambda frame: None)
    assert not any("echo" in row["measure"] for row in rows(content))
    noted = [(row["structure"], row["measure"]) for row in rows(content) if row["note"] == NO_PICTURE]
    assert noted == [("muscle belly", "area"), ("aponeurosis", "area")]


def test_without_a_scale_every_figure_is_labelled_in_pixels() -> None:
    found = rows(written(frame("a")))
    assert {row["unit"] for row in found} == {"px²", "px", "°", "grey level"}
    assert {row["scale_source"] for row in found} == {"none"}


def test_a_structure_that_reaches_out_of_the_scaled_part_is_measured_in_pixels_and_says_so() -> None:
    one = replace(frame("a", Spacing(0.1, 0.1, "DICOM region")), region=(15, 0, 45, 90))
    belly, aponeurosis = by_measure(written(one), "muscle belly"), by_measure(written(one), "aponeurosis")
    assert (belly["area"]["unit"], belly["area"]["note"]) == ("mm²", "")
    assert (aponeurosis["area"]["unit"], aponeurosis["area"]["scale_source"]) == ("px²", "none")
    assert {BEYOND_SCALE in row["note"] for row in aponeurosis.values()} == {True}
    assert NOT_COMPARABLE in aponeurosis["echo intensity mean"]["note"]


def test_a_scale_by_hand_holds_for_all_of_the_picture() -> None:
    one = replace(frame("a", Spacing(0.1, 0.1, "by hand")), region=(15, 0, 45, 90))
    assert by_measure(written(one), "aponeurosis")["area"]["unit"] == "mm²"


def test_frames_without_an_annotation_are_left_out_and_each_frame_is_read_once() -> None:
    asked: list[str] = []

    def grey(one: Frame) -> np.ndarray:
        asked.append(one.id)
        return GREY

    frames = [frame("a"), frame("b"), frame("c")]
    annotations = {key: annotation(key) for key in "ca"}
    content = measurements_csv(annotations, frames, MUSCLE_PRESET, {one.id: one.id for one in frames}, grey)
    assert asked == ["a", "c"]
    assert list(dict.fromkeys(row["frame"] for row in rows(content))) == ["a", "c"]


def test_a_structure_that_was_named_after_a_frame_was_accepted_is_not_called_absent() -> None:
    both = (*MUSCLE_PRESET, Structure(3, "fascia"))
    early = {"a": annotation("a")}
    late = {"a": replace(early["a"], origins={**early["a"].origins, 3: MaskOrigin.ABSENT})}
    names = {"a": "a"}
    (unknown,) = by_measure(measurements_csv(early, [frame("a")], both, names, lambda _: GREY), "fascia").values()
    assert (unknown["value"], unknown["origin"], unknown["note"]) == ("", "", NOT_ASKED)
    (absent,) = by_measure(measurements_csv(late, [frame("a")], both, names, lambda _: GREY), "fascia").values()
    assert (absent["value"], absent["origin"], absent["note"]) == ("0", "absent", "")


def test_columns_of_the_users_table_stand_behind(tmp_path: Path) -> None:
    path = tmp_path / "files.csv"
    path.write_text("file,side,visit\na.avi,left,1\nb_0003.png,right,2\nother.avi,,\n", encoding="utf-8")
    found = rows(written(frame("a", index=2), frame("b", index=3), frame("c"), further=Further(read_file_table(path))))
    assert {(row["frame"], row["side"], row["visit"]) for row in found} == {
        ("a_0002", "left", "1"),  # all frames of a file
        ("b_0003", "right", "2"),  # one frame, by its own name
        ("c_0000", "", ""),
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name,side\na,left\n", "has no column 'file' or 'id'"),
        ("file,unit\na,mm\n", "has a column 'unit', which the measurements have too"),
        ("id,side\na,left\na,right\n", "has two rows for a"),
        ("", "has no column 'file' or 'id'"),
    ],
)
def test_a_table_that_cannot_be_used_is_a_sentence(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "files.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=why):
        read_file_table(path)


def test_a_table_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no file .*missing\.csv; nothing was written"):
        read_file_table(tmp_path / "missing.csv")
    with pytest.raises(InputError, match="cannot be read as a table;"):
        read_file_table(tmp_path)
    (tmp_path / "latin.csv").write_bytes("id,side\né,links\n".encode("latin-1"))
    with pytest.raises(InputError, match="cannot be read as a table in UTF-8"):
        read_file_table(tmp_path / "latin.csv")


def test_spaces_behind_commas_are_of_no_column_and_no_value(tmp_path: Path) -> None:
    path = tmp_path / "files.csv"
    path.write_text('side, file , visit\nleft, "a, b.png", 1\n', encoding="utf-8")
    assert read_file_table(path) == {"a, b": {"side": "left", "visit": "1"}}


def test_rows_that_are_too_short_or_too_long_are_read(tmp_path: Path) -> None:
    path = tmp_path / "files.csv"
    path.write_text("id,side,visit\na,left\nb,right,2,more\n", encoding="utf-8")
    assert read_file_table(path) == {"a": {"side": "left", "visit": ""}, "b": {"side": "right", "visit": "2"}}


ODD_NAMES = [
    "=1+1",
    "+49",
    "-5",
    "@SUM(A1)",
    "\ttab",
    "Müller, 2 mm²",
    'a "b"',
    "line\nbreak",
    "return\rof",
    "both\r\nof",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_names_come_back_as_they_were_written(tmp_path: Path, name: str) -> None:
    """Nothing is put before what a spreadsheet takes for a formula, nor before the table (a byte order mark)."""
    pandas = pytest.importorskip("pandas")
    annotations = {"a": annotation("a")}
    further = Further({"a_0000": {"remark": name}})
    structures = (Structure(1, name.strip().replace("\n", " ")), Structure(2, "another"))
    table = measurements_csv(annotations, [frame("a")], structures, {"a": name}, lambda _: None, further)
    (tmp_path / "table.csv").write_bytes(table)
    found = pandas.read_csv(tmp_path / "table.csv", dtype=str)
    assert list(found.columns[:3]) == ["frame", "file", "structure"]
    assert table.startswith(b"frame,")
    assert {*found["frame"], *found["remark"]} == {name}
    assert not table.endswith(b"\r\n")
    assert {*found["structure"]} == {one.name for one in structures}
