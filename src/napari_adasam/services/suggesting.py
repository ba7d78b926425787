"""Suggestions: for the frame on the screen, for the next ones ahead of need, and anew when the model has changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from psygnal import Signal

from napari_adasam.domain.records import Suggestion
from napari_adasam.domain.settings import PromptSettings
from napari_adasam.domain.steps import CLOSED
from napari_adasam.domain.structures import Structure
from napari_adasam.services.lane import Job, JobKind, Outcome
from napari_adasam.services.ports import ModelInfo
from napari_adasam.services.torch_start import look_at_what_is_new
from napari_adasam.services.workbench import Workbench

AHEAD = 2


class Suggesting:
    """Asks for suggestions and lays them into the session. GUI thread.

    Parameters
    ----------
    coming
        Gives the ids of the frames that will be shown next, likeliest first.
    """

    model_changed = Signal(ModelInfo)
    not_loaded = Signal()
    """The model of the settings could not be loaded, which was told."""

    def __init__(self, bench: Workbench, coming: Callable[[], Sequence[str]]) -> None:
        self._bench = bench
        self._coming = coming
        self._loading: int | None = None
        self._pending: dict[str, int] = {}
        self._stale: set[str] = set()
        self.model: ModelInfo | None = None
        self.not_served: Path | None = None
        """What an earlier sitting has learned, and could not be served: it may belong to a model that is not set."""

    def load(self) -> None:
        """Load the model, if it is not, and what the session has learned; suggestions for the current frame follow."""
        if self._loading is not None:
            return
        if self.model is None:
            models = self._bench.models
            job = Job(JobKind.SUGGEST, models.loading, key="model")
            self._loading = self._bench.dispatch.send(job, "Loading the model", self._on_loaded)
        elif self._bench.restored is not None:  # the model was loaded before the session was opened
            self._restore_or_serve(self.model)

    def ask(self, frame_id: str, kind: JobKind = JobKind.SUGGEST) -> None:
        """Ask for a frame's suggestions, whether it has some or not; not for an accepted or skipped frame."""
        wanted = self._open_structures(frame_id)
        if self.model is None:
            self.load()
        if self.model is None or not wanted:
            return
        if frame_id in self._pending:
            self._bench.dispatch.cancel(self._pending.pop(frame_id))
        revision = self._bench.session.revision(frame_id)
        job = Job(kind, self._work(frame_id, wanted, kind), frame_id, revision)
        doing = "Suggesting outlines for" if kind is JobKind.SUGGEST else "Preparing the next image,"
        self._pending[frame_id] = self._bench.dispatch.send(job, f"{doing} {self._bench.stem(frame_id)}", self._on_end)

    def ask_if_needed(self, frame_id: str, kind: JobKind = JobKind.SUGGEST) -> None:
        """The same, unless the frame has suggestions of the serving model, or they are on their way."""
        asked_ahead = frame_id in self._pending and kind is JobKind.EMBED
        if not asked_ahead and self._needs(frame_id):
            self.ask(frame_id, kind)

    def ask_ahead(self) -> None:
        """Prepare the next frames, behind everything else but learning."""
        if self.model is not None:
            for frame_id in self._coming()[:AHEAD]:
                self.ask_if_needed(frame_id, JobKind.EMBED)

    def renew(self, model: ModelInfo | None = None) -> None:
        """Suggestions are stale: renew the current frame's, then the next ones', the others when they are visited."""
        session = self._bench.session
        self.cancel()
        self._stale = {frame.id for frame in session.frames if session.scores(frame.id)}
        if model is not None:
            self.not_served = None
            self.serve(model)
        self.show_current()

    def start_over(self, restored: Path | None) -> None:
        """Load the model anew, and after it what was learned, if that is on the disk; then renew suggestions."""
        session = self._bench.session
        self.cancel()
        self._stale = {frame.id for frame in session.frames if session.scores(frame.id)}
        self.model, self._bench.restored = None, restored
        self.show_current()

    def serve(self, model: ModelInfo) -> None:
        """Take note of what serves now."""
        self.model = model
        self.model_changed.emit(model)

    def show_current(self) -> None:
        """See to it that the current frame gets its suggestions, and the next ones after it."""
        current = self._bench.session.current
        if current is None:
            return
        self.load()
        if passed := self._pending.keys() - {current}:
            for frame_id in passed.difference(self._coming()[:AHEAD]):  # nobody waits for these any more
                self._bench.dispatch.cancel(self._pending.pop(frame_id))
        self.ask_if_needed(current)
        if current not in self._pending:
            self.ask_ahead()

    def cancel(self) -> None:
        """Stop all suggestions that are on their way."""
        self._pending.clear()
        self._loading = None
        self._bench.dispatch.cancel(JobKind.SUGGEST)
        self._bench.dispatch.cancel(JobKind.EMBED)

    # ------------------------------------------------------------------------------------------------------------------

    def _needs(self, frame_id: str) -> bool:
        if self._bench.session.propagated(frame_id) is not None:
            return False  # its masks came from a frame that a person has vouched for
        has = set(self._bench.session.scores(frame_id)) if frame_id not in self._stale else set()
        return any(one.value not in has for one in self._open_structures(frame_id))

    def _open_structures(self, frame_id: str) -> tuple[Structure, ...]:
        session = self._bench.session
        if session.status(frame_id) in CLOSED:
            return ()
        touched = session.touched(frame_id)
        return tuple(one for one in session.structures if one.value not in touched)

    def _work(self, frame_id: str, wanted: Sequence[Structure], kind: JobKind) -> Callable[[], list[Suggestion]]:
        """The job: a structure that the clinician ticked as present is prompted for, whatever the classifier thinks.

        Where nobody waits for it, what the first click will need is made ready, too.
        """
        bench, prompts = self._bench, self._bench.settings.prompts
        ticks = bench.session.ticks(frame_id)
        usual = [one for one in wanted if ticks.get(one.value) is not True]
        surely = [one for one in wanted if ticks.get(one.value) is True]
        parts = [(group, use) for group, use in ((usual, prompts), (surely, _always(prompts))) if group]

        def work() -> list[Suggestion]:
            predictor, pixels = bench.models.predictor(), bench.sources.grey(frame_id)
            found = [one for group, use in parts for one in predictor.suggest(frame_id, pixels, group, use)]
            if kind is JobKind.EMBED:
                predictor.prepare(frame_id, pixels)
                if not bench.sources.at_hand(frame_id):
                    bench.sources.fetch(frame_id)
            return found

        return work

    def _on_loaded(self, outcome: Outcome) -> None:
        if outcome.job_id != self._loading or not outcome.ended:
            return
        self._loading = None
        if outcome.state == "done":
            if not self._bench.session.frames:
                look_at_what_is_new()  # while nobody waits for anything
            self._restore_or_serve(cast(ModelInfo, outcome.value))
        elif outcome.state == "failed":
            self.not_loaded.emit()

    def _restore_or_serve(self, base: ModelInfo) -> None:
        """Serve what an earlier sitting has learned, if there is such a model and it can be read; else the base."""
        path, self._bench.restored = self._bench.restored, None
        if path is None:
            self.serve(base)
            self.show_current()
            return
        models = self._bench.models

        def receive(outcome: Outcome) -> None:
            if outcome.job_id == self._loading:
                self._loading = None
                self.not_served = path if outcome.state == "failed" and path.exists() else None
                self.serve(cast(ModelInfo, outcome.value) if outcome.state == "done" else base)
                self.show_current()

        # Not of a kind that is cancelled when suggestions are.
        job = Job(JobKind.PROMPT, lambda: models.restore(path), key="model")
        self._loading = self._bench.dispatch.send(job, "Loading what was learned", receive)

    def _on_end(self, outcome: Outcome) -> None:
        frame_id, session = outcome.key, self._bench.session
        if self._pending.get(frame_id) != outcome.job_id:
            return
        del self._pending[frame_id]
        if outcome.state != "done":
            return
        if session.propose(frame_id, cast("list[Suggestion]", outcome.value), outcome.revision):
            self._stale.discard(frame_id)
        if frame_id != session.current:
            return
        if outcome.revision != session.revision(frame_id):
            self.ask_if_needed(frame_id)
        if frame_id not in self._pending:
            self.ask_ahead()


def _always(prompts: PromptSettings) -> PromptSettings:
    return replace(prompts, presence=0.0, use_neighbours=False)  # a tick says nothing of the slices beside it
