"""The study ``session``: an oracle annotator works through images as a clinician would, by the program's own code.

Suggestions, clicks, queue, rounds and gate are those of the window; only the window is not there, and the oracle waits
for each round, so that the same seed gives the same figures.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_adasam.domain.queue import Order
from napari_adasam.domain.session import Session
from napari_adasam.domain.settings import Settings
from napari_adasam.domain.splits import seeded_order
from napari_adasam.domain.structures import Structure
from napari_adasam.evaluation.checks import check_pictures
from napari_adasam.evaluation.oracle import PATIENCE_S, Effort, Oracle, Rules
from napari_adasam.evaluation.subjects import Names, Part, structures_of, unseen_ids
from napari_adasam.files.dataset import Dataset
from napari_adasam.services.annotator import Annotator
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.trainer import RoundTrainer

Pass = tuple[Order, bool, int]
"""Order, whether the model learns, seed."""


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """One pass through the images.

    Parameters
    ----------
    settings
        With ``learn.every`` 0 the model stays as it is.
    """

    order: Order
    seed: int
    settings: Settings
    rules: Rules = field(default_factory=Rules)


def chosen_ids(dataset: Dataset, unseen: Sequence[str], images: int | None, seed: int) -> tuple[str, ...]:
    """So many images of whole groups in seeded order, the last group cut short; sorted as the data set has them."""
    place = {group: at for at, group in enumerate(seeded_order({dataset.groups[key] for key in unseen}, seed))}
    ordered = sorted(unseen, key=lambda key: place[dataset.groups[key]])[:images]
    return tuple(key for key in dataset.ids if key in set(ordered))


def run_session(
    dataset: Dataset,
    ids: Sequence[str],
    structures: Sequence[Structure],
    plan: SessionPlan,
    on_progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Work through the images once, in a session on the disk that is thrown away; the row of the result."""
    keys = {str(dataset.images[key]): key for key in ids}
    predictor = ModelPredictor(plan.settings.model)
    train, learn, prompts = plan.settings.train, plan.settings.learn, plan.settings.prompts
    trainer = RoundTrainer(predictor, train, learn, prompts)
    annotator = Annotator(Session(structures), lambda: predictor, lambda _: trainer, plan.settings)
    efforts: list[Effort] = []
    worked: list[str] = []
    try:
        with tempfile.TemporaryDirectory(prefix="adasam-study-") as folder:
            annotator.set_order(plan.order, plan.seed)
            annotator.open([dataset.images[key] for key in ids])
            annotator.save_as(Path(folder, "session"))
            oracle = Oracle(annotator, lambda path: dataset.labels(keys[path]), plan.rules)
            total = len(annotator.session.frames)
            while annotator.queue:
                efforts.append(oracle.work())
                worked.append(keys[annotator.session.frame(oracle.worked).path])
                on_progress(len(efforts), total)
            annotator.wait_idle(PATIENCE_S)
            reports = annotator.reports
    finally:
        annotator.close()
    return {
        "order": plan.order,
        "learning": plan.settings.learn.every > 0,
        "seed": plan.seed,
        **_summary(efforts),
        "by_structure": [_share(one, efforts) for one in structures],
        "groups_by_image": [dataset.groups[key] for key in worked],
        "rounds": len(reports),
        "rounds_accepted": sum(one.accepted for one in reports),
    }


def _summary(efforts: Sequence[Effort]) -> Mapping[str, Any]:
    names = ("clicks", "strokes_px", "boxes", "ticks", "strokes", "undone")
    lists = {"dice_by_image": "dice", "clicks_by_image": "clicks", "strokes_px_by_image": "strokes_px"}
    return {
        "images": len(efforts),
        **{name: sum(getattr(one, name) for one in efforts) for name in names},
        "as_suggested": sum(one.clicks + one.strokes == 0 for one in efforts),
        **{name: [round(getattr(one, key), 4) for one in efforts] for name, key in lists.items()},
        "dice_accepted": float(np.mean([one.accepted for one in efforts])),
    }


def _share(structure: Structure, efforts: Sequence[Effort]) -> Mapping[str, Any]:
    shares = [one.shares[structure.value] for one in efforts]
    seen = [one.dice for one in shares if not np.isnan(one.dice)]
    return {
        "structure": str(structure.value),
        "name": structure.name,
        **{name: sum(getattr(one, name) for one in shares) for name in ("clicks", "undone", "strokes_px")},
        "dice": float(np.mean(seen)) if seen else None,
    }


@dataclass(frozen=True, slots=True)
class SessionStudy:
    """What is worked through: a part of a data set, names of structures, how many images, in which passes."""

    folder: Path
    settings: Settings
    part: Part
    names: Names
    images: int | None
    passes: Sequence[Pass]

    def rows(
        self, done: Sequence[Mapping[str, Any]], on_progress: Callable[[int, int, str], None]
    ) -> Iterator[dict[str, Any]]:
        """A row for each pass that is not among those done.

        Raises
        ------
        InputError
            If a file is a clip or a volume, no label image shows anything, or the model cannot learn as asked.
        """
        dataset = Dataset.open(self.folder)
        net = ModelPredictor(self.settings.model).net
        card = net.card
        if any(learning for _, learning, _ in self.passes):
            net.sam.encoder.adapt_index(self.settings.train.adapt_from)  # now, not in the first round
        unseen = unseen_ids(dataset, card.trained_on, self.part)
        have = {pass_of(row) for row in done}
        for order, learning, seed in (one for one in self.passes if one not in have):
            ids = chosen_ids(dataset, unseen, self.images, seed)
            learn = self.settings.learn if learning else replace(self.settings.learn, every=0)
            now = replace(self.settings, learn=learn, train=replace(self.settings.train, seed=seed))
            what = f"{order}, {'learning' if learning else 'static'}, seed {seed}"
            for key in ids:
                dataset.opened(key)  # a session passes over a file that cannot be read; a study does not
            check_pictures(dataset, ids)
            structures = structures_of(dataset, ids, self.names, card.structures)
            advance = lambda done, total, what=what: on_progress(done, total, what)  # noqa: E731
            yield run_session(dataset, ids, structures, SessionPlan(order, seed, now), advance)


def pass_of(row: Mapping[str, Any]) -> Pass:
    """Which pass a row is of."""
    return row["order"], row["learning"], row["seed"]
