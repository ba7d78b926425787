"""What files are called: with endings and without, several of one name, and in the user's own table."""

from __future__ import annotations

import csv
import json
import os
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dicom_pictures import picture, saved
from export_samples import KEY, plain_frame, write
from PIL import Image

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Along, Frame, Stack
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.files.clips import ending_of, stem_of
from napari_adasam.files.exports import Extras, losses
from napari_adasam.files.exports.naming import unique_names
from napari_adasam.files.exports.plan import file_names
from napari_adasam.files.exports.table import read_file_table
from napari_adasam.files.exports.table_rows import rows_of
from napari_adasam.files.readers import open_paths
from napari_adasam.files.store import Store

UIDS = ("1.2.840.113619.2.5.7", "1.2.840.113619.2.5.8")


@pytest.mark.parametrize(
    ("name", "stem", "ending"),
    [
        ("scan.png", "scan", ".png"),
        ("Scan.DCM", "Scan", ".dcm"),
        ("clip.mp4", "clip", ".mp4"),
        ("vol.nii", "vol", ".nii"),
        ("Vol.NII.gz", "Vol", ".nii.gz"),
        (UIDS[0], UIDS[0], ""),
        ("IM.00001", "IM.00001", ""),
        ("visit.2 left", "visit.2 left", ""),
        ("scan", "scan", ""),
        (".hidden", ".hidden", ""),
        (".nii.gz", ".nii.gz", ".nii.gz"),
    ],
)
def test_an_ending_is_what_looks_like_one(name: str, stem: str, ending: str) -> None:
    assert (stem_of(Path(name)), ending_of(Path(name))) == (stem, ending)


def uid_files(folder: Path) -> list[Frame]:
    folder.mkdir()
    for at, name in enumerate(UIDS):
        saved(folder / name, picture(np.full((40, 30), 60 + at, np.uint8)))
    return [frame for clip in open_paths([folder]).clips for frame in clip.frames]


def test_files_called_by_a_uid_keep_it_whole(tmp_path: Path) -> None:
    frames = uid_files(tmp_path / "dicom")
    assert [frame.stem for frame in frames] == list(UIDS)
    path = tmp_path / "files.csv"
    path.write_text(f"file,side\n{UIDS[0]},left\n{UIDS[1]},right\n", encoding="utf-8")
    write(tmp_path / "out", frames, ("png", "csv"), extras=Extras(table=path))
    assert sides(tmp_path / "out") == {UIDS[0]: "left", UIDS[1]: "right"}
    assert (tmp_path / "out" / "masks" / f"{UIDS[1]}.png").exists()


def test_frames_of_an_earlier_session_keep_their_names_and_find_their_rows(tmp_path: Path) -> None:
    """They were called by all but the last number, with a number behind."""
    frames = uid_files(tmp_path / "dicom")
    old = [
        replace(frame, stem=stem)
        for frame, stem in zip(frames, ("1.2.840.113619.2.5", "1.2.840.113619.2.5_2"), strict=True)
    ]
    store = Store.create(tmp_path / "session")
    store.save_frames(old)
    store.close()
    again = Store.read(tmp_path / "session").frames
    assert [(frame.id, frame.stem) for frame in again] == [(frame.id, frame.stem) for frame in old]
    assert [frame.id for frame in again] == [frame.id for frame in frames]
    table = {UIDS[0]: {"side": "left"}, UIDS[1]: {"side": "right"}}
    assert [rows_of(table, again)[frame.id]["side"] for frame in again] == ["left", "right"]


def of(path: str, stem: str, index: int | None = None) -> Frame:
    """The one frame of a file, or the frame ``index`` of several."""
    key = path if index is None else f"{path}-{index}"
    return replace(plain_frame(key), path=path, stem=stem, index=index or 0)


LEFTS = [of("/exams/P01/left.png", "left"), of("/exams/P02/left.png", "left_2"), of("/exams/P03/left.png", "left_3")]
CLIPS = [of("/exams/P01/cine.avi", "cine_0007", 7), of("/exams/P02/cine.avi", "cine_0007_2", 7)]


def found(names: dict[str, str], frames: list[Frame]) -> list[str | None]:
    """The row of each frame in a table of name to row."""
    rows = rows_of({name: {"row": row} for name, row in names.items()}, frames)
    return [rows[frame.id]["row"] if frame.id in rows else None for frame in frames]


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        ({"left": "1"}, ["1", None, None]),
        ({"left": "1", "left_2": "2", "left_3": "3"}, ["1", "2", "3"]),
        ({"P01/left": "1", "P03/left": "3"}, ["1", None, "3"]),
        ({"P01/left.png": "1", "exams/P02/left": "2", "/exams/P03/left.png": "3"}, ["1", "2", "3"]),
        ({"1/left": "1", "P02/left.tif": "2"}, [None, None, None]),
    ],
)
def test_a_frame_gets_its_own_row_or_none(names: dict[str, str], rows: list[str | None]) -> None:
    assert found(names, LEFTS) == rows


