"""The study ``labels``: what each method makes of N labelled images, prompt-free, on groups that nothing learned from.

Every method gets the same labelled images, the same unlabelled ones and the same test images for a seed. Labelled
images and test images are of different groups, none of which the starting model has seen; no image of a test group is
in a training at all, and nothing is chosen on one. A training learns from all N images, as the command ``train`` does,
unless ``gated`` is asked for: then a round holds some of them out and may refuse its student, as in the window.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.overlap import dice
from napari_adasam.domain.sector_finding import find_sector
from napari_adasam.domain.settings import Settings
from napari_adasam.domain.splits import seeded_order, split_groups
from napari_adasam.evaluation import memory
from napari_adasam.evaluation.baselines.lessons import Lessons
from napari_adasam.evaluation.cam_figures import CamFigures, Mask, summary
from napari_adasam.evaluation.fronts import Fronts
from napari_adasam.evaluation.methods import START, Choice, Learned, OnStep, learn
from napari_adasam.evaluation.metrics import hd95, interval
from napari_adasam.evaluation.subjects import (
    SHOWN,
    Names,
    Subject,
    groups_showing,
    structures_of,
    subjects,
    unseen_ids,
)
from napari_adasam.files.dataset import Dataset
from napari_adasam.services import neighbours
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.training import labelled_frames, unlabelled_frames

TestPart = Literal["held-back", "validation"]
Row = dict[str, Any]
Key = tuple[str, int, int, str]


@dataclass(frozen=True, slots=True)
class LabelsPlan:
    """Which images play which part, for one seed: IDs."""

    labelled: tuple[str, ...]
    unlabelled: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelsStudy:
    """Which trainings: each method at each number of labels with each seed.

    ``part`` is what is tested on: the held-back groups, or, to choose settings, the validation groups; then no image
    of a held-back group is touched. ``limit`` tests on the first images only, to try a study out.
    ``boxes``: on volumes, also what methods that take prompts make of a box around the truth in each slice.
    """

    methods: tuple[Choice, ...]
    labels: tuple[int, ...]
    seeds: tuple[int, ...]
    base: Settings = Settings()
    gated: bool = False
    part: TestPart = "held-back"
    limit: int | None = None
    boxes: bool = False

    def jobs(self) -> list[Job]:
        """One a training, and one a seed for the model as it is."""
        return [
            Job(choice, count, seed)
            for seed in self.seeds
            for choice in self.methods
            for count in ((0,) if choice.name == START else self.labels)
        ]


@dataclass(frozen=True, slots=True)
class Job:
    """One training to run."""

    choice: Choice
    labels: int
    seed: int

    def key(self, unlabelled: int) -> Key:
        """What makes a row that is there already this job's; ``unlabelled`` is how many such images a baseline gets."""
        exact = hashlib.sha256(f"{unlabelled} {self.choice}".encode()).hexdigest()[:12]
        return self.choice.text, self.labels, self.seed, exact


def key_of(row: Mapping[str, Any]) -> Key:
    """The :meth:`Job.key` that a row was written for."""
    return row["method"], row["labels"], row["seed"], row.get("settings", "")


def labelling_order(
    dataset: Dataset, unseen: Sequence[str], seed: int, part: TestPart
) -> tuple[list[str], set[str], set[str]]:
    """Groups in the order in which they are labelled, those for training first; those tested on; and those left out.

    Left out are held-back groups, where others are tested on, and groups with a copy of a picture that is tested on.
    """
    split = split_groups(dataset.groups.values())
    back = set(split.held_back if part == "held-back" else split.validation)
    copies = groups_showing(dataset, [key for key in dataset.ids if dataset.groups[key] in back])
    out = (copies | set(split.held_back)) - back
    groups = [g for g in seeded_order({dataset.groups[key] for key in unseen}, seed) if g not in out]
    return sorted(groups, key=lambda g: (g in back, g not in split.train)), back, out  # seeded within each part


def plan(dataset: Dataset, unseen: Sequence[str], labels: int, seed: int, part: TestPart = "held-back") -> LabelsPlan:
    """Test on one part's groups; label the first images, in seeded group order, of the other unseen groups.

    Groups for training come before those for validation. Where all those are too few, groups of the tested part are
    labelled from and leave the test. Unlabelled images come from all groups that are not tested on. A copy of a tested
    picture's file in another group is no lesson either.

    Raises
    ------
    InputError
        If there are too few unseen images to label so many and still test.
    """
    order, back, out = labelling_order(dataset, unseen, seed, part)
    labelled: list[str] = []
    for group in order:
        if len(labelled) >= labels:
            break
        labelled += [key for key in unseen if dataset.groups[key] == group]
    used = groups_showing(dataset, labelled)
    test = [key for key in unseen if dataset.groups[key] in back - used]
    if len(labelled) < labels or not test:
        raise InputError(
            f"{dataset.folder} has {len(unseen)} images in groups that the model has not seen: too few to label "
            f"{labels} and test on others. Nothing was written. Ask for fewer labels, or give another data set."
        )
    closed = groups_showing(dataset, test) | out
    chosen = set(labelled[:labels])
    rest = [key for key in dataset.ids if dataset.groups[key] not in closed and key not in chosen]
    rng = np.random.default_rng(seed)
    return LabelsPlan(tuple(labelled[:labels]), tuple(rng.permutation(rest)), tuple(test))


