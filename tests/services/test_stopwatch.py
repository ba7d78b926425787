"""How fast this computer is, with a clock that stands still until it is told to go; and what is said of a round."""

from __future__ import annotations

from pathlib import Path

import pytest
from annotator_fakes import Clock, Desk
from tiny import BELLY
from toy_rounds import LET_PASS, SHORT, Serving, labelled, serving, to_the_end, unlabelled

from napari_adasam.domain.effort import ModelSize, Speeds
from napari_adasam.domain.rounds import RoundReport
from napari_adasam.services.stopwatch import Stopwatch
from napari_adasam.services.trainer import RoundTrainer

__all__ = ["serving"]  # a fixture
SIZE = ModelSize(10, 64)


def measured(watch: Stopwatch, clock: Clock, part: str, seconds: float) -> None:
    with watch.timing(part):  # type: ignore[arg-type]
        clock.now += seconds


def test_an_encoding_alone_gives_an_estimate_of_all_parts() -> None:
    clock = Clock()
    watch = Stopwatch(clock=clock)
    watch.begin("cpu", SIZE)
    assert watch.speeds is None
    measured(watch, clock, "encode", 0.5)
    assert watch.speeds == Speeds.guessed(0.5)
    measured(watch, clock, "labelled", 3.0)
    assert watch.speeds is not None
    assert (watch.speeds.encode, watch.speeds.labelled) == (0.5, 3.0)


def test_a_part_within_a_part_counts_once() -> None:
    clock = Clock()
    watch = Stopwatch(clock=clock)
    watch.begin("cpu", SIZE)
    with watch.timing("labelled"):
        clock.now += 1.0
        measured(watch, clock, "encode", 5.0)
        clock.now += 1.0
    assert watch.speeds is not None
    assert (watch.speeds.encode, watch.speeds.labelled) == (5.0, 2.0)


def test_a_step_on_a_stack_is_kept_as_one_on_a_slice() -> None:
    clock = Clock()
    watch = Stopwatch(clock=clock)
    watch.begin("cpu", SIZE)
    with watch.timing("labelled", 3):
        clock.now += 1.0
        measured(watch, clock, "encode", 5.0)
        clock.now += 2.0
    assert watch.speeds is not None
    assert (watch.speeds.encode, watch.speeds.labelled) == (5.0, 1.0)


def test_a_part_that_fails_does_not_count() -> None:
    clock = Clock()
    watch = Stopwatch(clock=clock)
    watch.begin("cpu", SIZE)
    with pytest.raises(MemoryError), watch.timing("labelled"):
        raise MemoryError
    assert watch.speeds is None


def test_later_times_move_the_speed_slowly() -> None:
    clock = Clock()
    watch = Stopwatch(clock=clock)
    watch.begin("cpu", SIZE)
    measured(watch, clock, "encode", 1.0)
    measured(watch, clock, "encode", 2.0)
    assert watch.speeds is not None
    assert watch.speeds.encode == pytest.approx(1.2)


def test_speeds_are_kept_by_model_and_device(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "cache" / "speeds.json"
    for key, seconds in (("cpu", 1.0), ("cuda", 0.1)):
        watch = Stopwatch(path, clock)
        watch.begin(key, SIZE)
        measured(watch, clock, "labelled", seconds)
        watch.keep()
    again = Stopwatch(path)
    again.begin("cpu", SIZE)
    assert again.speeds is not None
    assert again.speeds.labelled == 1.0
    again.begin("mps", SIZE)


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"cpu": 3}', b'{"cpu": {"encode": "fast"}}'])
def test_a_damaged_file_is_no_speed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "speeds.json"
    path.write_bytes(content)
    watch = Stopwatch(path)
    watch.begin("cpu", SIZE)
    assert watch.speeds is None


def test_a_round_times_all_its_parts(serving: Serving, tmp_path: Path) -> None:
    predictor = serving()
    predictor.watch.path = tmp_path / "speeds.json"
    to_the_end(RoundTrainer(predictor, SHORT, LET_PASS).round(labelled(2), unlabelled(1), (BELLY,)))
    kept = Stopwatch(predictor.watch.path)._kept()
    assert [set(row) for row in kept.values()] == [{"encode", "labelled", "unlabelled", "measured"}]
    assert predictor.watch.size is not None
    assert predictor.watch.size.view > 0


def test_before_a_round_its_time_is_estimated(desk: Desk) -> None:
    """From the speed that the first suggestions have shown; not where no round could start."""
    desk.settle()
    watch = desk.annotator.watch
    assert desk.annotator.estimate() is None
    watch.begin("cpu", SIZE)
    measured(watch, desk.clock, "encode", 0.0)
    clock = Clock()
    watch._clock = clock
    measured(watch, clock, "encode", 5.0)
    assert desk.annotator.estimate() is None, "nothing is accepted yet"
    desk.accept()
    desk.settle()
    one = desk.annotator.estimate()
    assert one is not None
    assert watch.speeds is not None
    train = desk.annotator.settings.train
    assert one.seconds > train.steps * train.batch * watch.speeds.labelled
    expected = []
    for steps in (train.steps, train.mild().steps):
        losses = (0.1,) * steps
        report = RoundReport(1, 4, 9, 2, {1: 0.8}, {1: 0.9}, True, "Better.", 12.5, "m1", losses)
        desk.annotator._learning.reports = (report,)
        expected.append(desk.annotator.estimate())
    full, mild = expected
    assert full is not None
    assert mild is not None
    assert full.seconds == one.seconds
    assert mild.seconds < one.seconds / 2, "behind a mild round a mild one is expected"
