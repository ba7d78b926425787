"""What rounds in a row make of a model, and whether the gate is right about them (docs/choices.md).

``python tests/round_figures.py DATASET BASE [--seeds N] [--labels 5,10,15,20] [--set SETTING=VALUE ...]``: as in the
window, a round behind so many accepted images, each learning from all of them, gated; images are labelled by groups for
training, by their true masks. Every student, refused ones too, is measured prompt-free on the validation groups, which
no round sees. Prints a JSON line a round.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_adasam.domain.rounds import RoundProgress
from napari_adasam.domain.settings import ModelSettings, Settings
from napari_adasam.domain.structures import Structure
from napari_adasam.domain.switches import with_settings
from napari_adasam.evaluation.labels import plan
from napari_adasam.evaluation.subjects import structures_of, unseen_ids
from napari_adasam.files.dataset import Dataset
from napari_adasam.model.adasam import AdaSam
from napari_adasam.services.material import Material, alone
from napari_adasam.services.ports import LabelledFrame
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.trainer import Figures, RoundTrainer
from napari_adasam.services.training import labelled_frames, run_round, unlabelled_frames
from napari_adasam.services.views import Views

SPREAD = 3
"""From so many times as many images those are drawn that are labelled, so that few are of one group, as in a folder."""


class Watched(RoundTrainer):
    """A trainer that also tells of students that the gate refuses."""

    student: tuple[AdaSam, Views]

    def _measure(
        self, net: AdaSam, views: Views, material: Material, frames: Sequence[LabelledFrame], step: int
    ) -> Generator[RoundProgress, None, Figures]:
        if step:
            self.student = net, views
        return (yield from super()._measure(net, views, material, frames, step))


def rows(dataset: Dataset, settings: Settings, seed: int, counts: Sequence[int]) -> Generator[dict[str, Any]]:
    """A row a round; ``unseen`` is what its student does on the test images, ``serving`` what served before."""
    predictor = ModelPredictor(settings.model)
    unseen = unseen_ids(dataset, predictor.net.card.trained_on, "unseen")
    parts = plan(dataset, unseen, SPREAD * max(counts), seed, "validation")
    labelled = np.random.default_rng(seed).permutation(parts.labelled)[: max(counts)]
    structures = structures_of(dataset, labelled, (), predictor.net.card.structures)
    test = labelled_frames(dataset, parts.test)
    accepted = [replace(one, group=one.frame_id) for one in labelled_frames(dataset, labelled)]  # a file each
    rest = unlabelled_frames(dataset, parts.unlabelled[: settings.train.max_unlabelled])
    trainer = Watched(predictor, replace(settings.train, seed=seed), settings.learn, settings.prompts)
    serving = {s.value: [0.0] for s in structures}
    for count in counts:
        report = run_round(trainer, accepted[:count], rest, structures, lambda _: None)
        found = {s.value: [] for s in structures}
        for frame in test:
            for value, figure in alone(*trainer.student, frame, structures, settings.prompts).items():
                found[value].append(figure)
        yield {
            "seed": seed,
            "labels": count,
            "accepted": report.accepted,
            "held_out": report.held_out,
            "before": rounded(report.before),
            "after": rounded(report.after),
            "serving": told(serving, structures),
            "unseen": told(found, structures),
            "missed": {s.name: sum(one == 0 for one in found[s.value]) for s in structures},
            "losses": [
                round(float(np.mean(report.losses[at : at + 10])), 3) for at in range(0, len(report.losses), 10)
            ],
            "seconds": round(report.seconds),
            "verdict": report.verdict,
        }
        serving = found if report.accepted else serving


def told(figures: dict[int, list[float]], structures: Sequence[Structure]) -> dict[str, float]:
    return {s.name: round(float(np.mean(figures[s.value])), 3) for s in structures}


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
