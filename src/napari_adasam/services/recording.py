"""What is decided, drawn and learned reaches the session's folder; what the disk does not take is a sentence."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from psygnal import Signal

from napari_adasam.domain.errors import AdasamError, StorageError
from napari_adasam.domain.records import Annotation, FrameStatus
from napari_adasam.domain.rounds import RoundReport
from napari_adasam.files.schema import check_there
from napari_adasam.services.keeping import Keeping
from napari_adasam.services.lane import Job, JobKind, Outcome
from napari_adasam.services.ports import ModelInfo
from napari_adasam.services.walk import Walk
from napari_adasam.services.workbench import Workbench

LEARNED = "learned"
Write = Callable[[], object]


class Recording:
    """Writes after each change. GUI thread; what was learned is written on the lane's thread.

    What the disk does not take and stays as it is in the window is written again with the next change, and at the end.

    Parameters
    ----------
    model
        Gives what serves; ``None`` before a model is loaded.
    """

    problem = Signal(str)

    def __init__(self, bench: Workbench, keeping: Keeping, walk: Walk, model: Callable[[], ModelInfo | None]) -> None:
        self._bench = bench
        self._keeping = keeping
        self._walk = walk
        self._model = model
        self._behind: dict[Hashable, Write | None] = {}
        """What the disk did not take, and how to write it again; ``None`` where it was taken back, to be repeated."""
        self._said = ""
        bench.session.status_changed.connect(self._pay)

    @property
    def not_saved(self) -> str:
        """That a change is not on the disk, in the sentence that was said of it; empty once all are."""
        return self._said if self._behind else ""

    def attempt(self, write: Write, what: Hashable = None, stays: bool = False) -> bool:
        """Write; ``False``, with a sentence, if the disk does not take it.

        ``what`` names a change of the session, the same when it is tried again. ``stays``: it holds in the window.
        """
        earlier = self._behind.pop(what, None)
        self.catch_up()
        try:
            write()
        except AdasamError as error:
            if what is not None and isinstance(error, StorageError):
                self._behind[what] = write if stays else earlier
                self._said = str(error)
            self.problem.emit(str(error))
            return False
        return True

    def catch_up(self) -> None:
        """Write what the disk did not take before, until it does not take something again."""
        for what, write in list(self._behind.items()):
            if write is None:
                continue
            del self._behind[what]
            try:
                write()
            except AdasamError as error:
                self._behind[what] = write  # the last to be tried next time
                self._said = str(error)
                return

    def accept(self, frame_id: str) -> Annotation | None:
        """Write the current frame as accepted, before it is; ``None``, with a sentence, if that is not possible."""
        drafts: list[Annotation] = []

        def write() -> None:
            drafts.append(self._bench.session.draft(frame_id, self._walk.seconds(frame_id)))
            self._keeping.annotation(drafts[0])

        return drafts[0] if self.attempt(write, ("accept", frame_id)) else None

    def follow(self, frame_id: str, stays: bool = True) -> bool:
        """Write what was decided about a frame; unless it ``stays``, it is taken back if the disk does not take it."""
        return self.attempt(lambda: self._keeping.follow(frame_id), ("decided", frame_id), stays)

    def follow_together(self, frame_ids: Sequence[str]) -> bool:
        """Write where frames stand that are skipped together; taken back if the disk does not take it."""
        return self.attempt(lambda: self._keeping.follow_together(frame_ids), ("decided", frame_ids[0]))

    def draft(self, frame_id: str) -> None:
        """Write work in progress, at the end of every stroke and with every answer."""
        seconds = self._walk.seconds
        self.attempt(lambda: self._keeping.draft(frame_id, seconds(frame_id)), ("draft", frame_id), stays=True)

    def place(self) -> None:
        """Note where one is."""
        self.attempt(lambda: self._keeping.place(self._walk.place), "place", stays=True)

    def leave(self) -> None:
        """Note where one was. Where the disk does not take that nothing is told: all work is there, or was told of."""
        self.catch_up()
        with suppress(AdasamError):
            self._keeping.place(self._walk.place)

    def report(self, report: RoundReport) -> None:
        """Write the report of a round."""
        self.attempt(lambda: self._keeping.round(report), ("round", report.number), stays=True)

    def serving(self, file: Path | None) -> None:
        """Note which model serves."""
        self.attempt(lambda: self._keeping.serving(file), "serving", stays=True)

    def learned(self) -> None:
        """Write what rounds have learned into the session's folder, and note that it serves."""
        folder, models = self._keeping.models_folder(), self._bench.models
        if folder is None or self._model() is None:
            return

        def save() -> Path | StorageError | None:
            try:
                check_there(folder.parent)  # where that was moved, its folder would be made anew at the old place
                return models.predictor().save(folder)
            except StorageError as error:
                return error

        job = Job(JobKind.PROMPT, save, key="model")  # not of a kind that is cancelled when suggestions are
        self._bench.dispatch.send(job, "Keeping what was learned", self._on_saved)

    def _on_saved(self, outcome: Outcome) -> None:
        if isinstance(outcome.value, StorageError):
            self._behind[LEARNED], self._said = None, str(outcome.value)
            self.problem.emit(self._said)
        elif outcome.state == "failed":
            self._behind[LEARNED] = None
        elif outcome.state == "done":
            self._behind.pop(LEARNED, None)
            self.serving(cast("Path | None", outcome.value))

    def _pay(self, frame_id: str) -> None:
        """What was learned and the disk did not take is written again behind the next accept."""
        if LEARNED in self._behind and self._bench.session.status(frame_id) is FrameStatus.ACCEPTED:
            self.learned()
