"""What the annotator's commands stand on: its parts, its signals, and what can be known and settled at any moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from psygnal import Signal

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.export_formats import EVERYDAY
from napari_adasam.domain.rounds import RoundProgress, RoundReport
from napari_adasam.domain.session import Session
from napari_adasam.domain.settings import ModelSettings, Settings
from napari_adasam.domain.structures import Structure
from napari_adasam.files.exports import ExportReport
from napari_adasam.services.activity import Activity, after_silence, describe
from napari_adasam.services.correcting import Correcting
from napari_adasam.services.exporting import UNDER_WAY, Exporting, ExportOrder
from napari_adasam.services.filing import Filing
from napari_adasam.services.keeping import Keeping
from napari_adasam.services.lane import Job, JobKind, Outcome
from napari_adasam.services.marking_out import MarkingOut
from napari_adasam.services.models import MakePredictor, MakeTrainer
from napari_adasam.services.ports import ModelInfo, Pixels
from napari_adasam.services.reasons import Reasons
from napari_adasam.services.recording import Recording
from napari_adasam.services.regions import Regions
from napari_adasam.services.rounds import Learning, RoundResult
from napari_adasam.services.suggesting import Suggesting
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
    queue_changed = Signal()
    """The order of the frames still to be done may be another one."""

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
        self.regions = Regions()
        """For the predictor: the valid region of each frame."""
        self._marking_out = MarkingOut(self._bench, self._keeping, self.regions)
        self._suggesting = Suggesting(self._bench, self._walk.coming)
        self._correcting = Correcting(self._bench)
        self._learning = Learning(self._bench)
        self._recording = Recording(self._bench, self._keeping, self._walk, lambda: self._suggesting.model)
        self._filing = Filing(self._bench, self._keeping, self._learning)
        self._exporting = Exporting(self._bench, self._keeping, lambda: self._suggesting.model)
        self._reasons = Reasons(session, self._walk, self._learning, lambda: self._suggesting.model, self._marking_out)
        self._activity = self._describe()
        self._bench.dispatch.changed.connect(self.look_again)
        self._bench.dispatch.problem.connect(self.problem.emit)
        self._recording.problem.connect(self.problem.emit)
        self._suggesting.model_changed.connect(self.model_changed.emit)
        self._learning.progressed.connect(self.round_progress.emit)
        self._learning.finished.connect(self._on_round)
        self._exporting.finished.connect(self.exported.emit)
        self._correcting.withdrawn.connect(self._on_withdrawn)
        session.status_changed.connect(self._on_status)
        session.labels_changed.connect(self._recording.draft)

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
    def folder(self) -> Path | None:
        """Where the session is kept; ``None`` while it is in memory only."""
        return self._keeping.folder

    @property
    def kept_by_itself(self) -> bool:
        """Whether the program chose the folder in which the session is kept."""
        return self._keeping.folder is not None and self._keeping.automatic

    @property
    def queue(self) -> tuple[str, ...]:
        """Ids of the frames still to be done, in the order they are offered."""
        return self._walk.queue

    def why(self, frame_id: str) -> str:
        """Why this frame is offered, in words."""
        return self._walk.why(frame_id)

    def why_not(self, command: str) -> str:
        """Why a command (the name of a method) is not possible now, in one sentence; empty if it is."""
        if command == "export" and self._exporting.running:
            return UNDER_WAY
        return self._reasons.why_not(command, self.busy)

    def pixels(self, frame_id: str) -> Pixels:
        """(height, width) or (height, width, 3), uint8 or uint16, read-only, for display. InputError if unreadable."""
        return self._bench.sources.pixels(frame_id)

    # -- what is settled once --------------------------------------------------------------------------------------

    def set_structures(self, structures: Sequence[Structure]) -> None:
        """Replace the list of structures; suggestions for new ones are asked for."""
        try:
            self._session.check_structures(structures)
            self._keeping.structures(structures)
            self._session.set_structures(structures)
        except AdasamError as error:
            self.problem.emit(str(error))
        self._suggesting.show_current()

    def set_settings(
        self, settings: Settings, predictor: MakePredictor | None = None, trainer: MakeTrainer | None = None
    ) -> None:
        """Replace the settings whole; factories, if given, replace the constructor's.

        A changed model is loaded by the lane, which is not possible while a round is under way; if it cannot be loaded,
        the one in use stays. What concerns learning holds from the next round on.
        """
        before = self._bench.settings
        other_model = settings.model != before.model or predictor is not None
        other_learn = replace(settings.learn, every=before.learn.every) != before.learn
        other_trainer = (settings.train, settings.prompts) != (before.train, before.prompts) or trainer is not None
        if self.training and other_model:
            self.problem.emit("A round is under way; wait for it or cancel it, then change the model.")
            return
        self._bench.settings = settings
        models = self._bench.models
        if other_model and self._suggesting.model is not None:
            self._suggesting.cancel()
            job = Job(JobKind.PROMPT, lambda: models.exchange(predictor, trainer), key="model")
            self._bench.dispatch.send(job, "Changing the model", partial(self._on_exchanged, before.model))
        elif other_model or other_trainer or other_learn:
            job = Job(JobKind.PROMPT, lambda: models.replace(predictor, trainer, keep_predictor=not other_model))
            self._bench.dispatch.send(job, "Changing the model", self._ignore)
        if settings.prompts != before.prompts:
            self._suggesting.renew()

    def keep_by_itself(self, home: Path) -> None:
        """Keep sessions that nobody chooses a folder for in folders below ``home``; else they are in memory only."""
        self._filing.home = home

    def save_as(self, folder: Path) -> bool:
        """Keep the session in a folder from now on, with all that is accepted so far; ``False`` if that fails."""
        if not self._recording.attempt(lambda: self._keeping.begin(folder, self.reports)):
            return False
        self._recording.learned()
        self.saved.emit(str(folder))
        return True

    def export(self, folder: Path, formats: Sequence[str] = EVERYDAY, deidentify: bool = False) -> list[Path]:
        """Write the accepted frames, wait for it, and return the files; for scripts. Raises StorageError or InputError.

        All of it is written, or nothing: see :func:`napari_adasam.files.exports.export`.
        """
        return list(self._exporting.now(ExportOrder(folder, tuple(formats), deidentify=deidentify)).files)

    def start_export(self, order: ExportOrder) -> bool:
        """Begin to write accepted frames beside the other work; ``exported`` tells the end. ``False`` if refused."""
        return self._exporting.start(order)

    def export_losses(self, order: ExportOrder) -> tuple[str, ...]:
        """What an export would lose or give away, in sentences, before it is started."""
        return self._exporting.losses(order)

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
        self._keeping.close()

    def _on_round(self, result: RoundResult) -> None:
        self._recording.report(result.report)
        if result.report.accepted:
            self._suggesting.renew(result.model)
            self._recording.learned()
        self.round_finished.emit(result.report)

    def _on_exchanged(self, before: ModelSettings, outcome: Outcome) -> None:
        """Serve the other model; if it could not be loaded, which was told, the one before is set again."""
        if outcome.state == "done":
            self._recording.serving(None)
            self._suggesting.renew(cast(ModelInfo, outcome.value))
            return
        self._bench.settings = replace(self._bench.settings, model=before)
        self._suggesting.show_current()

    def _on_withdrawn(self, frame_id: str) -> None:
        """A frame may be accepted again, which the disk has to know first."""
        if not self._recording.follow(frame_id):
            self._session.reopen(frame_id)

    def _on_status(self, _frame_id: str) -> None:
        self.queue_changed.emit()
        self.look_again()

    def _describe(self) -> Activity:
        accepted, frames = len(self._session.annotations), len(self._session.frames)
        if self._exporting.running:
            return self._exporting.activity(self.training)
        errands, filing = self._bench.dispatch.errands, self._filing
        line = describe(errands, self._learning.progress, accepted, frames, filing.opening)
        return after_silence(line, self._bench.dispatch.silence)

    def look_again(self) -> None:
        """See what is going on now. To be called now and then: a job that gives no sign of progress is told of."""
        activity = self._describe()
        if activity != self._activity:
            self._activity = activity
            self.activity_changed.emit(activity)

    def _ignore(self, outcome: Outcome) -> None:
        """A failure was told already; there is nothing else to do."""
