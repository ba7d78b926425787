"""Exports of a session at work, on the lane; and of a saved session, without the model."""

from __future__ import annotations

import csv
import errno
import json
import stat
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from annotator_fakes import Desk, make_desk, run_round
from dicom_pictures import picture, region
from dicom_pictures import saved as dicom
from export_samples import us_dicom
from PIL import Image

from napari_adasam.domain.calibration import FrameSetup
from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.domain.packing import PackedLabels
from napari_adasam.domain.propagation import Propagated, PropagatedMasks, outline_of
from napari_adasam.domain.records import Annotation, Draft, FrameStatus, MaskOrigin, Spacing
from napari_adasam.domain.rounds import RoundReport
from napari_adasam.domain.sector import Sector, rectangle, whole_picture
from napari_adasam.domain.settings import Settings
from napari_adasam.domain.structures import MUSCLE_PRESET, Structure
from napari_adasam.files.exports import ExportReport, Extras
from napari_adasam.files.exports import plan as plan_module
from napari_adasam.files.exports.naming import KEY_FILE, KEY_NOT_KEPT, read_key
from napari_adasam.files.readers import open_file
from napari_adasam.files.store import Store
from napari_adasam.services.agreeing import compare_sessions
from napari_adasam.services.exporting import NOT_KEPT, ExportOrder
from napari_adasam.services.session_export import SessionExport, export_session

PSEUDONYMS = SessionExport(("png",), deidentify=True)


def reports_of(desk: Desk) -> list[ExportReport]:
    found: list[ExportReport] = []
    desk.annotator.exported.connect(found.append, unique=False)
    desk.keep = found  # type: ignore[attr-defined]  # a weak reference would let it go
    return found