def test_the_name_of_a_file_holds_for_its_frames_where_no_other_file_has_it() -> None:
    assert found({"cine": "1"}, CLIPS[:1]) == ["1"]
    assert found({"cine": "1"}, CLIPS) == [None, None]
    assert found({"P02/cine": "2", "cine_0007": "1"}, CLIPS) == ["1", "2"]
    assert found({"cine": "file", "cine_0007": "frame"}, CLIPS[:1]) == ["frame"]
    assert found({"left": "1"}, LEFTS[2:]) == ["1"]


def test_what_may_be_a_frame_or_another_file_is_no_row() -> None:
    other = of("/exams/P03/left_3.png", "left_3_2")
    assert found({"left_3": "?"}, [*LEFTS, other]) == [None, None, None, None]
    assert found({"P03/left_3": "4", "P03/left": "3"}, [*LEFTS, other]) == [None, None, "3", "4"]


def test_a_path_of_two_files_is_no_row() -> None:
    same = [of("/one/P01/left.png", "left"), of("/two/P01/left.png", "left_2")]
    assert found({"P01/left": "?", "two/P01/left": "2"}, same) == [None, "2"]


@pytest.mark.parametrize("column", ["file", "id"])
def test_a_table_may_have_paths(tmp_path: Path, column: str) -> None:
    path = tmp_path / "files.csv"
    path.write_text(f"{column},side\nP01/left.png,left\nP02\\left.png,right\n./P03/left.png,\n", encoding="utf-8")
    rows = rows_of(read_file_table(path), LEFTS)
    assert [rows[frame.id]["side"] for frame in LEFTS] == ["left", "right", ""]


def test_frames_without_a_row_of_their_own_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "files.csv"
    path.write_text("file,side\nleft.png,left\n", encoding="utf-8")
    said = losses(("csv",), LEFTS, MUSCLE_PRESET, extras=Extras(table=path))
    assert "files.csv has no row for 2 of 3 images." in said


def same_names(folder: Path) -> list[Frame]:
    """Two pictures of one name, and one of a name of its own."""
    for at, name in enumerate(("P01/left.png", "P03/left.png", "P03/right.png")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((40, 30), 60 + at, np.uint8)).save(folder / name)
    return [frame for clip in open_paths([folder]).clips for frame in clip.frames]


def told(out: Path) -> list[list[str]]:
    """The files' names in the table, in COCO and in the provenance."""
    with (out / "measurements.csv").open(newline="", encoding="utf-8") as file:
        table = list(dict.fromkeys(row["file"] for row in csv.DictReader(file)))
    coco = json.loads((out / "coco.json").read_text("utf-8"))["images"]
    facts = json.loads((out / "provenance.json").read_text("utf-8"))["frames"]
    return [table, [image["file_name"] for image in coco], [frame.get("file", "") for frame in facts]]


