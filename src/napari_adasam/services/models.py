"""The predictor and the trainer, made on the lane's thread when they are first needed."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

from napari_adasam.services.ports import ModelInfo, Predictor, Trainer
from napari_adasam.services.torch_start import keep_triton_out, no_collections

Making = Generator[None, None, Predictor]
MakePredictor = Callable[[], Predictor | Making]
"""Makes a predictor, or gives a generator that makes one in steps."""
MakeTrainer = Callable[[Predictor], Trainer]


class Models:
    """Owner of what computes. Every method runs on the lane's thread."""

    def __init__(self, make_predictor: MakePredictor, make_trainer: MakeTrainer) -> None:
        self._make_predictor = make_predictor
        self._make_trainer = make_trainer
        self._predictor: Predictor | None = None
        self._trainer: Trainer | None = None
        self._restored = False
        self._wanted = object()
        """Stands for the predictor that is wanted now; another one as soon as that is another."""

    def predictor(self) -> Predictor:
        """The predictor; made, and torch imported, at the first call."""
        if self._predictor is None:
            keep_triton_out()
            self._predictor = _made(self._make_predictor())
        return self._predictor

    def loading(self) -> Generator[None, None, ModelInfo]:
        """The predictor's making and the loading of its weights in steps, for a job that others go before."""
        if self._predictor is None:
            keep_triton_out()
            wanted, made = self._wanted, self._make_predictor()
            self._keep((yield from made) if isinstance(made, Generator) else made, wanted)
        with no_collections():
            return self.predictor().info()

    def _keep(self, made: Predictor, wanted: object) -> None:
        """Keep what was made in steps, unless a click has made one in between, or another one is wanted now."""
        if self._predictor is None and self._wanted is wanted:
            self._predictor = made

    def restore(self, path: Path) -> ModelInfo:
        """Serve what an earlier sitting has learned; only once, for what is learned since comes after it.

        Raises what :meth:`Predictor.restore` raises.
        """
        predictor = self.predictor()
        if not self._restored:
            predictor.restore(path)
            self._restored = True
        return predictor.info()

    def trainer(self) -> Trainer:
        """The trainer, made from the predictor."""
        if self._trainer is None:
            self._trainer = self._make_trainer(self.predictor())
        return self._trainer

    def replace(
        self, make_predictor: MakePredictor | None, make_trainer: MakeTrainer | None, keep_predictor: bool
    ) -> None:
        """Make the trainer anew when it is next needed, and the predictor too unless it is kept."""
        self._make_predictor = make_predictor or self._make_predictor
        self._make_trainer = make_trainer or self._make_trainer
        self._trainer = None
        if not keep_predictor:
            self._predictor, self._restored, self._wanted = None, False, object()

    def exchange(self, make_predictor: MakePredictor | None, make_trainer: MakeTrainer | None) -> ModelInfo:
        """Load another predictor, and only then let go of the one in use; returns what serves.

        Raises what loading raises: then everything is as it was.
        """
        make = make_predictor or self._make_predictor
        other = _made(make())
        info = other.info()
        self._make_predictor, self._make_trainer = make, make_trainer or self._make_trainer
        self._predictor, self._trainer, self._restored = other, None, False
        return info


def _made(made: Predictor | Making) -> Predictor:
    """The predictor; steps are taken at once."""
    if not isinstance(made, Generator):
        return made
    while True:
        try:
            next(made)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
