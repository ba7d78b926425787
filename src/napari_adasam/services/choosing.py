"""What is chosen for a session is kept with it, and holds again when it is reopened; on which device it computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from psygnal import Signal

from napari_adasam.domain.choices import Choices
from napari_adasam.domain.settings import ModelSettings, Settings
from napari_adasam.services.keeping import Keeping
from napari_adasam.services.lane import Job, JobKind, Outcome
from napari_adasam.services.library import is_here
from napari_adasam.services.recording import Recording
from napari_adasam.services.suggesting import Suggesting
from napari_adasam.services.workbench import Workbench


class Choosing:
    """Takes up, keeps and falls back. GUI thread.

    A model that the window was started with, other than the usual one, goes before the one that the session had.
    """

    changed = Signal()
    """Other settings hold, and nobody has set them here."""
    problem = Signal(str)

    def __init__(self, bench: Workbench, keeping: Keeping, suggesting: Suggesting, recording: Recording) -> None:
        self._bench, self._keeping = bench, keeping
        self._suggesting, self._recording = suggesting, recording
        self._given = bench.settings.model != ModelSettings()
        self._instead: ModelSettings | None = None
        """What serves where the session's own model cannot be loaded."""
        self._away: Choices | None = None
        """What was chosen in the session, while something else serves instead."""
        keeping.choices = Choices.of(bench.settings)
        suggesting.not_loaded.connect(self._fall_back)
        bench.dispatch.device_lost.connect(self._go_on_with_processor)

    def keep(self) -> None:
        """Note what is chosen now; a model that is only away stays chosen."""
        chosen, away, instead = Choices.of(self._bench.settings), self._away, self._instead
        if away is not None and instead is not None and chosen.model == instead.name:
            chosen = replace(chosen, model=away.model, base=away.base)
        elif away is not None and chosen.model != away.model:
            self._away = None
        self._recording.attempt(lambda: self._keeping.choose(chosen), "choices", stays=True)

    def stay(self) -> None:
        """What serves has learned in this session: it is what is chosen now, also where it stood in for another."""
        self._away = None
        self.keep()

    def take_up(self) -> None:
        """Let what was chosen in the session that was reopened hold again."""
        choices, self._bench.choices = self._bench.choices, None
        if choices is None:
            return
        before, here = self._bench.settings, is_here(choices.model)
        after = choices.within(before, model=here and not self._given)
        if not self._given and choices.model != before.model.name:
            self._instead, self._away = before.model, choices
        if after != before:
            self._set(after)
            self.changed.emit()
        if self._away is not None and not here:
            self._say_what_serves(self._away, before.model)
        self.keep()

    def _go_on_with_processor(self) -> None:
        """The device was lost: compute on the processor, with what was learned as far as it is on the disk."""
        model, settings = self._suggesting.model, self._bench.settings
        if settings.model.device == "cpu" or (model is not None and model.device == "cpu"):
            return
        folder = self._keeping.models_folder()
        learned = None if folder is None or model is None else folder / f"{model.fingerprint}.safetensors"
        self._bench.restored = learned if learned is not None and learned.exists() else None
        self._set(replace(settings, model=replace(settings.model, device="cpu")), "Going on with the processor")

    def _set(self, settings: Settings, doing: str = "Changing the model") -> None:
        """Set, and load another model when it is next needed; what is loaded now is not waited for."""
        other = settings.model != self._bench.settings.model
        self._bench.settings = settings
        models = self._bench.models
        job = Job(JobKind.PROMPT, lambda: models.replace(None, None, keep_predictor=not other), key="model")
        self._bench.dispatch.send(job, doing, _ignore)
        if other:
            self._suggesting.start_over(self._bench.restored)

    def _fall_back(self) -> None:
        """The session's model cannot be loaded: serve the usual one, or the one that served before."""
        settings, away = self._bench.settings, self._away
        if away is None or self._instead is None or settings.model.name == self._instead.name:
            return
        self._say_what_serves(away, self._instead)
        self._set(replace(settings, model=self._instead))
        self.changed.emit()

    def _say_what_serves(self, away: Choices, instead: ModelSettings) -> None:
        self.problem.emit(
            f"The model that was chosen in this session, {Path(away.model).name}, cannot be had now; "
            f"{Path(instead.name).name} serves in its place. Nothing that is accepted is changed."
        )


def _ignore(outcome: Outcome) -> None:
    """A failure was told already; there is nothing else to do."""
