"""The demo in a real window: open, suggest, correct, accept, learn, export, by script.

The script is a generator of waits. A timer of the window's own event loop takes it a step further whenever what it
waits for is there, so that the window lives as it does for a person, and closing it ends the demo.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import napari
from napari.viewer import Viewer
from qtpy.QtWidgets import QApplication

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.prompts import Point
from napari_adasam.domain.records import FrameStatus, Labels
from napari_adasam.domain.settings import LearnSettings, Settings
from napari_adasam.evaluation.demo import Click, DemoLog, DemoPlan, ScriptedClinician, Stroke, agreement, draw_samples
from napari_adasam.files.atomic import make_folder, write_whole
from napari_adasam.ui.app import open_window
from napari_adasam.ui.assembly import make_annotator
from napari_adasam.ui.director import Director, Script, Wait, pause
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.pulse import Pulse
from napari_adasam.ui.tools import Tool

__all__ = ["DemoPlan", "run_demo"]

PAUSE_S = 0.8
SETTLE_S = 0.25
STILL_S = 2.0
CLICKS_AT = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Shares of the round at which the demo clicks."""
PHASES = 6
WINDOW = (1366, 768)

OnProgress = Callable[[int, int, str], None]


class DemoScript:
    """What the scripted clinician does in one window. GUI thread."""

    def __init__(self, plan: DemoPlan, dock: AdasamDock, on_progress: OnProgress) -> None:
        self.log = DemoLog(structures=dock.annotator.session.structures)
        self._plan = plan
        self._dock = dock
        self._annotator = dock.annotator
        self._session = dock.annotator.session
        self._on_progress = on_progress
        self._pulse = Pulse()
        self._truth: dict[str, Labels] = {}
        self.last_sign = time.monotonic()
        self._annotator.problem.connect(self.log.messages.append)
        self._annotator.activity_changed.connect(self._note_sign)
        self._annotator.round_progress.connect(self._note_sign)

    def steps(self) -> Script:
        """The whole main job."""
        with self._phase("open"):
            self._truth = draw_samples(self._plan.out / "images", self._plan)
            self._dock.open([self._plan.out / "images"])
            yield from self._idle("the model and the first suggestion")
        frames = [frame.id for frame in self._session.frames]
        first, last = self._plan.accepted, self._plan.accepted + self._plan.waiting
        with self._phase("suggest, unseen images"):
            yield from self._score(frames[last:], self.log.before)
        with self._phase("correct and accept"):
            for number, frame_id in enumerate(frames[:first]):
                yield from self._annotate(frame_id, "learned from", pictures=number == 0)
        with self._phase("learn"):
            yield from self._learn()
        with self._phase("suggest again, unseen images"):
            yield from self._score(frames[last:], self.log.after, picture="6_suggestion_after_learning")
        with self._phase("correct and accept after learning"):
            for frame_id in frames[first:last]:
                yield from self._annotate(frame_id, "after learning")
        yield from self._export()
        self.log.model = self._annotator.model

    def _score(self, frame_ids: list[str], scores: list[dict[int, float]], picture: str = "") -> Script:
        """Note how good the suggestions are; skipped afterwards, so that a round does not see these frames."""
        for frame_id in frame_ids:
            self._annotator.go_to(frame_id)
            if self._session.status(frame_id) is FrameStatus.SKIPPED:
                self._annotator.reopen()
                self._annotator.suggest()
            yield from self._idle("a suggestion")
            scores.append(agreement(self._session.labels(frame_id), self._truth_of(frame_id), self.log.structures))
            if picture and frame_id == frame_ids[0]:
                yield from self._picture(picture)
            self._session.skip(frame_id)

    def _annotate(self, frame_id: str, part: str, pictures: bool = False) -> Script:
        """One frame, as a clinician works: look, correct the worst, take back what did not help, accept."""
        self._annotator.go_to(frame_id)
        yield from self._idle("a suggestion")
        if pictures:
            yield from self._picture_of_maps()
            yield from self._picture("2_suggestion")
        suggested = self._session.labels(frame_id)
        clinician = ScriptedClinician(self._truth_of(frame_id), self.log.structures)
        while (correction := clinician.next(self._session.labels(frame_id))) is not None:
            before = self._session.labels(frame_id)
            self._do(correction)
            yield from self._idle("the corrected outline")
            if clinician.got_worse(before, self._session.labels(frame_id)):
                self._dock.commander.run("undo")
                yield from self._idle("the outline before")
        if pictures:
            yield from self._picture("3_corrected")
        self.log.add_frame(self._stem(frame_id), part, suggested, self._session.labels(frame_id), clinician)
        self._dock.commander.run("accept")
        yield from self._idle("the next frame")

    def _do(self, correction: Click | Stroke) -> None:
        tools, layer = self._dock.tools, self._dock.canvas.masks.layer
        tools.choose_structure(correction.structure)
        if isinstance(correction, Click):
            tools.choose(Tool.POINT if correction.point.positive else Tool.NOT_POINT)
            self._annotator.click(correction.point, correction.structure)
        elif layer is not None:
            tools.choose(Tool.ERASER if correction.erase else Tool.BRUSH)
            layer.brush_size = correction.size
            with layer.block_history():  # one stroke, as napari's own brush does
                for place in correction.path:
                    layer.paint(place, 0 if correction.erase else correction.structure)

    def _learn(self) -> Script:
        """One round, with clicks and a picture of the panel while it runs, and a picture when it has ended."""
        self._show_only("learn")
        steps = self._annotator.settings.train.steps
        done: list[int] = []
        reports = len(self._annotator.reports)
        yield from self._still()
        self._annotator.round_progress.connect(lambda event: done.append(event.step))
        self._annotator.start_round()
        self._pulse.start()
        for share in CLICKS_AT:
            yield Wait(partial(self._is_at, done, share * steps), "a step of the round")
            yield from self._click_while_learning()
        yield from self._picture("4_learning")
        yield Wait(lambda: not self._annotator.training, "the round")
        self.log.gaps_learning = self._pulse.stop()
        yield from self._idle("renewed suggestions")
        if len(self._annotator.reports) == reports:
            raise AdasamError(f"The round did not end well: {' '.join(self.log.messages) or 'it was cancelled'}.")
        self.log.round = self._annotator.reports[-1]
        yield from self._picture("5_learned")
        self._show_only("annotate")

    def _is_at(self, done: list[int], step: float) -> bool:
        return not self._annotator.training or bool(done and done[-1] >= step)

    def _still(self) -> Script:
        """The gaps of the event loop when nothing is under way, to compare with."""
        self._pulse.start()
        yield pause(STILL_S)
        self.log.gaps_still = self._pulse.stop()

    def _click_while_learning(self) -> Script:
        """A click on the current frame, timed to its outline, and taken back."""
        frame_id = self._session.current
        if frame_id is None or not self._annotator.training:
            return
        frame = self._session.frame(frame_id)
        shown: list[float] = []

        def note(changed: str) -> None:
            if changed == frame_id and not self._session.unanswered(frame_id):
                shown.append(time.perf_counter())

        began = time.perf_counter()
        self._annotator.click(Point(frame.height / 2, frame.width / 2), self.log.structures[0].value)
        self._session.labels_changed.connect(note)
        yield Wait(lambda: bool(shown) or not self._session.unanswered(frame_id), "the outline of a click")
        self._session.labels_changed.disconnect(note)
        if shown:
            self.log.clicks_learning.append(1000 * (shown[0] - began))
        self._dock.commander.run("undo")

    def _export(self) -> Script:
        with self._phase("export"):
            self._show_only("export")
            self._dock.export_panel.folder.setText(str(self._plan.out))
            self._dock.export_panel.export.click()
            yield Wait(lambda: not self._annotator.busy, "the export")
            written = [path for path in self._plan.out.rglob("*") if path.suffix in (".png", ".tif", ".csv", ".json")]
            own = [path for path in written if path.parent.name not in ("images", "screenshots")]
            self.log.written = sorted(str(path.relative_to(self._plan.out)) for path in own)
            if "measurements.csv" not in self.log.written:
                raise AdasamError(f"Nothing was exported: {' '.join(self.log.messages)}")
        yield from self._picture("7_export")

    def _picture_of_maps(self) -> Script:
        self._dock.commander.run("masks")
        yield from self._picture("1_maps")
        self._dock.commander.run("masks")

    def _picture(self, name: str) -> Script:
        """A screenshot of the whole window, when it has been drawn."""
        yield pause(SETTLE_S)
        folder = make_folder(self._plan.out / "screenshots")
        self._dock.viewer.screenshot(str(folder / f"{name}.png"), canvas_only=False, flash=False)
        self._pulse.skip()
        self.log.screenshots.append(f"screenshots/{name}.png")

    def _idle(self, what: str) -> Script:
        """Until nothing is under way; a failure of the model ends the demo."""
        yield Wait(lambda: not self._annotator.busy, what)
        if self._annotator.model is None:
            raise AdasamError(" ".join(self.log.messages) or "The model could not be loaded. Run napari-adasam doctor.")
        if not self._plan.headless:
            yield pause(PAUSE_S)

    def _note_sign(self, _event: object) -> None:
        self.last_sign = time.monotonic()

    def _show_only(self, name: str) -> None:
        for own, section in self._dock.sections.items():
            section.set_open(own == name)

    def _stem(self, frame_id: str) -> str:
        return self._session.frame(frame_id).stem

    def _truth_of(self, frame_id: str) -> Labels:
        return self._truth[self._stem(frame_id)]

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self._on_progress(len(self.log.seconds), PHASES + 1, name)
        began = time.monotonic()
        yield
        self.log.seconds[name] = time.monotonic() - began


