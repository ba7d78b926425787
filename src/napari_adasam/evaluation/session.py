"""The study ``session``: an oracle annotator works through images as a clinician would, by the program's own code.

It knows the true masks, and uses them as a person uses her eyes: to see what is wrong, to click there, and to say when
an outline is good enough. Suggestions, clicks, queue, rounds and gate are those of the window; only the window is not
there, and the oracle waits for each round, so that the same seed gives the same figures.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.overlap import dice
from napari_adasam.domain.queue import Order
from napari_adasam.domain.records import Labels
from napari_adasam.domain.session import Session
from napari_adasam.domain.settings import Settings
from napari_adasam.domain.simulated import next_click, parts, tight_box
from napari_adasam.domain.splits import seeded_order
from napari_adasam.domain.structures import Structure
from napari_adasam.evaluation.subjects import Names, Part, structures_of, unseen_ids
from napari_adasam.files.dataset import Dataset
from napari_adasam.services.annotator import Annotator
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.trainer import RoundTrainer

PATIENCE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Rules:
    """How the oracle works.

    Parameters
    ----------
    good
        Dice from which an outline is left as it is.
    clicks
        Clicks and boxes for one structure of one image; what is still wrong after them is brushed.
    """

    good: float = 0.95
    clicks: int = 5


@dataclass(slots=True)
class Effort:
    """What one image took; ``clicks`` are points, boxes and ticks, ``strokes_px`` the pixels that strokes changed.

    ``dice`` is that of the suggestion as it came up, the mean over the structures that are in the image; ``accepted``
    that of what was accepted.
    """

    dice: float = 0.0
    clicks: int = 0
    boxes: int = 0
    ticks: int = 0
    strokes: int = 0
    strokes_px: int = 0
    accepted: float = 0.0


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
    rules: Rules = Rules()


class Oracle:
    """Works on one annotator's current frame.

    Parameters
    ----------
    truth
        Gives the true label image (height, width) of a frame's file.
    """

    def __init__(self, annotator: Annotator, truth: Callable[[str], Labels], rules: Rules = Rules()) -> None:
        self._annotator = annotator
        self._session = annotator.session
        self._truth = truth
        self._rules = rules

    def work(self) -> Effort:
        """Correct the current frame and accept it."""
        self._settle()
        current = self._current
        true, effort = self._truth(self._session.frame(current).path), Effort()
        effort.dice = self._agreement(true)
        for structure in self._session.structures:
            self._point(structure, true == structure.value, effort)
        bad = [one.value for one in self._session.structures if self._dice(one.value, true) < self._rules.good]
        if bad:
            self._brush(bad, true, effort)
        effort.accepted = self._agreement(true)
        if not self._annotator.accept():
            raise AdasamError(f"{Path(self._session.frame(current).path).name} could not be accepted. The study ends.")
        return effort

    def _point(self, structure: Structure, true: Any, effort: Effort) -> None:
        """A tick where it is not there; else boxes where nothing is found, and clicks at the largest error."""
        value = structure.value
        if not true.any():
            if (self._labels == value).any():
                self._annotator.tick(value, False)
                effort.clicks, effort.ticks = effort.clicks + 1, effort.ticks + 1
            return
        asks: list[Callable[[], None]] = []
        if not (self._labels == value).any():
            boxes = [tight_box(part) for part in parts(true, structure)] or [tight_box(true)]
            asks = [lambda box=box: self._annotator.box(box, value) for box in boxes]  # type: ignore[misc]
            effort.boxes += len(asks[: self._rules.clicks])
        for made in range(self._rules.clicks):
            before = dice(self._labels == value, true)
            if before >= self._rules.good:
                return
            point = next_click(self._labels == value, true)
            if made < len(asks):
                asks[made]()
            elif point is not None:
                self._annotator.click(point, value)
            effort.clicks += 1
            self._settle()
            if dice(self._labels == value, true) < before:
                self._annotator.undo()
                self._settle()
                return

    def _brush(self, values: Sequence[int], true: Labels, effort: Effort) -> None:
        """Erase what is wrong, then draw what is missing, as two strokes."""
        before = self._labels
        wrong = (before != true) & (np.isin(before, values) | np.isin(true, values))
        for inside in (np.zeros_like(true), np.where(np.isin(true, values), true, 0)):
            now = self._labels
            wanted = np.where(wrong, inside, now).astype(np.uint8)
            if (wanted != now).any():
                self._annotator.stroke(wanted)
                effort.strokes += 1
                effort.strokes_px += int(np.count_nonzero(self._labels != now))

    @property
    def _current(self) -> str:
        current = self._session.current
        if current is None:
            raise AdasamError("No image could be opened, so there is nothing to work through. The study ends.")
        return current

    @property
    def _labels(self) -> Labels:
        return self._session.labels(self._current)

    def _dice(self, value: int, true: Labels) -> float:
        return dice(self._labels == value, true == value)

    def _agreement(self, true: Labels) -> float:
        there = [one.value for one in self._session.structures if (true == one.value).any()]
        return float(np.mean([self._dice(value, true) for value in there])) if there else 1.0

    def _settle(self) -> None:
        if not self._annotator.wait_idle(PATIENCE_S):
            raise AdasamError("The model has not answered within an hour. The study ends.")


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
    try:
        with tempfile.TemporaryDirectory(prefix="adasam-study-") as folder:
            annotator.set_order(plan.order, plan.seed)
            annotator.open([dataset.images[key] for key in ids])
            annotator.save_as(Path(folder, "session"))
            oracle = Oracle(annotator, lambda path: dataset.labels(keys[path]), plan.rules)
            total = len(annotator.session.frames)
            while annotator.queue:
                efforts.append(oracle.work())
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
        "rounds": len(reports),
        "rounds_accepted": sum(one.accepted for one in reports),
    }


def _summary(efforts: Sequence[Effort]) -> Mapping[str, Any]:
    rows = [asdict(one) for one in efforts]
    sums = {name: sum(row[name] for row in rows) for name in ("clicks", "strokes_px", "boxes", "ticks", "strokes")}
    lists = {"dice_by_image": "dice", "clicks_by_image": "clicks", "strokes_px_by_image": "strokes_px"}
    return {
        "images": len(rows),
        **sums,
        "as_suggested": sum(row["clicks"] + row["strokes"] == 0 for row in rows),
        **{name: [round(row[key], 4) for row in rows] for name, key in lists.items()},
        "dice_accepted": float(np.mean([row["accepted"] for row in rows])),
    }


def study(
    folder: Path,
    settings: Settings,
    which: tuple[Part, Names, int | None],
    passes: Sequence[tuple[Order, bool, int]],
    on_progress: Callable[[int, int, str], None],
) -> list[dict[str, Any]]:
    """A row for each pass: order, whether the model learns, seed.

    Parameters
    ----------
    which
        The part of the data set, names of structures, and how many images.
    """
    part, names, images = which
    dataset = Dataset.open(folder)
    card = ModelPredictor(settings.model).net.card
    unseen = unseen_ids(dataset, card.trained_on, part)
    rows = []
    for order, learning, seed in passes:
        ids = chosen_ids(dataset, unseen, images, seed)
        learn = settings.learn if learning else replace(settings.learn, every=0)
        now = replace(settings, learn=learn, train=replace(settings.train, seed=seed))
        what = f"{order}, {'learning' if learning else 'static'}, seed {seed}"
        structures = structures_of(dataset, ids, names, card.structures)
        advance = lambda done, total, what=what: on_progress(done, total, what)  # noqa: E731
        rows.append(run_session(dataset, ids, structures, SessionPlan(order, seed, now), advance))
    return rows
