"""The benchmark: its script in a real window on fakes, its places for training, and the whole command."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.evaluation.lane_work import READY, Done
from napari_adasam.evaluation.speed import SpeedPlan
from napari_adasam.ui import lanes
from napari_adasam.ui.director import Director
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.pulse import Painting
from napari_adasam.ui.speed_script import SpeedScript

from window_fakes import CountingTrainer, picture  # isort: skip

IN_THE_WINDOW = {
    "first_mask_ms",
    "frame_next_ms",
    "click_idle_ms",
    "click_training_ms",
    "gap_still_idle_ms",
    "gap_still_training_ms",
    "gap_moving_idle_ms",
    "gap_moving_training_ms",
    "round_s",
    "cancel_ms",
    "memory_mb",
}
ELSEWHERE = {
    "open_dock_ms",
    "first_suggestion_ms",
    "start_to_suggestion_ms",
    "gap_first_image_ms",
    "encode_ms",
    "encode_1024_ms",
    "encode_ratio",
}
TESTS = Path(__file__).parents[1]
COMMAND = """
import sys
sys.path.insert(0, {model!r})
from napari_adasam import cli
from napari_adasam.services.torch_start import keep_triton_out
keep_triton_out()
import tiny
from napari_adasam.model import registry
registry.load = lambda settings: tiny.tiny_net((tiny.BELLY, tiny.APONEUROSIS), size=settings.input_size or tiny.SIZE)
registry.fingerprint_of_base = lambda settings, own: own
sys.argv = ["napari-adasam", "benchmark", "--quick", "--images", {images!r}, "--json", {out!r}]
cli.main()
"""


def assert_sane(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert 0 <= row["p50"] <= row["p95"] <= row["p99"] <= row["max"], row
        assert row["n"] > 0


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Six images of 60 × 80 pixels."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(6):
        Image.fromarray(picture(shift=number)).save(folder / f"scan_{number}.png")
    return sorted(folder.iterdir())


def play(script: SpeedScript, qtbot: Any) -> None:
    director = Director(script.steps(), lambda: None)
    director.timer.start()
    qtbot.wait_until(lambda: director.ended, timeout=900_000)
    script.close()
    if director.error is not None:
        raise director.error


def test_everything_in_the_window_is_measured(
    make_dock: Callable[..., AdasamDock], trainer: CountingTrainer, paths: list[Path], qtbot: Any
) -> None:
    trainer.seconds = 0.4  # a round that is long enough to be clicked in
    dock = make_dock(show=True)
    dock.annotator.set_structures(MUSCLE_PRESET)
    script = SpeedScript(SpeedPlan().quick(), dock, paths, lambda *event: None)
    play(script, qtbot)
    rows = {row["what"]: row for row in script.figures.rows()}
    assert set(rows) == IN_THE_WINDOW
    assert_sane(list(rows.values()))
    assert rows["first_mask_ms"]["n"] == 3  # the first one was there when all was opened, and two after it
    assert rows["frame_next_ms"]["n"] == 6
    assert rows["click_idle_ms"]["n"] == 3
    assert rows["round_s"]["p50"] >= 4.0
    assert rows["cancel_ms"]["p50"] < 2500  # the rest of the round would take longer
    assert len(dock.annotator.reports) == 2  # the cancelled round has none
    assert not dock.annotator.busy


def test_a_round_that_cannot_start_is_a_sentence(
    make_dock: Callable[..., AdasamDock], trainer: CountingTrainer, paths: list[Path], qtbot: Any
) -> None:
    script = SpeedScript(SpeedPlan(watch_s=0.1, clicks=1, accepted=0), make_dock(show=True), paths, lambda *event: None)
    with pytest.raises(AdasamError, match="No round could be started"):
        play(script, qtbot)


def test_what_is_drawn_is_told_after_it_is_ready(make_dock: Callable[..., AdasamDock], qtbot: Any) -> None:
    make_dock(show=True)
    qtbot.wait(50)
    there: list[int] = []
    painting = Painting()
    painting.watch(lambda: bool(there))
    assert not painting.done()
    qtbot.wait(50)
    assert painting.at == 0.0
    there.append(1)
    before = time.perf_counter()
    qtbot.wait_until(painting.done)  # asks for a drawing by itself: nothing else has changed
    assert before < painting.at <= time.perf_counter()
    painting.close()


def pieces(steps: int, model: str) -> Iterator[Done]:
    """A hundredth of a second each."""
    for what in (READY, "encode", *["step"] * steps):
        began = time.time()
        time.sleep(0.01)
        yield Done(what, began, time.time())


def failing(steps: int, model: str) -> Iterator[Done]:
    yield Done(READY, 0.0, 0.0)
    raise AdasamError("It went astray.")


def test_each_place_has_its_rows(
    make_dock: Callable[..., AdasamDock], paths: list[Path], qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "work", pieces)
    monkeypatch.setattr(lanes, "in_a_process", pieces)
    script = lanes.LaneScript(SpeedPlan(watch_s=0.2, lane_steps=20), make_dock(show=True), paths, lambda *event: None)
    play(script, qtbot)
    rows = {row["what"]: row for row in script.figures.rows() if row["what"].startswith("lane_")}
    ends = ("gap_ms", "encode_ms", "step_ms", "throughput_ratio")
    expected = {f"lane_{place}_{view}_{end}" for place in lanes.PLACES for view in lanes.VIEWS for end in ends}
    assert set(rows) == expected | {f"lane_nowhere_{view}_gap_ms" for view in lanes.VIEWS}
    assert_sane(list(rows.values()))
    for place in lanes.PLACES:
        assert rows[f"lane_{place}_still_step_ms"]["n"] == 20
        assert rows[f"lane_{place}_still_step_ms"]["p50"] >= 10
    assert rows["lane_inline_still_throughput_ratio"]["p50"] == 1


@pytest.mark.parametrize("place", ["inline", "thread", "process"])
def test_a_place_that_fails_says_so(place: lanes.Place, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "work", failing)
    monkeypatch.setattr(lanes, "in_a_process", failing)
    run = lanes.LaneRun(place, 2, "none")
    qtbot.wait_until(lambda: run.is_at(READY))
    run.begin()
    qtbot.wait_until(lambda: run.ended)
    assert isinstance(run.error, AdasamError)
    run.close()


def test_the_command_writes_every_row(paths: list[Path], tmp_path: Path) -> None:
    """The whole command in a process of its own, with a tiny model; only the dock opened anew has the bundled one."""
    out = tmp_path / "speed.json"
    code = COMMAND.format(model=str(TESTS / "model"), images=str(paths[0].parent), out=str(out))
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert said == json.loads(out.read_text(encoding="utf-8"))
    assert {row["what"] for row in said["rows"]} == IN_THE_WINDOW | ELSEWHERE
    assert set(said["rows"][0]) == {"what", "p50", "p95", "p99", "max", "n"}
    assert_sane(said["rows"])
    assert said["device"] == "cpu"
    assert said["versions"]["napari"]
