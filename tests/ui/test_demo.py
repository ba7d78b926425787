"""The demo's script in a real window, on fakes: every step of the main job, its pictures and its figures."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import QPoint

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.ui.demo import DemoPlan, DemoScript, run_demo
from napari_adasam.ui.director import Director, Wait
from napari_adasam.ui.dock import AdasamDock

from real_mouse import RealMouse  # isort: skip
from window_fakes import BRIGHT, CountingTrainer, draw_small, picture, wait_idle  # isort: skip


def play(script: Iterator[Wait], qtbot: Any) -> Director:
    """Run a script to its end."""
    director = Director(script, lambda: None)
    director.timer.start()
    qtbot.wait_until(lambda: director.ended, timeout=300_000)
    return director


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DemoPlan:
    monkeypatch.setattr("napari_adasam.ui.demo.draw_samples", draw_small)
    (tmp_path / "demo").mkdir()
    return DemoPlan(tmp_path / "demo", headless=True, accepted=2, waiting=1, unseen=2)


def pixels_of(path: Path) -> np.ndarray[Any, Any]:
    """(height, width, 3) uint8."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def canvas_area(dock: AdasamDock) -> tuple[slice, slice]:
    """Where in a picture of the window the canvas is."""
    canvas = RealMouse(dock).canvas
    corner = canvas.mapTo(dock.window(), QPoint(0, 0))
    return slice(corner.y(), corner.y() + canvas.height()), slice(corner.x(), corner.x() + canvas.width())


def assert_drawn(pixels: np.ndarray[Any, Any]) -> None:
    """Not blank: of many brightnesses, and not nearly all of one."""
    _, counts = np.unique(pixels.max(axis=-1), return_counts=True)
    assert len(counts) > 20
    assert counts.max() < 0.99 * counts.sum()


def test_the_whole_job_is_done_and_told(
    make_dock: Callable[..., AdasamDock], trainer: CountingTrainer, plan: DemoPlan, qtbot: Any
) -> None:
    trainer.seconds = 0.15  # long enough to be clicked in
    dock = make_dock(show=True)
    dock.annotator.set_structures(MUSCLE_PRESET)
    told: list[tuple[int, int, str]] = []
    script = DemoScript(plan, dock, lambda *event: told.append(event))
    assert play(script.steps(), qtbot).error is None
    report = json.loads(json.dumps(script.log.report(plan)))
    assert [what for _, _, what in told][:2] == ["open", "suggest, unseen images"]
    assert (report["round"]["labelled"], report["round"]["unlabelled"]) == (2, 1)
    for key in ("dice_unseen_before", "dice_unseen_after"):
        assert set(report[key]) == {"muscle belly", "aponeurosis", "mean"}
    assert [row["part"] for row in report["frames"]] == ["learned from", "learned from", "after learning"]
    for row in report["frames"]:
        assert row["dice_suggested"]["muscle belly"] < 0.85
        assert row["dice_accepted"]["muscle belly"] > 0.9
        assert row["clicks"] + row["strokes"] > 0
    assert report["messages"] == ["No other image is left to be done: 3 of 5 accepted."]
    with (plan.out / "measurements.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    areas = [row for row in rows if "area" in row.values()]
    assert areas
    assert {row["unit"] for row in areas} == {"mm²"}
    assert len(list((plan.out / "masks").glob("*.png"))) == 3
    shots = [pixels_of(plan.out / name) for name in report["screenshots"]]
    assert len(shots) == 7
    for pixels in shots:
        assert min(pixels.shape[:2]) > 300
        assert_drawn(pixels[canvas_area(dock)])
        assert_drawn(pixels[:, canvas_area(dock)[1].stop :])  # the dock beside it
    for one, other in pairwise(shots[:3]):  # maps, suggestion, corrected
        assert np.abs(one.astype(int) - other).max() > 50
    times = report["window_ms"]
    assert times["gap_still"]["n"] > 50
    assert 0 < times["gap_learning"]["p50"] <= times["gap_learning"]["p99"] <= times["gap_learning"]["max"]
    assert 1 <= times["click_learning"]["n"] <= 5
    session = dock.annotator.session
    statuses = [session.status(frame.id) for frame in session.frames]
    assert statuses == [FrameStatus.ACCEPTED] * 3 + [FrameStatus.SKIPPED] * 2  # unseen: never accepted


def test_the_picture_of_the_maps_shows_maps(
    make_dock: Callable[..., AdasamDock], images: Path, plan: DemoPlan, qtbot: Any
) -> None:
    dock = make_dock(show=True)
    dock.annotator.set_structures(MUSCLE_PRESET)
    dock.open([images])
    wait_idle(dock, qtbot)
    script = DemoScript(plan, dock, lambda *event: None)
    assert play(script._picture_of_maps(), qtbot).error is None
    dock.commander.run("maps")
    dock.commander.run("masks")
    assert play(script._picture("without"), qtbot).error is None
    shots = [plan.out / name for name in script.log.screenshots]
    assert [path.stem for path in shots] == ["1_maps", "without"]
    with_maps, without = (pixels_of(path)[canvas_area(dock)].astype(int) for path in shots)
    grey = np.ptp(without, axis=-1)
    assert grey.max() <= 2  # neither maps, nor boxes, nor outlines
    tinted = np.abs(with_maps - without).max(axis=-1) > 20
    image = without.max(axis=-1) > 10
    bright = (picture() >= BRIGHT).mean() * image.sum()
    assert tinted.sum() > 0.5 * bright  # an area, not the lines of a box


def test_a_script_that_fails_ends_with_its_error(qtbot: Any) -> None:
    def failing() -> Iterator[Wait]:
        yield Wait(lambda: True, "nothing")
        raise AdasamError("The model could not be loaded.")

    director = play(failing(), qtbot)
    assert isinstance(director.error, AdasamError)
    assert not director.timer.isActive()


def test_a_script_waits(qtbot: Any) -> None:
    there: list[int] = []
    order: list[str] = []

    def waiting() -> Iterator[Wait]:
        yield Wait(lambda: bool(there), "something")
        order.append("after")

    director = Director(waiting(), lambda: order.append("end"))
    director.timer.start()
    qtbot.wait(100)
    assert order == []
    there.append(1)
    qtbot.wait_until(lambda: director.ended)
    assert order == ["after", "end"]


def test_a_folder_that_cannot_be_made_is_said_before_a_window_opens(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AdasamError):
        run_demo(DemoPlan(tmp_path / "file" / "out", headless=True), lambda *event: None)
