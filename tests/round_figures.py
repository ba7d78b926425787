"""What rounds in a row make of a model, and whether the gate is right about them (docs/choices.md).

``python tests/round_figures.py DATASET BASE [--seeds 0,1] [--labels 5,10,15,20] [--set SETTING=VALUE ...]``: as in the
window, a round behind so many accepted images, each learning from all of them, gated; images are labelled by groups for
training, by their true masks. Every student, refused ones too, is measured prompt-free on the validation groups, which
no round sees; whole, and half way back to where it began. Prints a JSON line a round.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_adasam.domain.rounds import RoundProgress
from napari_adasam.domain.settings import LearnSettings, ModelSettings, Settings
from napari_adasam.domain.switches import with_settings
from napari_adasam.evaluation.labels import plan
from napari_adasam.evaluation.subjects import structures_of, unseen_ids
from napari_adasam.files.dataset import Dataset
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.checkpoints import Weights
from napari_adasam.services import trainer as trainer_module
from napari_adasam.services.descent import HALF_WAY, go_back
from napari_adasam.services.judging import Figures, Jury
from napari_adasam.services.material import alone
from napari_adasam.services.ports import LabelledFrame
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.trainer import RoundTrainer
from napari_adasam.services.training import labelled_frames, run_round, unlabelled_frames
from napari_adasam.services.views import Views

SPREAD = 3
"""From so many times as many images those are drawn that are labelled, so that few are of one group, as in a folder."""


class Watched(Jury):
    """A jury that also tells of students that it refuses."""

    student: tuple[AdaSam, Views]
    half_way: tuple[AdaSam, Views]

    def judge(
        self, student: AdaSam, views: Views, before: dict[int, float], start: Weights, settings: LearnSettings
    ) -> Generator[RoundProgress, None, tuple[dict[int, float], bool, str]]:
        Watched.student, Watched.half_way = (copy.deepcopy(student), views), (copy.deepcopy(student), views)
        go_back(Watched.half_way[0], start, HALF_WAY)
        return (yield from super().judge(student, views, before, start, settings))


def rows(dataset: Dataset, settings: Settings, seed: int, counts: Sequence[int]) -> Generator[dict[str, Any]]:
    """A row a round; ``student``, ``half_way``, ``serving``: what these do on test images, whatever the gate said."""
    predictor = ModelPredictor(settings.model)
    unseen = unseen_ids(dataset, predictor.net.card.trained_on, "unseen")
    parts = plan(dataset, unseen, SPREAD * max(counts), seed, "validation")
    labelled = np.random.default_rng(seed).permutation(parts.labelled)[: max(counts)]
    structures = structures_of(dataset, labelled, (), predictor.net.card.structures)
    test = labelled_frames(dataset, parts.test)
    accepted: list[LabelledFrame] = [  # in the window a group is a file
        replace(one, group=one.frame_id) for one in labelled_frames(dataset, labelled)
    ]
    rest = unlabelled_frames(dataset, parts.unlabelled[: settings.train.max_unlabelled])
    trainer = RoundTrainer(predictor, replace(settings.train, seed=seed), settings.learn, settings.prompts)
    trainer_module.Jury = Watched  # type: ignore[misc]

    def measured(net: AdaSam, views: Views) -> dict[str, Any]:
        found: Figures = {s.value: [] for s in structures}
        for frame in test:
            for value, figure in alone(net, views, frame, structures, settings.prompts).items():
                found[value].append(figure)
        return {
            "dice": {s.name: round(float(np.mean(found[s.value])), 3) for s in structures},
            "missed": {s.name: sum(one == 0 for one in found[s.value]) for s in structures},
        }

    for count in counts:
        report = run_round(trainer, accepted[:count], rest, structures, lambda _: None)
        yield {
            "seed": seed,
            "labels": count,
            "accepted": report.accepted,
            "held_out": report.held_out,
            "before": rounded(report.before),
            "after": rounded(report.after),
            "student": measured(*Watched.student),
            "half_way": measured(*Watched.half_way),
            "serving": measured(predictor.net, Views(predictor, predictor.net, predictor.cut)),
            "steps": len(report.losses),
            "seconds": round(report.seconds),
            "verdict": report.verdict,
        }


def rounded(figures: Any) -> dict[int, float]:
    return {value: round(one, 3) for value, one in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("base")
    parser.add_argument("--input-size", type=int)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--labels", default="5,10,15,20")
    parser.add_argument("--set", nargs="*", default=[], help="settings, as of methods: lr=0.0003")
    given = parser.parse_args()
    model = ModelSettings(given.base, given.input_size, device="cpu")
    settings = with_settings(Settings(model), given.set)
    for seed in map(int, given.seeds.split(",")):
        for row in rows(Dataset.open(given.dataset), settings, seed, [int(one) for one in given.labels.split(",")]):
            print(json.dumps(row), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