class LabelsBench:
    """A data set and starting weights on which trainings are run one after the other.

    Activations in front of the first adapted unit are computed once for all of them; ``seconds`` of a row is what the
    training would have taken with none there (:class:`Fronts`).
    """

    def __init__(self, dataset: Dataset, names: Names, study: LabelsStudy) -> None:
        self.dataset, self.study = dataset, study
        self.tested = dataset
        """What a plan's images to test on are of."""
        start = ModelPredictor(study.base.model)
        self.card = start.net.card
        for settings in (one.settings for one in study.methods):
            if isinstance(settings, Settings):
                start.net.sam.encoder.adapt_index(settings.train.adapt_from)  # now, not after other trainings
        self.unseen = unseen_ids(dataset, self.card.trained_on, "unseen")
        trained = set(split_groups(dataset.groups.values()).train)
        shown = [key for key in self.unseen if dataset.groups[key] in trained][:SHOWN]
        self.structures = structures_of(dataset, shown or self.unseen[:SHOWN], names, self.card.structures, shown)
        self._fronts = Fronts()
        self._neighbours = neighbours.of_dataset(dataset)
        self._subjects: dict[str, tuple[Subject, Mask | None]] = {}

    def rows(self, done: set[Key], on_step: Callable[[int, int, str], None]) -> Iterator[list[Row]]:
        """Rows of each training, one a structure, as it ends; those that are ``done`` are not run again."""
        jobs = self.study.jobs()
        for number, job in enumerate(jobs):
            what = f"{job.choice.text}, {job.labels} labels, seed {job.seed}"
            on_step(number, len(jobs), what)
            if job.key(self.study.base.train.max_unlabelled) in done:
                continue

            def on(step: int, steps: int, doing: str, number: int = number, what: str = what) -> None:
                on_step(number, len(jobs), f"{what}: {doing} {step}/{steps}")

            yield self._run(job, on)
        on_step(len(jobs), len(jobs), "all trainings")

    def _run(self, job: Job, on_step: OnStep) -> list[Row]:
        parts = self._plan(job.labels or max(self.study.labels), job.seed)
        settings = job.choice.settings
        whole = settings if isinstance(settings, Settings) else self.study.base
        wanted = parts.unlabelled[: whole.train.max_unlabelled] if job.labels else ()
        lessons = Lessons(
            labelled_frames(self.dataset, parts.labelled) if job.labels else [],
            unlabelled_frames(self.dataset, wanted, self.structures if job.choice.image_labels else ()),
            self.structures,
            job.seed,
        )
        predictor = ModelPredictor(whole.model)
        predictor.neighbours = self._neighbours
        _ = predictor.net  # loads it; that clears what is kept
        predictor.activations = self._fronts
        self._fronts.begin()
        memory.forget_peak()
        learned = learn(job.choice, lessons, predictor, self.study.gated, on_step)
        about = {
            "method": job.choice.text,
            "labels": job.labels,
            "seed": job.seed,
            "settings": job.key(self.study.base.train.max_unlabelled)[-1],
            "seconds": self._fronts.cold(learned.seconds) if job.labels else 0.0,
            "memory_mb": memory.peak_mb(),
            **learned.about,
        }
        return [about | row for row in self._measured(learned, parts.test, on_step)]

    def _plan(self, labels: int, seed: int) -> LabelsPlan:
        return plan(self.dataset, self.unseen, labels, seed, self.study.part)

    def _measured(self, learned: Learned, test: Sequence[str], on_step: OnStep) -> Iterator[Row]:
        tallies = {s.value: Tally() for s in self.structures}
        test = test[: self.study.limit]
        for number, key in enumerate(test, start=1):
            subject, scan = self._subject(key)
            for value, found in learned.answer(subject.frame_id, subject.pixels).items():
                truth = subject.labels == value
                tallies[value].add(found.mask, truth, hd95(found.mask, truth), subject.group)
                if found.cam is not None:
                    tallies[value].cams.append(CamFigures.of(found.cam, found.prompts, truth, scan))
                if found.before is not None:
                    tallies[value].before.append(CamFigures.of(*found.before, truth, scan))
            on_step(number, len(test), "measuring")
        for structure in self.structures:
            yield {"structure": str(structure.value), "name": structure.name, **tallies[structure.value].row()}

    def _subject(self, key: str) -> tuple[Subject, Mask | None]:
        if key not in self._subjects:
            (subject,) = subjects(self.tested, [key])
            sector = find_sector(subject.pixels)
            scan = None if sector.kind == "whole" else sector.mask(subject.pixels.shape)
            self._subjects[key] = subject, scan
        return self._subjects[key]


class Tally:
    """Figures of one row while they come in."""

    def __init__(self) -> None:
        self.dice: list[float] = []
        self.hd95: list[float] = []
        self.groups: list[str] = []
        self.cams: list[CamFigures] = []
        self.before: list[CamFigures] = []

    def add(self, found: Mask, truth: Mask, distance: float, group: str) -> None:
        """Take in one image or volume; ``distance`` is its HD95."""
        self.dice.append(dice(found, truth))
        self.hd95.append(distance)
        self.groups.append(group)

    def row(self) -> Row:
        """Means, the Dice's interval over groups, and the figures of the maps where the method has some."""
        figures: Row = {
            "dice": float(np.mean(self.dice)),
            "dice_ci95": interval(self.dice, self.groups),
            "hd95": float(np.mean(self.hd95)),
            "n": len(self.dice),
        }
        maps = summary(self.cams) if self.cams else {}
        return figures | maps | (summary(self.before, "_before_feedback") if self.before else {})
