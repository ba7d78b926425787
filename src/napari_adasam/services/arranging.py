"""What is settled once for a sitting: structures, settings, where it is kept, what is exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from napari_adasam.domain.export_formats import EVERYDAY
from napari_adasam.domain.settings import ModelSettings, Settings
from napari_adasam.domain.structures import Structure
from napari_adasam.services.exporting import ExportOrder
from napari_adasam.services.lane import Job, JobKind, Outcome
from napari_adasam.services.models import MakePredictor, MakeTrainer
from napari_adasam.services.ports import ModelInfo
from napari_adasam.services.sitting import Sitting


class Arranging(Sitting):
    """Every method runs on the GUI thread."""

    def set_structures(self, structures: Sequence[Structure]) -> None:
        """Replace the list of structures; suggestions for new ones are asked for."""
        if self._refused("set_structures"):
            return

        def change() -> None:
            self._session.check_structures(structures)
            self._keeping.structures(structures)
            self._session.set_structures(structures)

        self._recording.attempt(change, "structures")
        self._suggesting.show_current()

    def set_settings(
        self, settings: Settings, predictor: MakePredictor | None = None, trainer: MakeTrainer | None = None
    ) -> None:
        """Replace the settings whole; factories, if given, replace the constructor's.

        A changed model is loaded by the lane, which is not possible while a round is under way; if it cannot be loaded,
        the one in use stays. What concerns learning holds from the next round on.
        """
        if self._refused("set_settings"):
            return
        before = self._bench.settings
        other_model = settings.model != before.model or predictor is not None
        other_learn = replace(settings.learn, every=before.learn.every) != before.learn
        other_trainer = (settings.train, settings.prompts) != (before.train, before.prompts) or trainer is not None
        if self.training and other_model:
            self.problem.emit("A round is under way; wait for it or stop it, then change the model.")
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
            if other_model:  # of the one that is being loaded nothing more is wanted
                self._suggesting.start_over(self._bench.restored)
        self._choosing.keep()
        if settings.prompts != before.prompts:
            self._suggesting.renew()

    def keep_by_itself(self, home: Path) -> None:
        """Keep sessions that nobody chooses a folder for in folders below ``home``; else they are in memory only."""
        self._filing.home = home

    def save_as(self, folder: Path) -> bool:
        """Keep the session in a folder from now on, with all that is decided so far, and wait for it; for scripts.

        ``False``, with a sentence, if that fails.
        """
        return self._recording.attempt(lambda: self._copying.now(folder))

    def start_keeping(self, folder: Path) -> bool:
        """Begin to copy the session to a folder, beside the other work, and keep it there when it is whole.

        ``saved`` tells the end. ``False`` if refused.
        """
        return not self._refused("save_as") and self._copying.start(folder)

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

    def _refused(self, command: str) -> bool:
        """Whether a command is not possible now; if so, it is said why."""
        reason = self.why_not(command)
        if reason:
            self.problem.emit(reason)
        return bool(reason)

    def _current(self, command: str) -> str | None:
        return None if self._refused(command) else self._session.current

    def _on_exchanged(self, before: ModelSettings, outcome: Outcome) -> None:
        """Serve the other model; if it could not be loaded, which was told, the one before is set again.

        What an earlier sitting has learned and is not served yet may belong to it.
        """
        if outcome.state == "done":
            self._bench.restored = self._suggesting.not_served
            if self._bench.restored is None:
                self._recording.serving(None)
            self._suggesting.renew(cast(ModelInfo, outcome.value))
            return
        self._bench.settings = replace(self._bench.settings, model=before)
        self._choosing.keep()
        self._suggesting.show_current()

    def _ignore(self, outcome: Outcome) -> None:
        """A failure was told already; there is nothing else to do."""
