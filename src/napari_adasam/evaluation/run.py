"""The command ``evaluate``: which images, which model, and the JSON that comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_adasam.domain.queue import Order
from napari_adasam.domain.rounds import RoundProgress
from napari_adasam.domain.settings import ModelSettings, Settings, TrainSettings
from napari_adasam.evaluation import labels, prompts, session
from napari_adasam.evaluation.subjects import Names, Part, structures_of, subjects, unseen_ids
from napari_adasam.files.atomic import write_whole
from napari_adasam.files.dataset import Dataset
from napari_adasam.services.predictor import ModelPredictor

OnProgress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """What ``evaluate`` is asked for.

    Parameters
    ----------
    part
        ``unseen``: all groups of which the model saw no image; ``held-back``: only those that no bundled training sees,
        so that several models are measured on the same images; ``validation``: only those that models are chosen on.
    against
        Models to measure in the same run, on the same images.
    names
        Structure names by label value, where the data set's own are not known.
    limit
        At most this many images, the first in natural order; ``None`` for all.
    clicks
        Whether to count clicks to IoU 0.90, the slow part.
    labels, seeds
        Of the study ``labels``: accepted images of a round, and its seeds.
    gated
        Of the study ``labels``: hold some of them out and let the gate decide, as the window does.
    orders, learning
        Of the study ``session``: the orders, and whether the model learns; a pass through the images for each of both,
        and for each seed.
    """

    model: ModelSettings = field(default_factory=ModelSettings)
    part: Part = "unseen"
    names: Names = ()
    limit: int | None = None
    clicks: bool = True
    against: tuple[ModelSettings, ...] = ()
    labels: int = 10
    seeds: tuple[int, ...] = (0,)
    train: TrainSettings = field(default_factory=TrainSettings)
    gated: bool = False
    orders: tuple[Order, ...] = ("active", "random", "file")
    learning: tuple[bool, ...] = (True, False)


def run_prompts(folder: Path, options: StudyOptions, on_progress: OnProgress) -> dict[str, Any]:
    """The study ``prompts`` on a data set."""
    dataset = Dataset.open(folder)
    predictors = [ModelPredictor(one) for one in (options.model, *options.against)]
    seen = frozenset[str]().union(*(one.net.card.trained_on for one in predictors))
    ids = unseen_ids(dataset, seen, options.part)[: options.limit]
    structures = structures_of(dataset, ids, options.names, predictors[0].net.card.structures)
    chosen = list(subjects(dataset, ids))
    rows: list[dict[str, Any]] = []
    for predictor in predictors:
        own = {"model": predictor.settings.name, "input_size": predictor.net.sam.size}
        found = prompts.study(predictor, chosen, structures, options.clicks, on_progress)
        rows += [own | row for row in found] if options.against else found
    return _answer("prompts", predictors[0], options, rows)


def run_labels(folder: Path, options: StudyOptions, on_progress: OnProgress) -> dict[str, Any]:
    """The study ``labels`` on a data set: before and after a round, for each seed."""
    dataset = Dataset.open(folder)
    train = tuple(replace(options.train, seed=seed) for seed in options.seeds)
    rounds = labels.Rounds(options.labels, train, options.gated)

    def on_event(what: str, event: RoundProgress | None) -> None:
        on_progress(event.step if event else 0, event.steps if event else options.train.steps, what)

    rows = labels.study(dataset, options.model, rounds, options.names, on_event)
    return _answer("labels", ModelPredictor(options.model), options, rows)


def run_sessions(folder: Path, options: StudyOptions, on_progress: OnProgress) -> dict[str, Any]:
    """The study ``session`` on a data set."""
    settings = Settings(options.model, train=options.train)
    passes = [(one, learn, seed) for seed in options.seeds for learn in options.learning for one in options.orders]
    rows = session.study(folder, settings, (options.part, options.names, options.limit), passes, on_progress)
    return _answer("session", ModelPredictor(options.model), options, rows)


def _answer(study: str, predictor: ModelPredictor, options: StudyOptions, rows: list[dict[str, Any]]) -> dict[str, Any]:
    info = predictor.info()
    return {
        "study": study,
        "model": options.model.name,
        "fingerprint": info.fingerprint,
        "input_size": predictor.net.sam.size,
        "device": info.device,
        "rows": rows,
    }


STUDIES_BY_NAME = {"prompts": run_prompts, "labels": run_labels, "session": run_sessions}


def write_json(path: Path, result: dict[str, Any]) -> None:
    """Write a study's result whole or not at all; raises StorageError."""
    write_whole(path, json.dumps(result, ensure_ascii=False, indent=2).encode())