def sides(out: Path) -> dict[str, str]:
    with (out / "measurements.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: row["side"] for row in csv.DictReader(file)}


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    frames = same_names(tmp_path / "exams")
    path = tmp_path / "files.csv"
    path.write_text("file,side\nP01/left.png,l1\nP03/left.png,l3\nright.png,r\n", encoding="utf-8")
    write(tmp_path / "out", frames, ("csv", "coco"), extras=Extras(table=path))
    assert told(tmp_path / "out") == [["P01/left.png", "P03/left.png", "right.png"]] * 3
    assert sides(tmp_path / "out") == {"P01/left.png": "l1", "P03/left.png": "l3", "right.png": "r"}


def test_plain_names_stay_plain(tmp_path: Path) -> None:
    frames = same_names(tmp_path / "exams")[1:]
    write(tmp_path / "out", frames, ("csv", "coco"))
    assert told(tmp_path / "out") == [["left.png", "right.png"]] * 3


def test_without_names_there_are_no_folders_either(tmp_path: Path) -> None:
    write(tmp_path / "out", same_names(tmp_path / "exams"), ("csv", "coco"), key=KEY)
    for path in (tmp_path / "out").iterdir():
        assert not {"P01", "P03", "left", "exams"} & set(path.read_text("utf-8").replace("/", '"').split('"'))


def test_folders_begin_at_the_deepest_common_one() -> None:
    deep = ["/d/a/P01/v1/left.png", "/d/a/P01/v2/left.png", "/d/a/P02/left.png"]
    assert list(file_names(deep).values()) == ["P01/v1/left.png", "P01/v2/left.png", "P02/left.png"]
    assert list(file_names(deep[:2]).values()) == ["v1/left.png", "v2/left.png"]
    assert file_names(["/left.png", "/d/left.png", "/e/other.png"]) == {
        "/left.png": "left.png",
        "/d/left.png": "d/left.png",
        "/e/other.png": "other.png",
    }


MARY = [of(f"C:\\Users\\Mary Miller\\{day}\\x.png", stem, 0) for day, stem in (("mon", "x"), ("tue", "x_2"))]


def test_a_session_from_windows_tells_no_more_folders_than_one_of_this_system(tmp_path: Path) -> None:
    assert file_names([MARY[0].path]) == {MARY[0].path: "x.png"}
    assert list(file_names([one.path for one in MARY]).values()) == ["mon/x.png", "tue/x.png"]
    share = "\\\\nas\\Mary Miller\\x.png"
    assert file_names([share]) == {share: "x.png"}
    assert list(file_names(["C:\\x.png", "D:\\x.png"]).values()) == ["C/x.png", "D/x.png"]
    write(tmp_path, [replace(MARY[0], id="f")], ("csv", "coco"))
    assert told(tmp_path) == [["x.png"]] * 3
    assert not any(b"Mary" in path.read_bytes() for path in tmp_path.iterdir())


def test_the_files_of_a_clip_from_windows_are_called_like_it(tmp_path: Path) -> None:
    pages = Stack(2, Along.UNKNOWN)
    frames = [replace(of("C:\\Mary\\cine.tif", f"cine_{at:04d}", at), id=f"f-{at}", stack=pages) for at in range(2)]
    report, _ = write(tmp_path, frames, ("tiff",))
    assert [path.name for path in report.files] == ["cine.tif", "provenance.json"]


@pytest.mark.skipif(os.name == "nt", reason="there a backslash stands between folders")
def test_a_backslash_in_a_name_is_no_folder_here(tmp_path: Path) -> None:
    frame = of("/exams/a\\b.png", "a\\b")
    assert file_names([frame.path]) == {frame.path: "a\\b.png"}
    assert file_names(["R:L.png"]) == {"R:L.png": "R:L.png"}
    report, _ = write(tmp_path, [frame], ("png", "csv"))
    assert report.files[0].name == "a_b.png"


@pytest.mark.parametrize("kept", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_letters_with_accents_are_the_same_however_they_are_kept(tmp_path: Path, kept: str, typed: str) -> None:
    """macOS may give a name with the accent as a sign of its own."""
    name = unicodedata.normalize(kept, "Müller")  # type: ignore[arg-type]
    frames = [of(f"/exams/{name}.png", name), of(f"/exams/P1/{name}/left.png", "left")]
    path = tmp_path / "files.csv"
    text = unicodedata.normalize(typed, "file,side\nMüller,l\nMüller/left.png,r\n")  # type: ignore[arg-type]
    path.write_text(text, encoding="utf-8")
    rows = rows_of(read_file_table(path), frames)
    assert [rows[frame.id]["side"] for frame in frames] == ["l", "r"]
    write(tmp_path / "out", frames, ("csv",), extras=Extras(table=path))
    assert list(sides(tmp_path / "out").values()) == ["l", "r"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_may_have_commas_semicolons_or_tabs(tmp_path: Path, delimiter: str, encoding: str) -> None:
    path = tmp_path / "files.csv"
    lines = (("side", "file", "comment; or, note"), ("left", "a.png", "0,5;1"))
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows(lines)
    assert read_file_table(path) == {"a": {"side": "left", "comment; or, note": "0,5;1"}}


def test_a_table_in_another_code_says_how_to_save_it(tmp_path: Path) -> None:
    (tmp_path / "files.csv").write_bytes("file;side\nMüller.png;left\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"in UTF-8; nothing was written\..* “CSV UTF-8 \(comma delimited\)”"):
        read_file_table(tmp_path / "files.csv")


def test_a_column_s_name_of_several_lines_breaks_no_row(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text('file,"side\n(of the body)"\na,left\nb,right\n', encoding="utf-8")
    frames = [plain_frame("a"), plain_frame("b")]
    write(tmp_path / "out", frames, ("csv",), extras=Extras(table=tmp_path / "mine.csv"))
    with (tmp_path / "out" / "measurements.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {(row["frame"], row["side\n(of the body)"]) for row in rows} == {("a", "left"), ("b", "right")}
    assert all(None not in row and row["unit"] for row in rows)


def test_empty_rows_below_a_table_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("file,side\na,left\n,\n,\n", encoding="utf-8")
    assert read_file_table(tmp_path / "mine.csv") == {"a": {"side": "left"}}


@pytest.mark.parametrize("letter", ["x", "é", "筋"])
def test_a_name_as_long_as_a_disk_takes_is_cut_and_keeps_its_number(tmp_path: Path, letter: str) -> None:
    stem = letter * (251 // len(letter.encode()))
    stack = Stack(2, Along.TIME)
    path = f"/exams/{stem}.avi"
    frames = [Frame(f"c-{at}", path, at, 40, 30, f"{stem}_{at:04d}", stack=stack) for at in range(2)]
    report, _ = write(tmp_path / "out", frames, ("png", "tiff", "nifti", "csv"))
    assert all(file.is_file() for file in report.files)
    names = sorted(file.stem for file in report.files if file.suffix == ".png")
    assert [name[-5:] for name in names] == ["_0000", "_0001"]
    assert all(name.startswith(letter * 70) for name in names)


def test_names_that_differ_in_how_an_accent_is_kept_are_two_files_on_every_disk() -> None:
    wanted = {form: unicodedata.normalize(form, "Müller") for form in ("NFC", "NFD")}  # type: ignore[arg-type]
    names = unique_names(wanted.items())
    assert len({unicodedata.normalize("NFC", name) for name in names.values()}) == 2
    assert names["NFC"] == wanted["NFC"]