def hold_exports(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Exports wait before their first file until the event is set."""
    gate, real = threading.Event(), plan_module.output_names

    def waiting(*arguments: object) -> object:
        assert gate.wait(10)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(plan_module, "output_names", waiting)
    return gate


def test_an_export_runs_beside_the_work_and_shows_how_far_it_is(desk: Desk, tmp_path: Path) -> None:
    desk.accept(3)
    desk.settle()
    desk.activities.clear()
    reports = reports_of(desk)
    assert desk.annotator.start_export(ExportOrder(tmp_path / "out", ("png", "csv")))
    assert not (tmp_path / "out").exists()
    desk.settle()
    assert [(report.frames, len(report.files)) for report in reports] == [(3, 5)]
    texts = [activity.text for activity in desk.activities]
    assert texts[0] == "Exporting: about to start"
    assert "Exporting: scan2" in texts
    shown = [(activity.done, activity.total) for activity in desk.activities if "scan" in activity.text]
    assert shown == [(0, 3), (1, 3), (2, 3)]
    assert all(activity.cancellable for activity in desk.activities[:-1])
    assert texts[-1].startswith("Ready")


def test_what_is_exported_is_the_session_at_the_start(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = desk.current
    desk.accept()
    labels = desk.session.annotations[first].labels
    gate = hold_exports(monkeypatch)
    assert desk.annotator.start_export(ExportOrder(tmp_path / "out", ("png",)))
    desk.annotator.go_to(first)
    desk.annotator.clear_structure(1)
    gate.set()
    desk.settle()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "masks" / "scan1.png")), labels)


def test_an_export_can_be_stopped_and_a_second_one_waits(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.accept(2)
    desk.settle()
    gate = hold_exports(monkeypatch)
    order = ExportOrder(tmp_path / "out", ("png",))
    assert desk.annotator.start_export(order)
    assert "under way" in desk.annotator.why_not("export")
    assert not desk.annotator.start_export(order)
    assert "under way" in desk.problems[-1]
    desk.annotator.cancel()
    gate.set()
    desk.settle()
    assert "The export was stopped" in desk.problems[-1]
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert desk.annotator.why_not("export") == ""


def test_a_failure_is_a_sentence_and_the_work_goes_on(desk: Desk, tmp_path: Path) -> None:
    desk.accept()
    (tmp_path / "file").touch()
    assert desk.annotator.start_export(ExportOrder(tmp_path / "file" / "out"))
    desk.settle()
    assert "could not be written" in desk.problems[-1]
    assert "Nothing was exported" in desk.problems[-1]
    assert desk.annotator.accept()


def test_an_export_goes_before_learning(desk: Desk, tmp_path: Path) -> None:
    desk.accept(2)
    desk.settle()
    reports = reports_of(desk)
    done_at: list[int] = []
    sent = threading.Event()

    def step(number: int) -> None:
        assert sent.wait(10)
        done_at.append(int((tmp_path / "out" / "provenance.json").exists()))

    desk.trainer.steps, desk.trainer.before_step = 20, step
    desk.annotator.start_round()
    assert desk.annotator.start_export(ExportOrder(tmp_path / "out"))
    sent.set()
    desk.settle()
    assert len(reports) == 1
    assert done_at[-1] == 1
    assert sum(done_at) > 10
    assert any("learning waits" in activity.text for activity in desk.activities)


def test_only_the_chosen_frame(desk: Desk, tmp_path: Path) -> None:
    first = desk.current
    desk.accept(3)
    desk.settle()
    reports = reports_of(desk)
    desk.annotator.start_export(ExportOrder(tmp_path / "out", ("png",), (first,)))
    desk.settle()
    assert [path.name for path in reports[0].files] == ["scan1.png", "provenance.json"]


def test_pseudonyms_stay_with_the_session(desk: Desk, tmp_path: Path) -> None:
    desk.accept(2)
    order = ExportOrder(tmp_path / "out", ("png",), deidentify=True)
    assert any("The session is not saved" in sentence for sentence in desk.annotator.export_losses(order))
    assert desk.annotator.save_as(tmp_path / "session")
    assert not any("is not saved" in sentence for sentence in desk.annotator.export_losses(order))
    first = [path.name for path in desk.annotator.export(tmp_path / "one", ("png",), deidentify=True)]
    assert not any("scan" in name for name in first)
    desk.annotator.close()
    report = export_session(tmp_path / "session", tmp_path / "two", SessionExport(("png",), deidentify=True))
    assert [path.name for path in report.files] == first
    key = tmp_path / "session" / KEY_FILE
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_text() not in "".join(path.read_text("latin-1") for path in report.files)


def test_pseudonyms_go_along_where_the_session_is_kept_in_another_folder(desk: Desk, tmp_path: Path) -> None:
    desk.accept(2)
    assert desk.annotator.save_as(tmp_path / "session")
    first = [path.name for path in desk.annotator.export(tmp_path / "one", ("png",), deidentify=True)]
    assert desk.annotator.save_as(tmp_path / "elsewhere")
    assert [path.name for path in desk.annotator.export(tmp_path / "two", ("png",), deidentify=True)] == first
    assert stat.S_IMODE((tmp_path / "elsewhere" / KEY_FILE).stat().st_mode) == 0o600


def test_a_damaged_key_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("not a key")
    with pytest.raises(InputError, match="is damaged, and nothing was exported"):
        read_key(tmp_path)
    (tmp_path / KEY_FILE).unlink()
    (tmp_path / KEY_FILE).mkdir()
    with pytest.raises(StorageError, match="cannot be read"):
        read_key(tmp_path)


@pytest.fixture
def saved(make: Callable[..., Desk], tmp_path: Path) -> Path:
    """A session with two accepted frames of four and one round."""
    desk = make()
    assert desk.annotator.save_as(tmp_path / "session")
    desk.accept(2)
    run_round(desk)
    desk.annotator.close()
    return tmp_path / "session"


def test_a_saved_session_is_exported_with_what_it_knows(saved: Path, tmp_path: Path) -> None:
    told: list[str] = []
    steps: list[tuple[int, int]] = []
    report = export_session(
        saved,
        tmp_path / "out",
        SessionExport(("png", "overlay", "csv")),
        told.append,
        lambda done, total, what: steps.append((done, total)),
    )
    assert (report.frames, len(report.files)) == (2, 6)
    assert steps == [(0, 2), (1, 2), (2, 2)]
    assert any("No image has a scale" in sentence for sentence in told)
    content = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert content["model"]["lineage"] == ["v2"]
    assert content["settings"] is None
    assert [frame["name"] for frame in content["frames"]] == ["scan1", "scan2"]


@pytest.fixture
def partly_scaled(tmp_path: Path) -> Path:
    """A saved session of one DICOM picture, half of it tissue; structure 1 in that half, structure 2 beside it."""
    grey = np.random.default_rng(0).integers(0, 1000, (80, 90), np.uint16)
    linear = region(RegionLocationMaxX1=89, RegionLocationMaxY1=49)
    (frame,) = open_file(
        dicom(tmp_path / "exam.dcm", picture(grey, BitsStored=12, HighBit=11, SequenceOfUltrasoundRegions=[linear]))
    ).frames
    labels = np.zeros(grey.shape, np.uint8)
    labels[10:20, 10:20], labels[60:70, 10:20] = 1, 2
    store = Store.create(tmp_path / "session")
    store.save_frames([frame])
    store.save_structures((Structure(1, "above"), Structure(2, "below")))
    store.save_annotation(Annotation(frame.id, labels, {1: MaskOrigin.DRAWN, 2: MaskOrigin.DRAWN}, {}, 2.0, ""))
    store.close()
    return tmp_path / "session"


def areas(table: Path) -> dict[str, tuple[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["measure"] == "area"]
    return {row["structure"]: (row["unit"], row["scale_source"]) for row in rows}


def test_beyond_the_region_of_its_scale_a_saved_session_has_no_millimetres(partly_scaled: Path, tmp_path: Path) -> None:
    export_session(partly_scaled, tmp_path / "out", SessionExport(("csv",)))
    sound = {"above": ("mm²", "DICOM region"), "below": ("px²", "none")}
    assert areas(tmp_path / "out" / "measurements.csv") == sound
    (tmp_path / "exam.dcm").unlink()
    export_session(partly_scaled, tmp_path / "gone", SessionExport(("csv",)))
    assert areas(tmp_path / "gone" / "measurements.csv") == {"above": ("px²", "none"), "below": ("px²", "none")}


def test_echo_intensity_is_of_the_values_in_the_file_not_of_those_on_the_screen(tmp_path: Path) -> None:
    values = np.full((30, 20), 100, np.float32)
    values[0, 0] = 255  # the screen shows all from the smallest to the greatest
    tifffile.imwrite(tmp_path / "scan.tif", values)
    (frame,) = open_file(tmp_path / "scan.tif").frames
    labels = np.zeros((30, 20), np.uint8)
    labels[10:20, 5:15] = 1
    store = Store.create(tmp_path / "session")
    store.save_frames([frame])
    store.save_structures((Structure(1, "tissue"),))
    store.save_annotation(Annotation(frame.id, labels, {1: MaskOrigin.DRAWN}, {}, 2.0, ""))
    store.close()
    export_session(tmp_path / "session", tmp_path / "out", SessionExport(("csv", "overlay")))
    with (tmp_path / "out" / "measurements.csv").open(newline="", encoding="utf-8") as file:
        (row,) = [row for row in csv.DictReader(file) if row["measure"] == "echo intensity mean"]
    assert (row["value"], row["bit_depth"]) == ("100.0000", "")


def test_readers_are_compared_in_millimetres_only_where_the_scale_holds(partly_scaled: Path, tmp_path: Path) -> None:
    found = compare_sessions(partly_scaled, partly_scaled)
    assert {one.structure.name: (one.unit, one.masks[0].unit) for one in found.structures} == {
        "above": ("mm²", "mm"),
        "below": ("px²", "px"),
    }
    (tmp_path / "exam.dcm").unlink()
    assert {one.unit for one in compare_sessions(partly_scaled, partly_scaled).structures} == {"px²"}


def test_a_window_exports_a_reopened_session_in_the_same_way(
    partly_scaled: Path, make: Callable[..., Desk], tmp_path: Path
) -> None:
    desk = make(images=0)
    assert desk.annotator.open([partly_scaled]) == []
    desk.annotator.export(tmp_path / "now", ["csv"])
    assert desk.annotator.start_export(ExportOrder(tmp_path / "later", ("csv",)))
    desk.settle()
    sound = {"above": ("mm²", "DICOM region"), "below": ("px²", "none")}
    assert areas(tmp_path / "now" / "measurements.csv") == sound
    assert areas(tmp_path / "later" / "measurements.csv") == sound


def test_a_saved_session_is_measured_by_the_scale_that_was_set_by_hand(partly_scaled: Path, tmp_path: Path) -> None:
    store = Store.open(partly_scaled)
    (frame,) = Store.read(partly_scaled).frames
    store.save_setups({}, {frame.id: FrameSetup(scale=Spacing(0.2, 0.2, "by hand"))})
    store.close()
    export_session(partly_scaled, tmp_path / "out", SessionExport(("csv",)))
    by_hand = ("mm²", "by hand")
    assert areas(tmp_path / "out" / "measurements.csv") == {"above": by_hand, "below": by_hand}
    compared = compare_sessions(partly_scaled, partly_scaled).structures
    assert {one.structure.name: (one.unit, one.masks[0].unit) for one in compared} == {
        "above": ("mm²", "mm"),
        "below": ("mm²", "mm"),
    }


def test_of_a_saved_session_propagated_outlines_count_only_as_they_came(tmp_path: Path) -> None:
    """Frame 2 is in work since, and frame 3 was left out."""
    clip = us_dicom(tmp_path / "cine.dcm", 5, FrameTime=40)
    labels = np.zeros((40, 30), np.uint8)
    labels[10:20, 3:27] = 1
    drawn = {1: MaskOrigin.DRAWN, 2: MaskOrigin.ABSENT}
    own = [Annotation(frame.id, labels, drawn, {}, 1.0, "") for frame in clip.frames]
    store = Store.create(tmp_path / "session")
    store.save_frames(clip.frames)
    store.save_structures(MUSCLE_PRESET)
    store.save_annotation(own[0])
    for frame in clip.frames[1:]:
        how = Propagated(own[0].frame_id, outline_of(labels), 0.9)
        store.save_propagated(PropagatedMasks(frame.id, PackedLabels.of(labels), how, (1,), "m1"))
    store.save_draft(Draft(own[2], frozenset({1})))
    store.save_status(own[3].frame_id, FrameStatus.SKIPPED)
    store.close()
    export_session(tmp_path / "session", tmp_path / "out", SessionExport(("csv",)))
    with (tmp_path / "out" / "stacks.csv").open(newline="", encoding="utf-8") as file:
        curve = [(row["frame"], row["counted"]) for row in csv.DictReader(file) if row["measure"] == "thickness mean"]
    assert curve == [("cine_0000", "accepted"), ("cine_0001", "propagated"), ("cine_0004", "propagated")]


def test_a_saved_session_says_which_models_served_and_not_which_were_refused(saved: Path, tmp_path: Path) -> None:
    before = len(Store.read(saved).rounds)
    store = Store.open(saved)
    for number, accepted in enumerate((True, False), start=before + 1):
        model = f"m{number}" if accepted else "refused"
        store.save_round(RoundReport(number, 3, 0, 1, {1: 0.8}, {1: 0.7}, accepted, "", 1.0, model))
    store.close()
    export_session(saved, tmp_path / "out", SessionExport(("png",)))
    model = json.loads((tmp_path / "out" / "provenance.json").read_text(encoding="utf-8"))["model"]
    assert model["fingerprint"] == model["lineage"][-1] == f"m{before + 1}"
    assert "refused" not in model["lineage"]


def test_frames_by_name(saved: Path, tmp_path: Path) -> None:
    report = export_session(saved, tmp_path / "out", SessionExport(("png",), ("scan2",)))
    assert [path.name for path in report.files] == ["scan2.png", "provenance.json"]
    with pytest.raises(InputError, match=r'"scan3" is not accepted.* Accepted are: scan1, scan2'):
        export_session(saved, tmp_path / "other", SessionExport(("png",), ("scan3",)))
    with pytest.raises(InputError, match='"nobody" is not in this session'):
        export_session(saved, tmp_path / "other", SessionExport(("png",), ("scan1", "nobody")))
    assert not (tmp_path / "other").exists()


def test_masks_of_pictures_that_are_gone_are_exported_and_overlays_are_not(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "scans4" / "scan1.png").unlink()
    assert export_session(saved, tmp_path / "out", SessionExport()).frames == 2
    with pytest.raises(InputError, match=r"scan1\.png.*Nothing was exported"):
        export_session(saved, tmp_path / "other", SessionExport(("overlay",)))
    assert not (tmp_path / "other").exists()


def test_no_session_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no session"):
        export_session(tmp_path, tmp_path / "out", SessionExport())


INTERFACE = 200
"""Grey value of the interface around the scan."""


@pytest.fixture
def with_interface(tmp_path: Path) -> Path:
    """A saved session of one picture: speckle in an interface of one grey; structure 1 lies in both, 1000 px in all."""
    picture = np.full((120, 160), INTERFACE, np.uint8)
    picture[20:100, 30:130] = np.random.default_rng(0).integers(0, 100, (80, 100), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "scan.png")
    (frame,) = open_file(tmp_path / "scan.png").frames
    labels = np.zeros(picture.shape, np.uint8)
    labels[60:110, 40:60] = 1
    store = Store.create(tmp_path / "session")
    store.save_frames([frame])
    store.save_structures((Structure(1, "belly"),))
    store.save_annotation(Annotation(frame.id, labels, {1: MaskOrigin.DRAWN}, {}, 2.0, ""))
    store.close()
    return tmp_path / "session"


def echo(table: Path) -> tuple[float, str]:
    with table.open(newline="", encoding="utf-8") as file:
        (row,) = [row for row in csv.DictReader(file) if row["measure"] == "echo intensity mean"]
    return float(row["value"]), row["note"]


def set_sector(folder: Path, sector: Sector) -> None:
    (frame,) = Store.read(folder).frames
    store = Store.open(folder)
    store.save_setups({}, {frame.id: FrameSetup(sector=sector)})
    store.close()


def test_the_interface_does_not_enter_echo_intensity(with_interface: Path, tmp_path: Path) -> None:
    export_session(with_interface, tmp_path / "found", SessionExport(("csv",)))
    value, note = echo(tmp_path / "found" / "measurements.csv")
    assert value == pytest.approx(50, abs=3)
    assert "px outside the scan sector left out" in note
    set_sector(with_interface, rectangle(20, 30, 99, 129, "by hand"))
    export_session(with_interface, tmp_path / "drawn", SessionExport(("csv",), deidentify=True))
    assert "; 200 px outside the scan sector left out" in echo(tmp_path / "drawn" / "measurements.csv")[1]
    set_sector(with_interface, whole_picture("by hand"))
    export_session(with_interface, tmp_path / "whole", SessionExport(("csv",)))
    value, note = echo(tmp_path / "whole" / "measurements.csv")
    assert value > 70
    assert "left out" not in note


def overlay_of(folder: Path, name: str = "scan") -> np.ndarray:
    return np.asarray(Image.open(folder / "overlays" / f"{name}.png").convert("RGB"))[:120]


def test_an_overlay_may_be_black_outside_the_scan(with_interface: Path, tmp_path: Path) -> None:
    set_sector(with_interface, rectangle(20, 30, 99, 129, "by hand"))
    told: list[str] = []
    export_session(with_interface, tmp_path / "plain", SessionExport(("overlay",)), told.append)
    assert "is black" not in " ".join(told)
    black = SessionExport(("overlay",), deidentify=True, extras=Extras(blank_outside=True))
    (picture, _) = export_session(with_interface, tmp_path / "black", black, told.append).files
    assert "Overlay: what lies outside the scan sector is black" in " ".join(told)
    plain, blank = overlay_of(tmp_path / "plain"), overlay_of(tmp_path / "black", picture.stem)
    assert (plain[:20] == INTERFACE).all()
    assert not blank[:20].any()
    assert not blank[:, :30].any()
    assert np.array_equal(plain[20:100, 30:130], blank[20:100, 30:130])


def test_the_users_table_stands_behind_the_figures_even_without_names(with_interface: Path, tmp_path: Path) -> None:
    path = tmp_path / "files.csv"
    path.write_text("file,side,visit\nscan.png,left,2\n")
    for deidentify in (False, True):
        told: list[str] = []
        order = SessionExport(("csv",), deidentify=deidentify, extras=Extras(table=path))
        export_session(with_interface, tmp_path / str(deidentify), order, told.append)
        with (tmp_path / str(deidentify) / "measurements.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert {(row["side"], row["visit"]) for row in rows} == {("left", "2")}
        assert ("scan" in {row["frame"] for row in rows}) != deidentify
        assert ("its columns go out as they are" in " ".join(told)) == deidentify
    path.write_text("file,side\nother.png,left\n")
    export_session(with_interface, tmp_path / "out", SessionExport(("csv",), extras=Extras(table=path)), told.append)
    assert "files.csv has no row for 1 of 1 images." in told
    path.write_text("side\nleft\n")
    with pytest.raises(InputError, match="has no column"):
        export_session(with_interface, tmp_path / "bad", SessionExport(("csv",), extras=Extras(table=path)))
    assert not (tmp_path / "bad").exists()


def test_the_border_may_be_left_out_of_echo_intensity(partly_scaled: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="0 to 100 mm can be left out, not -1"):
        Extras(erosion_mm=-1)
    export_session(partly_scaled, tmp_path / "out", SessionExport(("csv",), extras=Extras(erosion_mm=0.2)))
    with (tmp_path / "out" / "measurements.csv").open(newline="", encoding="utf-8") as file:
        echoes = {row["structure"]: row for row in csv.DictReader(file) if row["measure"] == "echo intensity mean"}
    grey = open_file(tmp_path / "exam.dcm").read(0)
    # 10 × 10 px of 0.08 × 0.05 mm: 2 rows and 4 columns on each side are no farther than 0.2 mm from outside.
    assert float(echoes["above"]["value"]) == pytest.approx(grey[12:18, 14:16].mean(), abs=1e-3)
    assert "0.2 mm along the border left out" in echoes["above"]["note"]
    assert float(echoes["below"]["value"]) == pytest.approx(grey[60:70, 10:20].mean(), abs=1e-3)
    assert "border not left out: no scale" in echoes["below"]["note"]


def test_a_window_leaves_out_what_its_sector_leaves_out(
    with_interface: Path, make: Callable[..., Desk], tmp_path: Path
) -> None:
    set_sector(with_interface, rectangle(20, 30, 99, 129, "by hand"))
    desk = make(images=0)
    assert desk.annotator.open([with_interface]) == []
    desk.annotator.export(tmp_path / "out", ["csv"])
    assert "; 200 px outside the scan sector left out" in echo(tmp_path / "out" / "measurements.csv")[1]


def test_the_bit_depth_in_the_table_is_that_of_the_file(partly_scaled: Path, tmp_path: Path) -> None:
    export_session(partly_scaled, tmp_path / "out", SessionExport(("csv",)))
    with (tmp_path / "out" / "measurements.csv").open(newline="", encoding="utf-8") as file:
        depths = {row["bit_depth"] for row in csv.DictReader(file) if "echo" in row["measure"]}
    assert depths == {"12"}


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Make a folder one that nothing can be written into, as a share that may only be read."""

    def refuse(folder: Path) -> None:
        real = tempfile.mkstemp

        def mkstemp(**given: object) -> object:
            if given["dir"] == folder:
                raise OSError(errno.EROFS, "Read-only file system")
            return real(**given)  # type: ignore[call-overload]

        monkeypatch.setattr(tempfile, "mkstemp", mkstemp)

    return refuse


def test_a_session_that_may_only_be_read_is_exported_with_a_key_for_once(
    saved: Path, tmp_path: Path, refused: Callable[[Path], None]
) -> None:
    refused(saved)
    told: list[str] = []
    names = [
        {path.name for path in export_session(saved, tmp_path / out, PSEUDONYMS, told.append).files}
        for out in ("one", "two")
    ]
    assert names[0] & names[1] == {"provenance.json"}
    assert sum("may use other names" in sentence for sentence in told) == 2
    assert not (saved / KEY_FILE).exists()


def test_a_key_that_is_there_is_used_and_one_that_cannot_be_read_is_not_replaced(
    saved: Path, tmp_path: Path, refused: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [path.name for path in export_session(saved, tmp_path / "one", PSEUDONYMS).files]
    refused(saved)
    told: list[str] = []
    again = export_session(saved, tmp_path / "two", PSEUDONYMS, told.append)
    assert [path.name for path in again.files] == first
    assert not any("may use other names" in sentence for sentence in told)
    real = Path.read_text

    def closed(path: Path, **given: str) -> str:
        if path.name == KEY_FILE:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, **given)

    monkeypatch.setattr(Path, "read_text", closed)
    with pytest.raises(StorageError, match="cannot be read; nothing was exported"):
        export_session(saved, tmp_path / "three", PSEUDONYMS)
    assert not (tmp_path / "three").exists()


def test_a_window_says_that_pseudonyms_are_not_kept(
    desk: Desk, tmp_path: Path, refused: Callable[[Path], None]
) -> None:
    desk.accept()
    assert desk.annotator.save_as(tmp_path / "session")
    refused(tmp_path / "session")
    first = [path.name for path in desk.annotator.export(tmp_path / "one", ("png",), deidentify=True)]
    assert desk.problems[-1] == KEY_NOT_KEPT
    assert [path.name for path in desk.annotator.export(tmp_path / "two", ("png",), deidentify=True)] == first


@pytest.mark.parametrize("before", [True, False])
def test_a_window_that_only_looks_at_a_session_uses_its_key(
    desk: Desk, tmp_path: Path, refused: Callable[[Path], None], before: bool
) -> None:
    desk.accept()
    assert desk.annotator.save_as(tmp_path / "session")
    first = [one.name for one in desk.annotator.export(tmp_path / "one", ("png",), deidentify=True)] if before else []
    other = make_desk(Settings(), MUSCLE_PRESET)
    other.annotator.open([tmp_path / "session"])
    assert other.annotator.why_not("accept")
    refused(tmp_path / "session")
    other.problems.clear()
    order = ExportOrder(tmp_path / "two", ("png",), deidentify=True)
    assert NOT_KEPT not in other.annotator.export_losses(order)
    names = [one.name for one in other.annotator.export(order.folder, order.formats, deidentify=True)]
    other.annotator.close()
    assert other.problems == ([] if before else [KEY_NOT_KEPT])
    assert (names == first) == before


def test_a_session_in_memory_only_is_said_to_be_so(desk: Desk, tmp_path: Path) -> None:
    desk.accept()
    order = ExportOrder(tmp_path / "out", ("png",), deidentify=True)
    assert NOT_KEPT in desk.annotator.export_losses(order)
    assert desk.annotator.save_as(tmp_path / "session")
    assert NOT_KEPT not in desk.annotator.export_losses(order)


def test_a_window_puts_no_pseudonyms_beside_names(desk: Desk, tmp_path: Path) -> None:
    desk.accept()
    assert desk.annotator.save_as(tmp_path / "session")
    desk.annotator.export(tmp_path / "out", ("png",))
    before = sorted(tmp_path.rglob("*"))
    assert not desk.annotator.start_export(ExportOrder(tmp_path / "out", ("png",), deidentify=True))
    assert "Choose an empty folder" in desk.problems[-1]
    with pytest.raises(InputError, match="Choose an empty folder"):
        desk.annotator.export(tmp_path / "out", ("png",), deidentify=True)
    desk.settle()
    assert sorted(tmp_path.rglob("*")) == before
