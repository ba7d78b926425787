"""Training inline, on the lane's thread, and in a process behind the same lane: throughput, and gaps of the window."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

from qtpy.QtCore import QTimer

from napari_adasam.domain.errors import AdasamError
from napari_adasam.evaluation.lane_work import READY, Done, in_a_process, work
from napari_adasam.evaluation.speed import Figures, OnProgress, SpeedPlan, image_paths
from napari_adasam.services.lane import Job, JobKind, Lane, Outcome
from napari_adasam.ui.benchmark import played_in_window
from napari_adasam.ui.bridge import Bridge
from napari_adasam.ui.director import Script, Wait
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.pulse import Pulse
from napari_adasam.ui.speed_script import SpeedScript

Place = Literal["inline", "thread", "process"]
PLACES: tuple[Place, ...] = get_args(Place)
VIEWS = ("still", "moving")


class LaneRun:
    """One run of the work at one place. The model is loaded at once; inline, the rest waits for :meth:`begin`."""

    def __init__(self, place: Place, steps: int, model: str) -> None:
        self.done: list[Done] = []
        self.ended = False
        self.error: BaseException | None = None
        self._timer, self._bridge = QTimer(), Bridge()
        self._lane: Lane | None = None
        if place == "inline":
            self._pieces = work(steps, model)
            self._timer.timeout.connect(self._inline)
            self._timer.start(0)
            return
        self._bridge.connect_to(self._deliver)
        self._lane = Lane(self._bridge.forward)
        pieces = work if place == "thread" else in_a_process
        self._lane.submit(Job(JobKind.TRAIN, partial(_generator, pieces, steps, model)))

    def begin(self) -> None:
        """Go on after the model was loaded."""
        if self._lane is None:
            self._timer.start(0)

    def is_at(self, what: str) -> bool:
        """Whether the work has come to such a piece, or has ended."""
        return self.ended or any(one.what == what for one in self.done)

    def close(self) -> None:
        """Stop it."""
        self._timer.stop()
        self._bridge.close()
        if self._lane is not None:
            self._lane.close()

    def _inline(self) -> None:
        """One piece in the event loop itself."""
        try:
            self.done.append(next(self._pieces))
            if self.done[-1].what == READY:
                self._timer.stop()  # until begin()
        except StopIteration:
            self._end(None)
        except Exception as error:  # noqa: BLE001 - raised again by whoever waits
            self._end(error)

    def _deliver(self, outcome: Outcome) -> None:
        if isinstance(outcome.value, Done):
            self.done.append(outcome.value)
        if outcome.ended:
            self._end(outcome.error)

    def _end(self, error: BaseException | None) -> None:
        self._timer.stop()
        self.ended, self.error = True, error


def _generator(pieces: Callable[[int, str], Iterator[Done]], steps: int, model: str) -> Generator[Done, None, None]:
    yield from pieces(steps, model)


class LaneScript(SpeedScript):
    """All places, each with a still view and with frames moved through, beside the same views without training."""

    def __init__(self, plan: SpeedPlan, dock: AdasamDock, paths: list[Path], on_progress: OnProgress) -> None:
        super().__init__(plan, dock, paths, on_progress)
        self._seconds: dict[tuple[str, str], float] = {}

    def steps(self) -> Script:
        """Everything that is measured."""
        yield from self._open()
        yield from self._see_all()
        for view in VIEWS:
            for place in ("nowhere", *PLACES):
                self._phase(f"{view} view, training {place}")
                if view == "moving":
                    with self._moving():
                        yield from self._run_at(place, view)
                else:
                    yield from self._run_at(place, view)
            for place in PLACES:
                ratio = self._seconds["inline", view] / self._seconds[place, view]
                self.figures.add(f"lane_{place}_{view}_throughput_ratio", ratio)

    def _run_at(self, place: str, view: str) -> Script:
        what = f"lane_{place}_{view}"
        known = [one for one in PLACES if one == place]
        if not known:
            yield from self._watch(f"{what}_gap_ms", self._plan.watch_s)
            return
        run, pulse = LaneRun(known[0], self._plan.lane_steps, self._plan.model), Pulse()
        yield Wait(partial(run.is_at, READY), "the model")
        pulse.start()
        run.begin()
        yield Wait(lambda: self._live(run), "the training")
        pulse.stop()
        run.close()
        if run.error is not None:
            raise AdasamError(f"Training {place} has failed: {run.error}") from run.error
        (encoded,) = (one for one in run.done if one.what == "encode")
        ends = [encoded.at, *(one.at for one in run.done if one.what == "step")]
        self.figures.add(f"{what}_gap_ms", *pulse.gaps)
        self.figures.add(f"{what}_encode_ms", 1000 * (encoded.at - encoded.began))
        self.figures.add(f"{what}_step_ms", *(1000 * (after - before) for before, after in pairwise(ends)))
        self._seconds[place, view] = ends[-1] - encoded.began

    def _live(self, run: LaneRun) -> bool:
        self._note_sign()
        return run.ended


def measure_lanes(plan: SpeedPlan, on_progress: OnProgress) -> list[dict[str, Any]]:
    """Rows named ``lane_PLACE_VIEW_…``. AdasamError where a place fails or the window is closed."""
    figures = Figures()
    with tempfile.TemporaryDirectory() as name:
        played_in_window(plan, image_paths(plan, Path(name)), figures, on_progress, LaneScript)
    return [row for row in figures.rows() if row["what"].startswith("lane_")]
