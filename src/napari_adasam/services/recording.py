"""What is decided, drawn and learned reaches the session's folder; what the disk does not take is a sentence."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

from psygnal import Signal

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.rounds import RoundReport
from napari_adasam.files.schema import check_there
from napari_adasam.services.keeping import Keeping
from napari_adasam.services.lane import Job, JobKind, Outcome
from napari_adasam.services.ports import ModelInfo
from napari_adasam.services.walk import Walk
from napari_adasam.services.workbench import Workbench


class Recording:
    """Writes after each change. GUI thread; what was learned is written on the lane's thread.

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
        self._owed = False
        bench.session.status_changed.connect(self._pay)

    def attempt(self, write: Callable[[], object]) -> bool:
        """Write; ``False``, with a sentence, if the disk does not take it."""
        try:
            write()
        except AdasamError as error:
            self.problem.emit(str(error))
            return False
        return True

    def follow(self, frame_id: str) -> bool:
        """Write what was decided about a frame."""
        return self.attempt(lambda: self._keeping.follow(frame_id))

    def draft(self, frame_id: str) -> None:
        """Write work in progress, at the end of every stroke and with every answer."""
        self.attempt(lambda: self._keeping.draft(frame_id, self._walk.seconds(frame_id)))

    def place(self) -> None:
        """Note where one is."""
        self.attempt(lambda: self._keeping.place(self._walk.place))

    def leave(self) -> None:
        """Note where one was. Where the disk does not take that nothing is told: all work is there, or was told of."""
        with suppress(AdasamError):
            self._keeping.place(self._walk.place)

    def report(self, report: RoundReport) -> None:
        """Write the report of a round."""
        self.attempt(lambda: self._keeping.round(report))

    def serving(self, file: Path | None) -> None:
        """Note which model serves."""
        self.attempt(lambda: self._keeping.serving(file))

    def learned(self) -> None:
        """Write what rounds have learned into the session's folder, and note that it serves."""
        folder, models = self._keeping.models_folder(), self._bench.models
        if folder is None or self._model() is None:
            return

        def save() -> Path | None:
            check_there(folder.parent)  # where that was moved, its folder would be made anew at the old place
            return models.predictor().save(folder)

        job = Job(JobKind.PROMPT, save, key="model")  # not of a kind that is cancelled when suggestions are
        self._bench.dispatch.send(job, "Keeping what was learned", self._on_saved)

    def _on_saved(self, outcome: Outcome) -> None:
        self._owed = outcome.state == "failed"
        if outcome.state == "done":
            self.serving(cast("Path | None", outcome.value))

    def _pay(self, frame_id: str) -> None:
        """What was learned and the disk did not take is written again behind the next accept."""
        if self._owed and self._bench.session.status(frame_id) is FrameStatus.ACCEPTED:
            self._owed = False
            self.learned()
