"""Two readers' sessions: figures, files, and the third session that settles them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_adasam.cli import app
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Annotation, Frame, FrameStatus, Labels, MaskOrigin, Spacing
from napari_adasam.domain.structures import Structure
from napari_adasam.files.store import Store
from napari_adasam.services.agreeing import begin_adjudication, compare_sessions, summary, write_agreement
from napari_adasam.services.readers import OtherReaders

SHAPE = (20, 30)
MM = Spacing(0.5, 0.5, "by hand")


def bar(height: int, value: int = 1) -> Labels:
    labels = np.zeros(SHAPE, np.uint8)
    labels[2 : 2 + height, 5:25] = value
    return labels


def reader(folder: Path, heights: list[int], value: int = 1, spacing: Spacing | None = MM, skip: int = -1) -> Path:
    """A session in which frame i has a bar of that height."""
    store = Store.create(folder)
    frames = [Frame(f"f{at}", f"/scans/{at}.png", 0, *SHAPE, f"scan{at}", spacing) for at in range(len(heights))]
    store.save_structures([Structure(value, "Rectus femoris" if value == 1 else "rectus femoris ")])
    store.save_frames(frames)
    for at, height in enumerate(heights):
        labels = bar(height, value)
        store.save_annotation(Annotation(f"f{at}", labels, {value: MaskOrigin.DRAWN}, {value: 1.0}, 1.0, ""))
        if at == skip:
            store.save_status(f"f{at}", FrameStatus.SKIPPED)
    store.close()
    return folder


def test_figures_of_two_readers_by_name_of_the_structure(tmp_path: Path) -> None:
    first = reader(tmp_path / "a", [10, 8, 6, 4])
    second = reader(tmp_path / "b", [10, 4, 6, 5], value=3, skip=3)
    found = compare_sessions(first, second)
    (row,) = summary(found)["rows"]
    assert (len(found.frames), found.left_out, row["n"]) == (3, 1, 3)
    assert row["dice"] == pytest.approx((1 + 2 * 4 / 12 + 1) / 3)
    assert found.structures[0].areas[1] == (8 * 20 * 0.25, 4 * 20 * 0.25)
    assert (row["area_unit"], row["hd95_unit"]) == ("mm²", "mm")
    assert row["bias"]["value"] == pytest.approx((0 + 20 + 0) / 3)
    assert row["icc"]["value"] < 1


def test_equal_readers_agree_wholly(tmp_path: Path) -> None:
    first, second = reader(tmp_path / "a", [10, 8, 6], spacing=None), reader(tmp_path / "b", [10, 8, 6], spacing=None)
    (row,) = summary(compare_sessions(first, second))["rows"]
    assert (row["dice"], row["hd95"], row["icc"]["value"], row["bias"]["value"]) == (1.0, 0.0, 1.0, 0.0)
    assert row["area_unit"] == "px²"


def test_images_on_which_both_have_nothing_do_not_make_outlines_agree_better(tmp_path: Path) -> None:
    few = compare_sessions(reader(tmp_path / "a", [10, 8, 6]), reader(tmp_path / "b", [9, 4, 6]))
    many = compare_sessions(reader(tmp_path / "c", [10, 8, 6, 0, 0]), reader(tmp_path / "d", [9, 4, 6, 0, 0]))
    row, same = summary(few)["rows"][0], summary(many)["rows"][0]
    assert (row["n"], row["in_neither"]) == (3, 0)
    assert same == row | {"in_neither": 2}
    write_agreement(many, tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out" / "agreement.csv").read_text(encoding="utf-8").splitlines()))
    assert [one["dice"] for one in rows[3:]] == ["", ""]


def test_a_structure_that_nobody_has_outlined_has_no_figures(tmp_path: Path) -> None:
    found = compare_sessions(reader(tmp_path / "a", [0, 0]), reader(tmp_path / "b", [0, 0]))
    (row,) = summary(found)["rows"]
    assert (row["n"], row["in_neither"], row["dice"], row["hd95"], row["icc"]) == (0, 2, None, None, None)
    write_agreement(found, tmp_path / "out")


def told_of(folder: Path, heights: list[int], since: int) -> Path:
    """A reader of bars whose list has had a nerve since that frame: a line on all of them, where it was asked for."""
    store = Store.open(reader(folder, heights))
    store.save_structures([Structure(1, "Rectus femoris"), Structure(2, "nerve\rvagus")])
    for at, height in enumerate(heights):
        labels, values = bar(height), (1, 2) if at >= since else (1,)
        labels[-1, : 2 if 2 in values else 0] = 2
        origins = dict.fromkeys(values, MaskOrigin.DRAWN)
        store.save_annotation(Annotation(f"f{at}", labels, origins, dict.fromkeys(values, 1.0), 1.0, ""))
    store.close()
    return folder


def test_frames_accepted_before_a_structure_was_in_the_list_say_nothing_of_it(tmp_path: Path) -> None:
    first, second = told_of(tmp_path / "a", [10, 8, 6, 4], 2), told_of(tmp_path / "b", [10, 8, 6, 4], 0)
    found = compare_sessions(first, second)
    belly, nerve = summary(found)["rows"]
    assert (belly["n"], belly["not_asked"]) == (4, 0)
    assert (nerve["n"], nerve["not_asked"], nerve["in_one_only"], nerve["dice"], nerve["hd95"]) == (2, 2, 0, 1.0, 0.0)
    begin_adjudication(first, second, found, tmp_path / "third")
    assert [frame.id for frame in Store.read(tmp_path / "third").frames] == ["f0", "f1", "f2", "f3"]
    write_agreement(found, tmp_path / "out")
    with (tmp_path / "out" / "agreement.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["frame"] for row in rows if row["structure"] == "nerve\rvagus"] == ["scan2", "scan3"]
    assert len(rows) == 6


def test_a_structure_that_a_reader_was_never_asked_for_has_no_figures(tmp_path: Path) -> None:
    first, second = told_of(tmp_path / "a", [10, 8], 2), told_of(tmp_path / "b", [10, 8], 0)
    found = compare_sessions(first, second)
    belly, nerve = summary(found)["rows"]
    assert (belly["n"], nerve["n"], nerve["not_asked"], nerve["dice"], nerve["bias"]) == (2, 0, 2, None, None)
    begin_adjudication(first, second, found, tmp_path / "third")
    write_agreement(found, tmp_path / "out")


def test_too_few_frames_have_no_icc(tmp_path: Path) -> None:
    (row,) = summary(compare_sessions(reader(tmp_path / "a", [10]), reader(tmp_path / "b", [8])))["rows"]
    assert row["icc"] is None
    assert row["bias"] is None


def test_distances_in_mm_and_in_px_have_no_mean(tmp_path: Path) -> None:
    for name, heights in (("a", [10, 8, 0]), ("b", [9, 4, 0])):
        store = Store.open(reader(tmp_path / name, heights))
        store.save_frames([Frame("f1", "/scans/1.png", 0, *SHAPE, "scan1", None)])
        store.close()
    found = compare_sessions(tmp_path / "a", tmp_path / "b")
    (row,) = summary(found)["rows"]
    assert (row["hd95"], row["hd95_unit"], row["area_unit"]) == (None, "mixed", "px²")
    assert row["dice"] == pytest.approx((2 * 9 / 19 + 2 * 4 / 12) / 2)
    assert [(one.hd95, one.unit) for one in found.structures[0].masks[:2]] == [(0.5, "mm"), (4.0, "px")]


def test_an_image_without_the_structure_does_not_take_the_unit_away(tmp_path: Path) -> None:
    for name, heights in (("a", [10, 0]), ("b", [9, 0])):
        store = Store.open(reader(tmp_path / name, heights))
        store.save_frames([Frame("f1", "/scans/1.png", 0, *SHAPE, "scan1", None)])
        store.close()
    (row,) = summary(compare_sessions(tmp_path / "a", tmp_path / "b"))["rows"]
    assert (row["hd95"], row["hd95_unit"]) == (0.5, "mm")


def test_sessions_without_anything_in_common_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no accepted image in common"):
        compare_sessions(reader(tmp_path / "a", [10], skip=0), reader(tmp_path / "b", [10]))


def test_the_command_writes_a_table_and_a_plot(tmp_path: Path) -> None:
    first, second = reader(tmp_path / "a", [10, 8, 6]), reader(tmp_path / "b", [9, 8, 7])
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["agreement", str(first), str(second), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["rows"][0]["structure"] == "Rectus femoris"
    rows = list(csv.DictReader((out / "agreement.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["frame"] for row in rows] == ["scan0", "scan1", "scan2"]
    assert float(rows[1]["dice"]) == 1
    drawing = ElementTree.fromstring((out / "agreement.svg").read_text(encoding="utf-8"))
    assert len(drawing.findall(".//{http://www.w3.org/2000/svg}circle")) == 3


def test_a_third_session_begins_with_the_frames_that_agree_least(tmp_path: Path) -> None:
    first, second = reader(tmp_path / "a", [10, 8, 6]), reader(tmp_path / "b", [10, 2, 5])
    found = compare_sessions(first, second)
    write_agreement(found, tmp_path / "out")
    begin_adjudication(first, second, found, tmp_path / "third")
    record = Store.read(tmp_path / "third")
    assert [frame.id for frame in record.frames] == ["f1", "f2", "f0"]
    assert not record.statuses
    others = OtherReaders(record.readers).versions("f1", record.structures)
    assert [one.words for one in others] == ["first reader", "second reader"]
    assert [int((one.labels.open() > 0).sum()) for one in others] == [160, 40]
    with pytest.raises(InputError, match="already"):
        begin_adjudication(first, second, found, tmp_path / "third")


def test_a_reader_that_is_gone_has_nothing_to_show(tmp_path: Path) -> None:
    told: list[str] = []
    gone = OtherReaders((("first reader", tmp_path / "gone"),), told.append)
    assert [gone.versions(one, ()) for one in ("f0", "f1")] == [(), ()]
    assert [one.partition(":")[0] for one in told] == ["What the first reader has accepted cannot be shown"]


def test_readers_lie_beside_with_the_numbers_of_the_third_session(tmp_path: Path) -> None:
    folders = tmp_path / "a", tmp_path / "b"
    lists = (
        [Structure(1, "belly"), Structure(2, "Aponeurosis")],
        [Structure(1, "aponeurosis "), Structure(2, "fat"), Structure(3, "Belly"), Structure(4, "nerve")],
    )
    for folder, structures in zip(folders, lists, strict=True):
        store = Store.create(folder)
        store.save_structures(structures)
        store.save_frames([Frame("f0", "/scans/0.png", 0, *SHAPE, "scan0")])
        labels = np.zeros(SHAPE, np.uint8)
        for one in structures:
            labels[one.value] = one.value
        store.save_annotation(Annotation("f0", labels, {}, {}, 1.0, ""))
        store.close()
    begin_adjudication(*folders, compare_sessions(*folders), tmp_path / "third")
    record = Store.read(tmp_path / "third")
    assert {one.value: one.name for one in record.structures} == {1: "belly", 2: "Aponeurosis", 3: "fat", 4: "nerve"}
    first, second = OtherReaders(record.readers).versions("f0", record.structures)
    assert list(first.labels.open()[:5, 0]) == [0, 1, 2, 0, 0]
    assert list(second.labels.open()[:5, 0]) == [0, 2, 3, 1, 4]
    renamed = [record.structures[0].renamed("rectus femoris"), *record.structures[1:2]]
    _, second = OtherReaders(record.readers).versions("f0", renamed)
    assert list(second.labels.open()[:5, 0]) == [0, 2, 0, 0, 0]
