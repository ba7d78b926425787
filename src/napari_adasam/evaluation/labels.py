"""The study ``labels``: prompt-free Dice before a round, and after a round on the first N accepted images.

Labelled images and test images are of different groups, none of which the starting model has seen; no image of a test
group is in the round at all. A round learns from all N images, as the command ``train`` does, unless ``gated`` is asked
for: then some of them are held out and the student may be refused, as in the window. The rows say which it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.overlap import dice
from napari_adasam.domain.rounds import RoundProgress
from napari_adasam.domain.settings import ModelSettings, TrainSettings
from napari_adasam.domain.splits import seeded_order, split_groups
from napari_adasam.domain.structures import Structure
from napari_adasam.evaluation.metrics import hd95
from napari_adasam.evaluation.prompts import prompt_free
from napari_adasam.evaluation.subjects import Names, structures_of, subjects, unseen_ids
from napari_adasam.files.dataset import Dataset
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.trainer import RoundTrainer
from napari_adasam.services.training import labelled_frames, run_round, unlabelled_frames


@dataclass(frozen=True, slots=True)
class LabelsPlan:
    """Which images play which part, for one seed: IDs."""

    labelled: tuple[str, ...]
    unlabelled: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rounds:
    """The rounds of a study: how many labelled images each has, their settings, one a seed, and whether the gate is on.

    With the gate some of the labelled images are held out, and the student may be refused.
    """

    labels: int
    train: tuple[TrainSettings, ...]
    gated: bool = False


def plan(dataset: Dataset, unseen: Sequence[str], labels: int, seed: int) -> LabelsPlan:
    """Test on the held-back groups; label the first images, in seeded group order, of the other unseen groups.

    Where those are too few, held-back groups are labelled from and leave the test. Unlabelled images come from all
    groups that are not tested on.

    Raises
    ------
    InputError
        If there are too few unseen images to label so many and still test.
    """
    back = set(split_groups(dataset.groups.values()).held_back)
    groups = seeded_order({dataset.groups[key] for key in unseen}, seed)
    order = sorted(groups, key=lambda group: group in back)  # stable: the seeded order within each half
    labelled: list[str] = []
    used: set[str] = set()
    for group in order:
        if len(labelled) >= labels:
            break
        used.add(group)
        labelled += [key for key in unseen if dataset.groups[key] == group]
    test = [key for key in unseen if dataset.groups[key] in back - used]
    if len(labelled) < labels or not test:
        raise InputError(
            f"{dataset.folder} has {len(unseen)} images in groups that the model has not seen: too few to label "
            f"{labels} and test on others. Nothing was written. Ask for fewer labels, or give another data set."
        )
    tested = {dataset.groups[key] for key in test}
    rest = [key for key in dataset.ids if dataset.groups[key] not in tested and key not in labelled[:labels]]
    rng = np.random.default_rng(seed)
    return LabelsPlan(tuple(labelled[:labels]), tuple(rng.permutation(rest)), tuple(test))


def study(
    folder: Dataset,
    model: ModelSettings,
    rounds: Rounds,
    names: Names,
    on_progress: Callable[[str, RoundProgress | None], None],
) -> list[dict[str, Any]]:
    """Rows before (``labels`` 0) and after a round, for each seed.

    Of the ``labels`` images, ``held_out`` were not learned from; ``accepted`` is whether the student serves, and so
    whether the row is its own or the starting model's again. Both are ``None`` before the round.
    """
    rows: list[dict[str, Any]] = []
    for settings in rounds.train:
        predictor = ModelPredictor(model)
        unseen = unseen_ids(folder, predictor.net.card.trained_on, "unseen")
        parts = plan(folder, unseen, rounds.labels, settings.seed)
        structures = structures_of(folder, parts.labelled, names, predictor.net.card.structures)
        before = {"labels": 0, "held_out": None, "accepted": None, "seed": settings.seed, "seconds": 0.0}
        rows += _measure(predictor, folder, parts, structures, before)
        on_progress(f"seed {settings.seed}: before the round", None)
        trainer = RoundTrainer(predictor, settings, gated=rounds.gated)
        report = run_round(
            trainer,
            labelled_frames(folder, parts.labelled),
            unlabelled_frames(folder, parts.unlabelled[: settings.max_unlabelled]),
            structures,
            lambda event, seed=settings.seed: on_progress(f"seed {seed}", event),  # type: ignore[misc]
        )
        after = {
            "labels": len(parts.labelled),
            "held_out": report.held_out,
            "accepted": report.accepted,
            "seed": settings.seed,
            "seconds": report.seconds,
        }
        rows += _measure(predictor, folder, parts, structures, after)
    return [{"method": rounds.train[0].method, **row} for row in rows]


def _measure(
    predictor: ModelPredictor,
    dataset: Dataset,
    parts: LabelsPlan,
    structures: Sequence[Structure],
    about: dict[str, Any],
) -> list[dict[str, Any]]:
    found: dict[int, list[tuple[float, float]]] = {s.value: [] for s in structures}
    for subject in subjects(dataset, parts.test):
        for suggestion in prompt_free(predictor, subject.frame_id, subject.pixels, structures):
            truth = subject.labels == suggestion.structure
            found[suggestion.structure].append((dice(suggestion.mask, truth), hd95(suggestion.mask, truth)))
    return [
        {
            **about,
            "structure": str(s.value),
            "name": s.name,
            "dice": float(np.mean([d for d, _ in found[s.value]])),
            "hd95": float(np.mean([h for _, h in found[s.value]])),
            "n": len(parts.test),
        }
        for s in structures
    ]
