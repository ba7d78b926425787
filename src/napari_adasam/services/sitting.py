"""What the annotator's commands stand on: its parts, its signals, and what can be known and settled at any moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from psygnal import Signal

from napari_adasam.domain.effort import Estimate
from napari_adasam.domain.items import Items
from napari_adasam.domain.rounds import RoundProgress, RoundReport
from napari_adasam.domain.session import Session
from napari_adasam.domain.settings import Settings
from napari_adasam.domain.stacks import StackReport
from napari_adasam.files.exports import ExportReport
from napari_adasam.services.activity import Activity, after_silence, describe
from napari_adasam.services.checking import Checking
from napari_adasam.services.choosing import Choosing
from napari_adasam.services.clips import Clips
from napari_adasam.services.copying import Copying
from napari_adasam.services.correcting import Correcting
from napari_adasam.services.exporting import UNDER_WAY, Exporting
from napari_adasam.services.filing import Filing
from napari_adasam.services.keeping import Keeping
from napari_adasam.services.lane import Outcome
from napari_adasam.services.looking import Looking
from napari_adasam.services.marking_out import MarkingOut
from napari_adasam.services.models import MakePredictor, MakeTrainer
from napari_adasam.services.ports import ModelInfo, Pixels
from napari_adasam.services.readers import OtherReaders
from napari_adasam.services.reasons import Reasons, SittingFacts
from napari_adasam.services.recording import Recording
from napari_adasam.services.regions import Regions
from napari_adasam.services.rounds import Learning, RoundResult
from napari_adasam.services.stopwatch import Stopwatch
from napari_adasam.services.suggesting import Suggesting
from napari_adasam.services.volumes import Volume
from napari_adasam.services.walk import Walk
from napari_adasam.services.workbench import Workbench


class Sitting:
    """One session with everything it is worked on with; :class:`Annotator` adds what a clinician does.

    Parameters
    ----------
    session
        What is annotated; two windows are two sessions.
    predictor
        Makes the predictor; called on the lane's thread, in its first job, and again after the model was changed in the
        settings (it may read ``annotator.settings`` then).
    trainer
        Makes the trainer from the predictor; called on the lane's thread, and again after training settings changed.
    settings
        Replaced whole by :meth:`set_settings`.
    forward
        Called on the lane's thread with each outcome, to see to it that :meth:`deliver` is called with it on the GUI
        thread. ``None``: outcomes wait in an internal queue for :meth:`wait_idle`.
    clock
        Monotonic seconds.
    """

    activity_changed = Signal(Activity)
    """What is going on now; idle is an activity too."""
    problem = Signal(str)
    """Something did not work: one sentence for the clinician."""
    round_progress = Signal(RoundProgress)
    round_finished = Signal(RoundReport)
    """A round ran to its end; ``report.accepted``: whether its model serves now. Not emitted otherwise."""
    model_changed = Signal(ModelInfo)
    """The model was loaded, replaced by an accepted round, or set back."""
    saved = Signal(str)
    """An accepted frame (its id) or a whole session (its folder) is on the disk."""
    exported = Signal(ExportReport)
    """An export that was started is on the disk."""
    stack_measured = Signal(str, StackReport)
    """Figures over the frames of a file (its id), as :meth:`measure_stack` asked for."""
    volume_read = Signal(Volume)
    """What :meth:`show_volume` asked for."""
    queue_changed = Signal()
    """The order of the frames still to be done may be another one."""
    settings_changed = Signal()
    """Other settings hold, as they were chosen in a session that was reopened."""

    def __init__(
        self,
        session: Session,
        predictor: MakePredictor,
        trainer: MakeTrainer,
        settings: Settings = Settings(),
        forward: Callable[[Outcome], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._bench = Workbench(session, predictor, trainer, settings, forward, clock)
        self._walk = Walk(session, clock)
        self._keeping = Keeping(session)
        self.regions = Regions(self._bench.sources.clip)
        """For the predictor: the valid region of each frame."""
        self._marking_out = MarkingOut(self._bench, self._keeping, self.regions)
        self._suggesting = Suggesting(self._bench, self._walk.likely)
        self._looking = Looking(self._bench)
        self._walk.looks = self._looking.looks
        self._correcting = Correcting(self._bench)
        self._learning = Learning(self._bench)
        self._clips = Clips(self._bench, clock)
        self._recording = Recording(self._bench, self._keeping, self._walk, self._served)
        self._choosing = Choosing(self._bench, self._keeping, self._suggesting, self._recording)
        self._checking = Checking(self._bench, self._keeping)
        self._filing = Filing(self._bench, self._keeping, self._learning, self._checking)
        self._exporting = Exporting(self._bench, self._keeping, self._served)
        self._copying = Copying(self._bench, self._keeping, self._learning, self._recording)
        where = (self._clips.reasons(), self._bench.items)
        facts = SittingFacts(self._served, self._marking_out, lambda: self._keeping.reading, *where)
        self._reasons = Reasons(session, self._walk, self._learning, facts)
        self._other = OtherReaders()
        self._activity = self._describe()
        self._connect()

    def _connect(self) -> None:
        self._bench.dispatch.changed.connect(self.look_again)
        self._bench.dispatch.problem.connect(self.problem.emit)
        self._recording.problem.connect(self.problem.emit)
        self._checking.problem.connect(self.problem.emit)
        self._choosing.problem.connect(self.problem.emit)
        self._choosing.changed.connect(self.settings_changed.emit)
        self._suggesting.model_changed.connect(self.model_changed.emit)
        self._suggesting.model_changed.connect(self._looking.serve)
        self._looking.changed.connect(self._on_looks)
        self._learning.progressed.connect(self.round_progress.emit)
        self._learning.finished.connect(self._on_round)
        self._exporting.finished.connect(self.exported.emit)
        self._copying.kept.connect(self.saved.emit)
        self._correcting.withdrawn.connect(self._on_withdrawn)
        self._clips.stacking.finished.connect(self.stack_measured.emit)
        self._clips.volumes.finished.connect(self.volume_read.emit)
        self._clips.propagating.told.connect(self.problem.emit)
        self._clips.propagating.unreadable.connect(self._checking.mend)
        self._clips.propagating.ended.connect(self.queue_changed.emit)
        self._session.status_changed.connect(self._on_status)
        self._session.labels_changed.connect(self._recording.draft)

    def _served(self) -> ModelInfo | None:
        return self._suggesting.model

    # -- facts -----------------------------------------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """What is annotated."""
        return self._session

    @property
    def settings(self) -> Settings:
        """What is set now."""
        return self._bench.settings

    @property
    def activity(self) -> Activity:
        """The latest activity, for a widget that has just been made."""
        return self._activity

    @property
    def model(self) -> ModelInfo | None:
        """What serves; ``None`` before the model is loaded."""
        return self._suggesting.model

    @property
    def reports(self) -> tuple[RoundReport, ...]:
        """The reports of the rounds that ran to their end, oldest first, earlier sittings included."""
        return self._learning.reports

    @property
    def busy(self) -> bool:
        """Whether anything is under way on the lane."""
        return bool(self._bench.dispatch.errands)

    @property
    def training(self) -> bool:
        """Whether a round is under way."""
        return self._learning.running

    @property
    def round_paused(self) -> bool:
        """Whether a round is under way, and held."""
        return self._learning.paused

    @property
    def watch(self) -> Stopwatch:
        """For the predictor: it times what it computes."""
        return self._bench.watch

    def estimate(self) -> Estimate | None:
        """What a round that starts now will take; ``None`` where nothing has been computed yet, or none can start."""
        return self._learning.estimate()

    @property
    def folder(self) -> Path | None:
        """Where the session is kept; ``None`` while it is in memory only."""
        return self._keeping.folder

    @property
    def kept_by_itself(self) -> bool:
        """Whether the program chose the folder in which the session is kept."""
        return self._keeping.folder is not None and self._keeping.automatic

    @property
    def answering(self) -> bool:
        """Whether a point or box waits for its outline, which comes in a moment."""
        return any(errand.job.within for errand in self._bench.dispatch.errands)

    @property
    def only_to_look_at(self) -> str:
        """Why the session may not be changed here, in one sentence; empty if it may."""
        return self._keeping.reading

    @property
    def queue(self) -> tuple[str, ...]:
        """Ids of the frames still to be done, in the order they are offered."""
        return self._walk.queue

    @property
    def items(self) -> Items:
        """The files, each with its frames and how they stand."""
        return self._bench.items

    def why(self, frame_id: str) -> str:
        """Why this frame is offered, in words."""
        return self._walk.why(frame_id)

    def why_not(self, command: str) -> str:
        """Why a command (the name of a method) is not possible now, in one sentence; empty if it is."""
        running = {"export": UNDER_WAY if self._exporting.running else "", "save_as": self._copying.under_way}
        return running.get(command) or self._reasons.why_not(command, self.busy)

    def pixels(self, frame_id: str) -> Pixels:
        """(height, width) or (height, width, 3), uint8 or uint16, read-only, for display. InputError if unreadable."""
        return self._bench.sources.pixels(frame_id)

    # -- the lane --------------------------------------------------------------------------------------------------

    def deliver(self, outcome: Outcome) -> None:
        """Take in one outcome of the lane; call it on the GUI thread."""
        self._bench.dispatch.deliver(outcome)

    def wait_idle(self, timeout: float = 60.0) -> bool:
        """Without a window: take in outcomes until nothing is under way; ``False`` if the time (s) is over first."""
        return self._bench.dispatch.wait_idle(timeout)

    def close(self) -> None:
        """Stop the lane and close the session's folder; a second call does nothing. Nothing accepted is lost."""
        self._bench.dispatch.close()
        self._copying.close()
        self._bench.sources.close()
        self._recording.leave()
        self._keeping.close()

    def _on_round(self, result: RoundResult) -> None:
        self._recording.report(result.report)
        if result.report.accepted:
            self._choosing.stay()
            self._suggesting.renew(result.model)
            self._recording.learned()
        self.round_finished.emit(result.report)

    def _on_withdrawn(self, frame_id: str) -> None:
        """A frame may be accepted again, which the disk has to know first."""
        if not self._recording.follow(frame_id, stays=False):
            self._session.reopen(frame_id)

    def _on_looks(self) -> None:
        self._walk.renew()
        self.queue_changed.emit()
        self._suggesting.ask_ahead()

    def _on_status(self, _frame_id: str) -> None:
        self._looking.go_on()
        self.queue_changed.emit()
        self.look_again()

    def _describe(self) -> Activity:
        for long in (self._exporting, self._copying):
            if long.running:
                return long.activity(self.training)
        if self._clips.under_way is not None:
            return after_silence(self._clips.under_way.activity(), self._bench.dispatch.silence)
        errands, filing = self._bench.dispatch.errands, self._filing
        counts = self._session.accepted, len(self._session.frames)
        line = describe(errands, self._learning.progress, *counts, filing.opening)
        return after_silence(line, self._bench.dispatch.silence)

    def look_again(self) -> None:
        """See what is going on now. To be called now and then: a job that gives no sign of progress is told of."""
        before, self._activity = self._activity, self._describe()
        if self._activity != before:
            self.activity_changed.emit(self._activity)
