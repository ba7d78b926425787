"""The real annotator for a window, and the sample images. The model is made on the lane's thread, in its first job."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import cast

import platformdirs

from napari_adasam.domain.session import Session
from napari_adasam.domain.settings import Settings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.files import phantom
from napari_adasam.files.activations import ActivationStore, activations_home
from napari_adasam.files.home import sessions_home
from napari_adasam.services.annotator import Annotator
from napari_adasam.services.lane import Outcome
from napari_adasam.services.ports import Predictor, Trainer
from napari_adasam.services.torch_start import imported_in_steps, no_collections, share_cores

SAMPLES = 8


def make_annotator(
    forward: Callable[[Outcome], None],
    settings: Settings = Settings(),
    home: Path | None = None,
    activations: Path | None = None,
) -> Annotator:
    """A new session with the muscle preset and the model of the settings; torch stays out until the first job.

    ``home`` keeps sessions that nobody chooses a folder for, ``activations`` what the encoder has computed of pictures;
    ``None``: such things are in memory only.
    """

    def load_predictor() -> Generator[None, None, Predictor]:
        share_cores()
        yield from imported_in_steps()
        with no_collections():
            from napari_adasam.services.predictor import ModelPredictor
        yield

        store = None if activations is None else ActivationStore(activations)
        return ModelPredictor(annotator.settings.model, annotator.regions, store, annotator.watch)

    def load_trainer(predictor: Predictor) -> Trainer:
        from napari_adasam.services.predictor import ModelPredictor
        from napari_adasam.services.process_trainer import ProcessTrainer

        now = annotator.settings
        return ProcessTrainer(cast(ModelPredictor, predictor), now.train, now.learn, now.prompts)

    annotator = Annotator(Session(MUSCLE_PRESET), load_predictor, load_trainer, settings, forward=forward)
    if activations is not None:
        annotator.watch.path = activations.parent / "speeds.json"
    if home is not None:
        annotator.keep_by_itself(home)
    return annotator


def make_kept_annotator(forward: Callable[[Outcome], None]) -> Annotator:
    """The same, kept in the user's data and cache folders from the first picture on."""
    return make_annotator(forward, home=sessions_home(), activations=activations_home())


def sample_paths() -> list[Path]:
    """The folder of drawn sample images, in the user's cache; drawn on first use. StorageError if the disk is full."""
    folder = Path(platformdirs.user_cache_dir("napari-adasam")) / f"samples-{SAMPLES}-mm"
    if len(list((folder / "images").glob("*.tif"))) < SAMPLES:
        phantom.write_samples(folder, SAMPLES, seed=1)
    return [folder / "images"]
