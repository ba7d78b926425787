"""The command ``evaluate``: which images, which model, and the JSON that comes of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.queue import Order
from napari_adasam.domain.settings import LearnSettings, ModelSettings, PromptSettings, Settings, TrainSettings
from napari_adasam.evaluation import labels, methods, prompts, propagation, report, saved_work, volumes
from napari_adasam.evaluation.elsewhere import ElsewhereBench
from napari_adasam.evaluation.oracle import Rules
from napari_adasam.evaluation.session import SessionStudy, pass_of
from napari_adasam.evaluation.subjects import Names, Part, digest, seen_groups, structures_of, subjects, unseen_ids
from napari_adasam.files.atomic import write_whole
from napari_adasam.files.dataset import SLICES, Dataset
from napari_adasam.model import registry
from napari_adasam.services import neighbours
from napari_adasam.services.predictor import ModelPredictor

SAME_STUDY = (
    "study",
    "fingerprint",
    "input_size",
    "sector",
    "structures",
    "dataset",
    "contents",
    "device",
    "tested_on",
    "test_dataset",
    "test_contents",
    "limit",
    "gated",
    "settings",
)
"""What a file must have in common with a study that goes on from it. One that lacks some of it is of another study."""
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
        At most so many, ``None`` for all. Of the study ``prompts``: images, the first in natural order; of ``labels``:
        images that each training is tested on (with ``volumes``: volumes); of ``session``: images of a pass, whole
        groups in the seed's order; of ``propagation``: volumes.
    clicks
        Whether to count clicks to IoU 0.90, the slow part.
    methods, labels, seeds, train, prompts
        Of the study ``labels``: each method (:mod:`methods`) at each number of labelled images with each seed; rounds
        start from these settings, and a method's own changes come on top. ``prompts`` are of the study ``prompts`` too.
    said
        Names of the settings in ``train`` that are somebody's wish. If ``steps`` are not, the usual ones go by the
        number of labels; if ``image_labels`` is not, there are no ticks.
    ablation
        Also the method ``adasam`` with each of its parts switched.
    resume
        A file with what a stopped run has measured already; it is written again after each training or pass.
    test
        Of the study ``labels``: another data set, on which each training is tested.
    gated
        Of the study ``labels``: hold some of them out and let the gate decide, as the window does.
    volumes, boxes
        Of the study ``labels``: its numbers of labels are numbers of volumes, all of whose slices are labelled; and
        whether what a box around the truth in each slice gives is measured there, too.
    orders, learning
        Of the study ``session``: the orders, and whether the model learns; a pass through the images for each of both,
        and for each seed.
    learn
        Of the study ``session``: when rounds start, and what the gate allows.
    frames
        Of the study ``propagation``: how many a drawn clip has; ``seeds`` are the clips.
    """

    model: ModelSettings = field(default_factory=ModelSettings)
    part: Part = "unseen"
    names: Names = ()
    limit: int | None = None
    clicks: bool = True
    against: tuple[ModelSettings, ...] = ()
    methods: tuple[str, ...] = ("start", "adasam")
    labels: tuple[int, ...] = (10,)
    seeds: tuple[int, ...] = (0,)
    said: frozenset[str] = frozenset()
    ablation: bool = False
    resume: Path | None = None
    train: TrainSettings = field(default_factory=TrainSettings)
    prompts: PromptSettings = field(default_factory=PromptSettings)
    test: Path | None = None
    gated: bool = False
    volumes: bool = False
    boxes: bool = False
    orders: tuple[Order, ...] = ("active", "random", "file")
    learning: tuple[bool, ...] = (True, False)
    learn: LearnSettings = field(default_factory=LearnSettings)
    frames: int = 200


def run_prompts(folder: Path, options: StudyOptions, on_progress: OnProgress) -> dict[str, Any]:
    """The study ``prompts`` on a data set."""
    dataset = Dataset.open(folder, slices=SLICES)
    predictors = [ModelPredictor(one) for one in (options.model, *options.against)]
    for predictor in predictors:
        predictor.neighbours = neighbours.of_dataset(dataset)
    seen = frozenset[str]().union(*(one.net.card.trained_on for one in predictors))
    ids = unseen_ids(dataset, seen, options.part)[: options.limit]
    structures = structures_of(dataset, ids, options.names, predictors[0].net.card.structures)
    chosen = list(subjects(dataset, ids))
    rows: list[dict[str, Any]] = []
    for predictor in predictors:
        own = {"model": predictor.settings.name, "input_size": predictor.net.sam.size}
        found = prompts.study(predictor, chosen, structures, options.clicks, on_progress, options.prompts)
        rows += [own | row for row in found] if options.against else found
    return _answer("prompts", predictors[0], options, rows)