def run_demo(plan: DemoPlan, on_progress: OnProgress) -> dict[str, Any] | None:
    """Run the demo; the content of ``report.json``, or ``None`` if the window was closed before the end.

    Raises
    ------
    AdasamError
        If the model cannot be loaded, the round fails, or nothing can be written.
    """
    make_folder(plan.out)
    viewer, dock = open_window(make=make_annotator)
    if plan.headless:  # as large as a small laptop's screen, whatever was used last
        viewer.window.set_geometry(0, 0, *WINDOW)
    before = Settings()
    dock.annotator.set_settings(
        replace(
            before,
            model=replace(before.model, name=plan.model),
            train=replace(before.train, seed=plan.seed),
            learn=LearnSettings(every=0),
        )
    )
    script = DemoScript(plan, dock, on_progress)
    director = Director(script.steps(), lambda: _finish(plan, viewer, director), lambda: script.last_sign)
    dock.destroyed.connect(director.timer.stop)  # a person who closes the window ends the demo
    director.timer.start()
    napari.run()
    director.timer.stop()
    dock.shut_down()
    if director.error is not None:
        raise director.error
    if not director.ended:
        return None
    report = script.log.report(plan)
    write_whole(plan.out / "report.json", (json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode())
    on_progress(PHASES + 1, PHASES + 1, "done")
    return report


def _finish(plan: DemoPlan, viewer: Viewer, director: Director) -> None:
    if plan.headless or director.error is not None:
        viewer.close()
        QApplication.quit()
