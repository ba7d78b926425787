"""Clips and volumes as a whole: measured over their frames, read to be looked at, exported with what was propagated."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from annotator_fakes import HEIGHT, INSIDE, WIDTH, Desk

from napari_adasam.domain.calibration import Ruler
from napari_adasam.domain.stacks import BOTH, IN_TIME, StackReport
from napari_adasam.services import stacking, volumes
from napari_adasam.services.exporting import ExportOrder
from napari_adasam.services.session_export import SessionExport, export_session

SLICES = 6
SPACING = (0.5, 0.25, 2.0)
"""Of a voxel along i (across), j (down) and k (slices), in mm."""


def write_volume(path: Path, shape: tuple[int, ...] = (WIDTH, HEIGHT, SLICES)) -> Path:
    grey = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    image = nibabel.Nifti1Image(grey, np.diag([*SPACING, 1]))
    image.header.set_xyzt_units("mm", "sec")
    image.to_filename(path)
    return path


def write_cine(path: Path) -> Path:
    grey = np.random.default_rng(0).integers(0, 255, (SLICES, HEIGHT, WIDTH), dtype=np.uint8)
    metadata = {"axes": "TYX", "unit": "mm", "finterval": 0.04}
    tifffile.imwrite(path, grey, imagej=True, metadata=metadata, resolution=(4, 2))
    return path


@pytest.fixture
def desk(make: Callable[..., Desk], tmp_path: Path) -> Desk:
    """A volume of six slices, the first on the screen with its suggestion."""
    made = make(images=0)
    assert made.annotator.open([write_volume(tmp_path / "knee.nii.gz")]) == []
    made.settle()
    return made


def measured(desk: Desk) -> StackReport:
    found: list[StackReport] = []

    def take(file_id: str, report: StackReport) -> None:
        assert file_id == desk.session.frame(desk.current).file_id
        found.append(report)

    desk.annotator.stack_measured.connect(take)
    assert desk.annotator.measure_stack()
    desk.settle()
    desk.annotator.stack_measured.disconnect(take)
    return found[-1]


def test_accepted_slices_are_measured_and_propagated_ones_told_apart(desk: Desk) -> None:
    desk.accept()
    desk.annotator.propagate()
    desk.settle()
    muscle = [one for one in measured(desk).measures if one.structure == 1]
    assert [one.counted for one in muscle] == ["accepted", BOTH]
    assert muscle[0].volume_mm3 is None
    assert muscle[0].why == "Slice 0001 in or beside it is not accepted."
    areas = [int((desk.session.labels(one.id) == 1).sum()) for one in desk.session.frames]
    assert muscle[1].volume_mm3 == pytest.approx(sum(areas) * np.prod(SPACING))
    assert (muscle[1].measured, muscle[1].frames) == (SLICES, SLICES)


def test_what_a_person_has_in_work_does_not_count(desk: Desk) -> None:
    desk.accept()
    desk.annotator.propagate()
    desk.settle()
    desk.annotator.click(INSIDE, 1)
    desk.settle()
    desk.annotator.next_frame()
    desk.annotator.skip()
    desk.settle()
    (both,) = [one for one in measured(desk).measures if (one.structure, one.counted) == (1, BOTH)]
    assert both.measured == SLICES - 2


def test_only_what_has_changed_is_measured_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    figures_of = stacking.figures_of

    def noting(frame: object, *rest: object) -> object:
        taken.append(frame.index)  # type: ignore[attr-defined]
        return figures_of(frame, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(stacking, "figures_of", noting)
    desk.accept()
    desk.annotator.propagate()
    desk.settle()
    first = measured(desk)
    assert sorted(taken) == list(range(SLICES))
    taken.clear()
    desk.accept()  # slice 1, as it came
    second = measured(desk)
    assert taken == []
    assert [one.measured for one in second.measures if one.counted == "accepted"] == [2, 2]
    assert [one.volume_mm3 for one in second.measures if one.counted == BOTH] == [
        one.volume_mm3 for one in first.measures if one.counted == BOTH
    ]


def test_another_scale_measures_anew_what_was_measured_before(desk: Desk) -> None:
    desk.accept()
    first = measured(desk)
    desk.annotator.go_to(desk.session.frames[0].id)
    assert desk.annotator.set_scale(Ruler((5.0, 5.0), (5.0, 25.0), 20.0), confirmed=True)
    second = measured(desk)
    before, after = (one.thickness.mean for report in (first, second) for one in report.measures[:1] if one.thickness)
    assert after == pytest.approx(2 * before), "a pixel is 1 mm wide now, in place of 0.5"


def test_it_says_why_not(desk: Desk, make: Callable[..., Desk], tmp_path: Path) -> None:
    assert desk.annotator.why_not("measure_stack") == stacking.NOTHING_COUNTS
    assert not desk.annotator.measure_stack()
    single = make()
    assert single.annotator.why_not("measure_stack") == stacking.ONE_ALONE
    assert single.annotator.why_not("show_volume") == volumes.ONE_ALONE
    cine = make(images=0)
    cine.annotator.open([write_cine(tmp_path / "cine.tif")])
    cine.accept(SLICES)
    assert {one.why for one in measured(cine).measures} == {IN_TIME}
    assert cine.annotator.why_not("show_volume") == volumes.IN_TIME
    assert not cine.annotator.show_volume()
    assert cine.problems[-1] == volumes.IN_TIME


def test_a_tiff_that_says_nothing_is_not_shown_in_3d(make: Callable[..., Desk], tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 255, (SLICES, HEIGHT, WIDTH), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "plain.tif", grey, photometric="minisblack")
    desk = make(images=0)
    desk.annotator.open([tmp_path / "plain.tif"])
    assert desk.annotator.why_not("show_volume") == volumes.NOT_TOLD


def read(desk: Desk) -> volumes.Volume:
    found: list[volumes.Volume] = []
    desk.annotator.volume_read.connect(found.append)
    assert desk.annotator.show_volume()
    desk.settle()
    return found[-1]


def test_a_volume_is_read_with_accepted_and_other_outlines(desk: Desk) -> None:
    desk.accept(2)
    desk.annotator.propagate()
    desk.settle()
    volume, frames = read(desk), desk.session.frames
    for at, frame in enumerate(frames):
        assert np.array_equal(volume.grey[at], desk.annotator.pixels(frame.id))
        own, other = (volume.accepted, volume.suggested) if at < 2 else (volume.suggested, volume.accepted)
        assert np.array_equal(own[at], desk.session.labels(frame.id))
        assert own[at].any()
        assert not other[at].any()
    assert (volume.scale, volume.unit, volume.name, volume.note) == ((2.0, 0.25, 0.5), "mm", "knee", "")


def test_a_large_volume_is_shown_coarser_and_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "MOST_VOXELS", SLICES * HEIGHT * WIDTH // 3)
    volume = read(desk)
    assert volume.grey.shape == (SLICES, HEIGHT // 2, WIDTH // 2)
    assert volume.scale == (2.0, 0.5, 1.0)
    assert volume.note == "The volume is shown coarser than it is: every 2 pixels one."


def test_of_several_moments_the_one_on_the_screen_is_read(make: Callable[..., Desk], tmp_path: Path) -> None:
    desk = make(images=0)
    desk.annotator.open([write_volume(tmp_path / "beat.nii.gz", (WIDTH, HEIGHT, 3, 2))])
    desk.annotator.go_to(desk.session.frames[4].id)
    desk.settle()
    volume = read(desk)
    assert len(volume.grey) == 3
    assert np.array_equal(volume.grey[1], desk.annotator.pixels(desk.session.frames[4].id))


def test_the_window_and_the_command_export_the_same_figures(desk: Desk, tmp_path: Path) -> None:
    assert desk.annotator.save_as(tmp_path / "session")
    desk.accept()
    desk.annotator.propagate()
    desk.settle()
    desk.annotator.next_frame()
    desk.annotator.click(INSIDE, 1)  # in work: it does not count
    desk.settle()
    assert desk.annotator.start_export(ExportOrder(tmp_path / "window", ("csv",)))
    desk.settle()
    desk.annotator.export(tmp_path / "script", ("csv",))
    desk.annotator.close()
    export_session(tmp_path / "session", tmp_path / "command", SessionExport(("csv",)))
    tables = [(tmp_path / one / "stacks.csv").read_text(encoding="utf-8") for one in ("window", "script", "command")]
    assert tables[0] == tables[1] == tables[2]
    rows = list(csv.DictReader(tables[0].splitlines()))
    assert {row["measured"] for row in rows if row["counted"] == BOTH} == {str(SLICES - 1)}
    with (tmp_path / "window" / "measurements.csv").open(encoding="utf-8") as file:
        assert {row["frame"] for row in csv.DictReader(file)} == {"knee_0000"}, "accepted ones only"


def test_where_all_propagated_frames_are_in_work_nothing_counts(desk: Desk) -> None:
    desk.accept()
    desk.annotator.propagate()
    desk.settle()
    for frame in desk.session.frames[1:]:
        desk.annotator.go_to(frame.id)
        desk.annotator.click(INSIDE, 1)
        desk.settle()
    desk.annotator.go_to(desk.session.frames[0].id)
    desk.annotator.reopen()
    desk.settle()
    assert desk.annotator.why_not("measure_stack") == stacking.NOTHING_COUNTS
    assert not desk.annotator.measure_stack()


def test_a_file_that_is_gone_is_not_measured_and_spoils_no_later_figures(desk: Desk, tmp_path: Path) -> None:
    desk.accept(SLICES)
    path = tmp_path / "knee.nii.gz"
    assert desk.annotator.why_not("show_volume") == ""
    path.rename(tmp_path / "elsewhere")
    found: list[object] = []
    desk.annotator.stack_measured.connect(lambda file_id, report: found.append(report))
    assert desk.annotator.measure_stack()
    desk.settle()
    assert found == []
    assert "knee.nii.gz" in desk.problems[-1]
    (tmp_path / "elsewhere").rename(path)
    assert all(one.volume_mm3 is not None for one in measured(desk).measures)


def test_what_changes_while_it_measures_is_in_the_figures(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.accept(SLICES)
    figures_of, started = stacking.figures_of, threading.Event()
    go_on = threading.Event()

    def waiting(*given: object) -> object:
        started.set()
        assert go_on.wait(10)
        return figures_of(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(stacking, "figures_of", waiting)
    found: list[StackReport] = []
    desk.annotator.stack_measured.connect(lambda file_id, report: found.append(report))
    assert desk.annotator.measure_stack()
    assert started.wait(10)
    desk.annotator.go_to(desk.session.frames[0].id)
    desk.annotator.clear_structure(1)
    assert desk.annotator.accept()
    go_on.set()
    desk.settle()
    (muscle,) = [one for one in found[-1].measures if one.structure == 1]
    assert (muscle.measured, muscle.present) == (SLICES, SLICES - 1)


def test_3d_says_that_the_file_is_gone(desk: Desk, tmp_path: Path) -> None:
    assert desk.annotator.why_not("show_volume") == ""
    (tmp_path / "knee.nii.gz").unlink()
    assert "knee.nii.gz" in desk.annotator.why_not("show_volume")