def run_labels(folder: Path, options: StudyOptions, on_progress: OnProgress) -> dict[str, Any]:
    """The study ``labels`` on a data set, or on whole volumes of one (``volumes``).

    What ``resume`` holds is not run again, and grows with each training.
    """
    base = Settings(model=options.model, prompts=options.prompts, train=options.train)
    texts = [*options.methods, *(methods.ablation(base) if options.ablation else [])]
    study = labels.LabelsStudy(
        tuple(methods.choice_of(text, base, options.said) for text in dict.fromkeys(texts)),
        tuple(dict.fromkeys(options.labels)),  # the same training twice would pass for two seeds
        options.seeds,
        base,
        options.gated,
        "validation" if options.part == "validation" else "held-back",
        options.limit,
        options.boxes,
    )
    dataset = Dataset.open(folder, slices=volumes.ALL_SLICES if options.volumes else SLICES)
    about = _about(dataset, options) | {"tested_on": study.part, "gated": options.gated}
    bench: labels.LabelsBench
    if options.test is None:
        bench = (volumes.VolumesBench if options.volumes else labels.LabelsBench)(dataset, options.names, study)
    else:
        other = Dataset.open(options.test, slices=SLICES)
        bench = ElsewhereBench(dataset, options.names, study, other, options.part)
        about |= {"tested_on": options.part, "test_dataset": other.folder.name, "test_contents": digest(other)}
    what = "volumes" if options.volumes else "labels"
    result = _answer(what, ModelPredictor(options.model), options, []) | about
    rows = _measured_before(options.resume, result, labels.key_of)
    for new in bench.rows({labels.key_of(row) for row in rows}, on_progress):
        rows += new
        if options.resume is not None:
            write_json(options.resume, result | {"rows": rows})
    return result | {"rows": rows, "summary": report.summary(rows)}


def default_start(folder: Path) -> ModelSettings:
    """Weights for the study ``labels`` that have seen nothing of a data set.

    The bundled model where that is so; else MobileSAM at the bundled model's size.
    """
    bundled = ModelSettings()
    dataset, net = Dataset.open(folder, slices=SLICES), registry.load(bundled)
    if seen_groups(dataset, net.card.trained_on):
        return ModelSettings("mobile_sam", net.sam.size)
    return bundled


def _measured_before(
    path: Path | None, result: dict[str, Any], key_of: Callable[[dict[str, Any]], object]
) -> list[dict[str, Any]]:
    """The rows of a stopped run; InputError where the file is of another study."""
    if path is None or not path.is_file():
        return []
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        same = all(before[key] == result[key] for key in SAME_STUDY if key in result)
        rows: list[dict[str, Any]] = before["rows"] if same else []
        keyed = [key_of(row) for row in rows]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        same, keyed = False, []
    if not same or len(keyed) != len(rows):
        raise InputError(
            f"{path} is not what a stopped run of this study has left: it is of another data set, model or device, "
            "tested on other images, or another kind of file. It is unchanged. Give --json another name."
        )
    return rows


def run_sessions(folder: Path, options: StudyOptions, on_progress: OnProgress) -> dict[str, Any]:
    """The study ``session`` on a data set. What ``resume`` holds is not run again, and grows with each pass."""
    settings = Settings(options.model, options.prompts, options.train, options.learn)
    passes = [(one, learn, seed) for seed in options.seeds for learn in options.learning for one in options.orders]
    study = SessionStudy(folder, settings, options.part, options.names, options.limit, passes)
    exact = hashlib.sha256(f"{options.prompts} {options.train} {options.learn} {Rules()}".encode()).hexdigest()[:12]
    about = _about(Dataset.open(folder), options) | {"tested_on": options.part, "settings": exact}
    result = _answer("session", ModelPredictor(options.model), options, []) | about
    rows = _measured_before(options.resume, result, pass_of)
    for row in study.rows(rows, on_progress):
        rows.append(row)
        if options.resume is not None:
            write_json(options.resume, result | {"rows": rows})
    result |= {"rows": rows}
    return result | {"summary": saved_work.summary([result])}


def _about(dataset: Dataset, options: StudyOptions) -> dict[str, Any]:
    """What a study that can be gone on with is about, beside its model; of :data:`SAME_STUDY`."""
    return {
        "dataset": dataset.folder.name,
        "contents": digest(dataset),
        "limit": options.limit,
        "sector": options.model.use_sector,
        "structures": {str(value): name for value, name in options.names},
    }


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


def run_propagation(folder: Path, options: StudyOptions, on_progress: OnProgress) -> dict[str, Any]:
    """The study ``propagation`` on the volumes of a data set, or on drawn clips for the word phantom as its folder."""
    predictor = ModelPredictor(options.model)
    if folder.name == propagation.PHANTOM and not folder.exists():
        structures, films = propagation.structures_of_drawn(), propagation.drawn(options.seeds, options.frames)
    else:
        card = predictor.net.card
        which = (card.trained_on, options.part, options.names, options.limit)
        structures, films = propagation.volumes(folder, *which, card.structures)
    rows = propagation.study(predictor, films, structures, on_progress)
    return _answer("propagation", predictor, options, rows) | {"dataset": folder.name}


STUDIES_BY_NAME = {
    "prompts": run_prompts,
    "labels": run_labels,
    "session": run_sessions,
    "propagation": run_propagation,
}


def write_json(path: Path, result: dict[str, Any]) -> None:
    """Write a study's result whole or not at all; raises StorageError."""
    write_whole(path, json.dumps(result, ensure_ascii=False, indent=2).encode())
