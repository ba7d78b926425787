"""What the benchmark does in its window: clicks, gaps of the event loop, frames, rounds, cancelling."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.prompts import Point
from napari_adasam.evaluation.memory import resident_mb
from napari_adasam.evaluation.speed import (
    Figures,
    OnProgress,
    SpeedPlan,
)
from napari_adasam.ui.director import Script, Wait, pause
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.pulse import Painting, Pulse

MOVE_MS = 100
MEMORY_MS = 500
SETTLE_S = 0.3
TURN_S, CLICKS_A_TURN, MOST_TURNS = 2.0, 2, 20
"""By turns while a round runs: so many clicks, and so long a way through the frames."""
PHASES = 9
WINDOW = (1366, 768)


class SpeedScript:
    """What is done and timed in one window. GUI thread.

    Parameters
    ----------
    paths
        The images.
    """

    def __init__(self, plan: SpeedPlan, dock: AdasamDock, paths: list[Path], on_progress: OnProgress) -> None:
        self.figures = Figures()
        self.problems: list[str] = []
        self.last_sign = time.monotonic()
        self._plan, self._paths, self._on_progress = plan, paths, on_progress
        self._annotator, self._session = dock.annotator, dock.annotator.session
        self._run = dock.commander.run
        self._painting = Painting()
        self._rng = np.random.default_rng(0)
        self._phases = itertools.count()
        self._steps_done = 0
        self._memory, self._mover = QTimer(), QTimer()
        self._memory.timeout.connect(lambda: self.figures.add("memory_mb", resident_mb()))
        self._mover.timeout.connect(self._move)
        self._annotator.problem.connect(self.problems.append)
        self._annotator.activity_changed.connect(self._note_sign)
        self._annotator.round_progress.connect(self._note_round)

    def steps(self) -> Script:
        """Everything that is measured in the window."""
        self._memory.start(MEMORY_MS)
        yield from self._open()
        self._phase("new and prepared images")
        yield from self._look_through()
        self._phase("clicks")
        yield from self._click(self._plan.clicks, "click_idle_ms")
        self._phase("gaps of the event loop")
        yield from self._watch("gap_still_idle_ms", self._plan.watch_s)
        with self._moving():
            yield from self._watch("gap_moving_idle_ms", self._plan.watch_s)
        yield from self._accept()
        self._phase("a round")
        yield from self._round_left_alone()
        self._phase("clicks and moves during a round")
        for _ in range(self._plan.rounds):
            yield from self._round_disturbed()
        self._phase("cancelling")
        for _ in range(self._plan.cancels):
            yield from self._cancel()
        yield from self._idle()

    def close(self) -> None:
        """Stop the timers."""
        self._memory.stop()
        self._mover.stop()
        self._painting.close()

    # -- frames --------------------------------------------------------------------------------------------------------

    def _open(self) -> Script:
        self._phase("opening the images")
        self._annotator.open(self._paths)
        yield from self._idle()
        self._frames = [frame.id for frame in self._session.frames]

    def _look_through(self) -> Script:
        """Every image for the first time, backwards, because those ahead are prepared; then forwards, all prepared."""
        for frame_id in reversed(self._frames):
            if not self._has_scores(frame_id):
                go = partial(self._annotator.go_to, frame_id)
                yield from self._timed("first_mask_ms", go, partial(self._has_scores, frame_id))
                yield from self._idle()
        for frame_id in self._frames:
            yield from self._timed("frame_next_ms", partial(self._annotator.go_to, frame_id), lambda: True)
            yield from self._idle()

    def _see_all(self) -> Script:
        """Give every frame its suggestion by the model that serves."""
        for frame_id in self._frames:
            self._annotator.go_to(frame_id)
            yield from self._idle()

    def _has_scores(self, frame_id: str) -> bool:
        return bool(self._session.scores(frame_id))

    def _accept(self) -> Script:
        for frame_id in self._frames[: self._plan.accepted]:
            self._annotator.go_to(frame_id)
            yield from self._idle()
            if not self._session.labels(frame_id).any():
                self._brush(frame_id)
            self._run("accept")
            yield from self._idle()

    def _brush(self, frame_id: str) -> None:
        """Outline a square by hand: a round has nothing to learn where a model suggests nothing on any image."""
        labels = self._session.labels(frame_id).copy()
        height, width = labels.shape
        labels[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = self._session.structures[0].value
        self._annotator.stroke(labels)

    def _move(self) -> None:
        place = self._frames.index(self._session.current) if self._session.current else 0
        self._annotator.go_to(self._frames[(place + 1) % len(self._frames)])

    @contextmanager
    def _moving(self) -> Iterator[None]:
        self._mover.start(MOVE_MS)
        try:
            yield
        finally:
            self._mover.stop()

    # -- clicks and gaps -----------------------------------------------------------------------------------------------

    def _click(self, count: int, what: str, go_on: Callable[[], bool] = lambda: True) -> Script:
        """Clicks at places of their own on the last frame, each taken back, while ``go_on()``."""
        frame_id = self._frames[-1]
        self._annotator.go_to(frame_id)
        yield Wait(lambda: self._has_scores(frame_id), "a suggestion")
        frame, structure = self._session.frame(frame_id), self._session.structures[0].value
        for _ in range(count):
            yield pause(SETTLE_S * (0.5 + self._rng.random()))  # at any instant of a step
            if not go_on():
                return
            y, x = self._rng.uniform(0.2, 0.8, 2) * (frame.height, frame.width)
            act = partial(self._annotator.click, Point(float(y), float(x)), structure)
            yield from self._timed(what, act, lambda: not self._session.unanswered(frame_id))
            self._run("undo")

    def _watch(self, what: str, seconds: float, go_on: Callable[[], bool] = lambda: True) -> Script:
        pulse = Pulse()
        yield pause(SETTLE_S)
        pulse.start()
        end = pause(seconds)
        yield Wait(lambda: end.ready() or not go_on(), end.what)
        pulse.stop()
        self.figures.add(what, *pulse.gaps)

    def _timed(self, what: str, act: Callable[[], object], ready: Callable[[], bool]) -> Script:
        """From before ``act()`` to the end of the first drawing after ``ready()``."""
        began = time.perf_counter()
        act()
        self._painting.watch(ready)
        yield Wait(self._painting.done, what)
        self.figures.add(what, 1000 * (self._painting.at - began))

    # -- rounds --------------------------------------------------------------------------------------------------------

    def _round_left_alone(self) -> Script:
        """How long a round takes, and the gaps meanwhile, in a still view."""
        reports, pulse = len(self._annotator.reports), Pulse()
        self._annotator.go_to(self._frames[-1])
        yield from self._idle()
        began = time.perf_counter()
        self._start_round()
        pulse.start()
        yield Wait(lambda: not self._annotator.training, "the round")
        pulse.stop()
        self.figures.add("round_s", time.perf_counter() - began)
        self.figures.add("gap_still_training_ms", *pulse.gaps)
        if len(self._annotator.reports) == reports:
            raise AdasamError(f"The round did not end well: {' '.join(self.problems) or 'it was cancelled'}.")
        yield from self._idle()

    def _round_disturbed(self) -> Script:
        """Clicks and moves by turns, while the round runs; it is ended after :data:`MOST_TURNS`.

        What is shown needs suggestions, which go first, so that a round beside so much moving takes very long.
        """
        yield from self._see_all()
        self._start_round()
        yield Wait(lambda: self._steps_done > 0 or not self._annotator.training, "a step of the round")
        still_on, turn_s = partial(getattr, self._annotator, "training"), min(TURN_S, self._plan.watch_s)
        for _ in range(MOST_TURNS):
            if not self._annotator.training:
                break
            yield from self._click(CLICKS_A_TURN, "click_training_ms", still_on)
            with self._moving():
                yield from self._watch("gap_moving_training_ms", turn_s, still_on)
        self._annotator.cancel_round()
        yield from self._idle()

    def _cancel(self) -> Script:
        """From the wish to end a round to its end."""
        self._start_round()
        yield Wait(lambda: self._steps_done > 0 or not self._annotator.training, "a step of the round")
        yield pause(SETTLE_S * (0.5 + self._rng.random()))
        ended: list[float] = []

        def note(_activity: object) -> None:
            if not self._annotator.training:
                ended.append(time.perf_counter())

        began = time.perf_counter()
        self._annotator.cancel_round()
        self._annotator.activity_changed.connect(note)
        yield Wait(lambda: not self._annotator.training, "the end of the round")
        self._annotator.activity_changed.disconnect(note)
        self.figures.add("cancel_ms", 1000 * ((ended or [time.perf_counter()])[0] - began))

    def _start_round(self) -> None:
        self._steps_done = 0
        if not self._annotator.start_round():
            raise AdasamError(f"No round could be started: {' '.join(self.problems)}")

    def _note_round(self, event: Any) -> None:
        self._steps_done = event.step
        self._note_sign()

    # ------------------------------------------------------------------------------------------------------------------

    def _idle(self) -> Script:
        """Until nothing is under way; a failure of the model ends the benchmark."""
        yield Wait(lambda: not self._annotator.busy, "the model")
        if self._annotator.model is None:
            raise AdasamError(" ".join(self.problems) or "The model could not be loaded. Run napari-adasam doctor.")

    def _note_sign(self, _event: object = None) -> None:
        self.last_sign = time.monotonic()

    def _phase(self, name: str) -> None:
        self._on_progress(next(self._phases) + 1, PHASES, name)
