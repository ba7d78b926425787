"""Scale and sector by hand through the annotator: set, refused, taken back, kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from annotator_fakes import FULL, HEIGHT, WIDTH, Desk, full_disk, make_desk
from PIL import Image

from napari_adasam.domain.calibration import Ruler
from napari_adasam.domain.records import Spacing
from napari_adasam.domain.settings import LearnSettings, Settings
from napari_adasam.files.store import Store
from napari_adasam.services.regions import Regions

RULER = Ruler((5.0, 10.0), (5.0, 50.0), 10.0)
SPACING = Spacing(0.25, 0.25, "by hand")
CORNERS = [(5.0, 6.0), (30.0, 50.0)]


def spacings(desk: Desk) -> list[Spacing | None]:
    return [frame.spacing for frame in desk.session.frames]


def test_a_scale_for_one_image_or_for_all_like_it(desk: Desk) -> None:
    assert desk.annotator.set_scale(RULER)
    assert spacings(desk) == [SPACING, None, None, None]
    assert desk.annotator.set_scale(RULER, folder=True)
    assert spacings(desk) == [SPACING] * 4


def test_undo_and_redo_take_the_whole_folder_and_keep_the_order_of_things(desk: Desk) -> None:
    desk.annotator.set_scale(RULER, folder=True)
    mask = desk.labels().copy()
    desk.annotator.stroke(np.where(np.arange(HEIGHT)[:, None] < 3, 1, mask).astype(np.uint8))
    assert desk.annotator.undo()
    assert spacings(desk) == [SPACING] * 4
    np.testing.assert_array_equal(desk.labels(), mask)
    assert desk.annotator.undo()
    assert spacings(desk) == [None] * 4
    assert desk.annotator.redo()
    assert spacings(desk) == [SPACING] * 4
    assert desk.annotator.redo()
    assert not np.array_equal(desk.labels(), mask)


def test_a_bad_line_is_a_sentence_and_changes_nothing(desk: Desk) -> None:
    assert not desk.annotator.set_scale(Ruler((0.0, 0.0), (1.0, 1.0), 10.0))
    assert "too short" in desk.problems[-1]
    assert spacings(desk) == [None] * 4


def test_a_scale_of_the_file_is_replaced_only_when_that_is_confirmed(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "own.tif"
    tifffile.imwrite(path, np.zeros((40, 60), np.uint8), imagej=True, resolution=(2.0, 2.0), metadata={"unit": "mm"})
    desk.annotator.open([path])
    own = desk.session.frames[-1]
    desk.annotator.go_to(own.id)
    assert "scale of its own" in desk.annotator.objection(own.id)
    assert not desk.annotator.set_scale(RULER)
    assert "confirm" in desk.problems[-1]
    assert desk.session.frame(own.id).spacing == own.spacing
    assert desk.annotator.set_scale(RULER, confirmed=True)
    assert desk.session.frame(own.id).spacing == SPACING
    desk.annotator.own_scale()
    assert desk.session.frame(own.id).spacing == own.spacing


def test_scale_and_sector_are_kept_and_used_for_areas(desk: Desk, tmp_path: Path) -> None:
    assert desk.annotator.save_as(tmp_path / "session")
    desk.annotator.set_scale(RULER, folder=True)
    assert desk.annotator.draw_sector(CORNERS)
    first, wanted = desk.current, desk.annotator.sector(desk.current)
    desk.accept()
    desk.annotator.export(tmp_path / "out", ["csv"])
    assert "mm²" in next((tmp_path / "out").rglob("measurements.csv")).read_text()
    desk.annotator.close()
    again = make_desk(Settings(learn=LearnSettings(every=0)), desk.session.structures)
    assert again.annotator.open([tmp_path / "session"]) == []
    assert spacings(again) == [SPACING] * 4
    assert again.annotator.sector(first) == wanted
    again.annotator.close()


def test_what_was_set_before_there_was_a_folder_is_kept_too(desk: Desk, tmp_path: Path) -> None:
    desk.annotator.set_scale(RULER)
    assert desk.annotator.save_as(tmp_path / "session")
    assert Store.read(tmp_path / "session").setups[desk.current].scale == SPACING


def test_a_full_disk_changes_nothing(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert desk.annotator.save_as(tmp_path / "session")
    full_disk(monkeypatch, "save_setups")
    assert not desk.annotator.set_scale(RULER)
    assert desk.problems == [FULL]
    assert spacings(desk) == [None] * 4


def test_a_sector_is_found_corrected_and_switched_off(make: Callable[..., Desk], tmp_path: Path) -> None:
    picture = np.full((120, 160), 40, np.uint8)
    picture[20:100, 30:130] = np.random.default_rng(0).integers(0, 255, (80, 100), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "scan.png")
    desk = make(images=0)
    desk.annotator.open([tmp_path / "scan.png"])
    desk.settle()
    assert desk.annotator.sector(desk.current).kind == "rectangle"
    assert desk.annotator.draw_sector([*CORNERS, (80.0, 20.0)])
    assert desk.annotator.sector(desk.current).kind == "polygon"
    desk.annotator.set_sector(whole=True)
    assert desk.annotator.regions.of(desk.current, picture) is None
    desk.annotator.set_sector(whole=False)
    assert desk.annotator.sector(desk.current).source == "found"
    assert not desk.annotator.draw_sector([(1.0, 1.0), (2.0, 2.0)])


def test_regions_tell_found_from_drawn_by_their_key(desk: Desk) -> None:
    grey = np.zeros((HEIGHT, WIDTH), np.uint8)
    assert Regions().of("a", grey) is None
    desk.annotator.draw_sector(CORNERS)
    one = desk.annotator.regions.of(desk.current, grey)
    desk.annotator.draw_sector([(5.0, 6.0), (30.0, 40.0)])
    other = desk.annotator.regions.of(desk.current, grey)
    assert one is not None
    assert other is not None
    assert one.key != other.key
    assert one.mask.sum() > other.mask.sum() > 0


def test_the_scale_of_the_file_can_be_had_again_after_keeping_elsewhere(
    desk: Desk, make: Callable[..., Desk], tmp_path: Path
) -> None:
    assert desk.annotator.set_scale(RULER)
    assert desk.annotator.save_as(tmp_path / "session")
    desk.annotator.close()
    again = make(images=0)
    again.annotator.open([tmp_path / "session"])
    assert again.session.frame(again.current).spacing == SPACING
    assert again.annotator.objection(again.current) == ""
    again.annotator.own_scale()
    assert again.session.frame(again.session.frames[0].id).spacing is None


def test_a_scale_is_taken_back_where_it_was_the_last_thing_whatever_was_done_elsewhere(desk: Desk) -> None:
    here, there = (frame.id for frame in desk.session.frames[:2])
    labels = desk.labels().copy()
    labels[:3] = 1
    desk.annotator.stroke(labels)
    labels = desk.labels().copy()
    assert desk.annotator.set_scale(RULER, folder=True)
    desk.annotator.go_to(there)
    assert desk.annotator.set_scale(Ruler((0.0, 0.0), (0.0, 30.0), 20.0))
    desk.annotator.go_to(here)
    assert desk.annotator.undo()
    scales = [desk.session.setup(frame.id).scale for frame in desk.session.frames]
    assert [scale is not None for scale in scales] == [False, True, False, False]
    assert np.array_equal(desk.labels(), labels)
    assert desk.annotator.redo()
    assert desk.session.setup(here).scale == SPACING


def test_redo_brings_what_was_taken_back_last_and_no_scale_from_before(desk: Desk) -> None:
    assert desk.annotator.set_scale(RULER)
    assert desk.annotator.undo()
    labels = desk.labels().copy()
    labels[:3] = 1
    desk.annotator.stroke(labels)
    labels = desk.labels().copy()
    assert desk.annotator.undo()
    assert desk.annotator.redo()
    assert np.array_equal(desk.labels(), labels)
    assert desk.session.setup(desk.current).scale is None
