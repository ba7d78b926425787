"""A predictor and a trainer without a network, and an annotator on real image files with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.domain.looks import Look
from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.records import Mask, Suggestion
from napari_adasam.domain.rounds import RoundProgress, RoundReport
from napari_adasam.domain.session import Session
from napari_adasam.domain.settings import PromptSettings, Settings
from napari_adasam.domain.structures import Structure
from napari_adasam.files.store import Store
from napari_adasam.services.annotator import Annotator
from napari_adasam.services.ports import (
    FollowAnswer,
    LabelledFrame,
    ModelInfo,
    Picture,
    Pixels,
    SegmentAnswer,
    UnlabelledFrame,
)

HEIGHT, WIDTH = 40, 60
MUSCLE = (slice(20, 35), slice(10, 50))
FASCIA = (slice(17, 22), slice(10, 50))
INSIDE = Point(30.0, 30.0)
"""A point in the suggested muscle."""
OUTSIDE = Point(5.0, 5.0)
"""A point outside of everything suggested."""
DENSE = np.full((8, 8), 3.0, np.float32)
LOGITS = np.full((4, 4), -2.0, np.float32)


def rectangle(rows: slice, columns: slice, shape: tuple[int, ...] = (HEIGHT, WIDTH)) -> Mask:
    mask = np.zeros(shape, np.bool_)
    mask[rows, columns] = True
    return mask


def disc(point: Point) -> Mask:
    """What the fake decoder answers to one positive point."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    mask: Mask = (rows - point.y) ** 2 + (columns - point.x) ** 2 <= 9
    return mask


@dataclass
class FakePredictor:
    """Suggests two overlapping rectangles; answers with the prompt's box and discs of radius 3 at positive points."""

    version: int = 1
    name: str = "fake"
    asked: list[tuple[str, tuple[int, ...], float]] = field(default_factory=list)
    prompts: list[tuple[Prompt, NDArray[np.float32] | None]] = field(default_factory=list)
    fails: BaseException | None = None
    fails_on: Callable[[Prompt], bool] = field(default=lambda prompt: False)
    keeps_logits: bool = True
    doubts: dict[str, float] = field(default_factory=dict)
    looked: list[str] = field(default_factory=list)
    prepared: list[str] = field(default_factory=list)
    followed: list[tuple[str, str]] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    before_answer: Callable[[], None] = field(default=lambda: None)

    def info(self) -> ModelInfo:
        lineage = ("base", *(f"v{number}" for number in range(1, self.version + 1)))
        return ModelInfo(self.name, f"v{self.version}", "cpu", "none", lineage, earlier=self.version - 1)

    def suggest(
        self, frame_id: str, pixels: Pixels, structures: Sequence[Structure], settings: PromptSettings
    ) -> list[Suggestion]:
        self.asked.append((frame_id, tuple(one.value for one in structures), settings.presence))
        self._work()
        return [self._suggestion(frame_id, one.value, pixels.shape[:2]) for one in structures]

    def _suggestion(self, frame_id: str, value: int, shape: tuple[int, ...]) -> Suggestion:
        rows, columns = {1: MUSCLE, 2: FASCIA}.get(value, (slice(0, 0), slice(0, 0)))
        mask = rectangle(rows, columns, shape)
        prompts: tuple[Prompt, ...] = ()
        if mask.any():
            box = (float(rows.start), float(columns.start), rows.stop - 1.0, columns.stop - 1.0)
            prompts = (Prompt((Point(rows.start + 1.0, 30.0),), box, DENSE, source="cam"),)
        score = 0.5 + 0.1 * self.version if prompts else 0.0
        cam = mask.astype(np.float32) * np.float32(0.6)
        logits = (LOGITS,) * len(prompts) if self.keeps_logits else ()
        return Suggestion(frame_id, value, mask, score, 0.9, prompts, cam, f"v{self.version}", logits)

    def prepare(self, frame_id: str, pixels: Pixels) -> None:
        self.prepared.append(frame_id)

    def segment(
        self, frame_id: str, pixels: Pixels, prompt: Prompt, previous: NDArray[np.float32] | None
    ) -> SegmentAnswer:
        self.prompts.append((prompt, previous))
        self._work()
        if self.fails_on(prompt):
            raise RuntimeError("no answer to this one")
        rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
        mask = np.zeros(pixels.shape[:2], np.bool_)
        if prompt.box is not None:
            y0, x0, y1, x1 = prompt.box
            mask |= (rows >= y0) & (rows <= y1) & (columns >= x0) & (columns <= x1)
        for point in prompt.points:
            disc = (rows - point.y) ** 2 + (columns - point.x) ** 2 <= 9
            mask = mask | disc if point.positive else mask & ~disc
        return SegmentAnswer(mask, 0.9, np.full((4, 4), float(len(self.prompts)), np.float32))

    def look(self, frame_id: str, pixels: Pixels, structures: Sequence[Structure], settings: PromptSettings) -> Look:
        self.looked.append(frame_id)
        self._work()
        features = np.zeros(4, np.float32)
        features[len(self.looked) % 4] = 1.0
        doubt = self.doubts.get(frame_id, 0.0)
        return Look({one.value: doubt for one in structures}, {}, features, f"v{self.version}")

    def follow(
        self, before: Picture, after: Picture, labels: NDArray[np.uint8], structures: Sequence[Structure]
    ) -> FollowAnswer:
        """Everything goes one pixel to the right; frames that are ``lost`` are unsure."""
        self.followed.append((before.frame_id, after.frame_id))
        self._work()
        cam = np.zeros(labels.shape, np.float32)
        found = tuple(
            Suggestion(after.frame_id, one.value, np.roll(labels, 1, 1) == one.value, 0.7, 1.0, (), cam, "v1")
            for one in structures
        )
        return FollowAnswer(found, 0.1 if after.frame_id in self.lost else 0.9)

    def go_back(self) -> ModelInfo:
        self.version -= 1
        return self.info()

    def save(self, folder: Path) -> Path | None:
        if self.version <= 1:
            return None
        path = folder / f"v{self.version}.safetensors"
        path.write_text(str(self.version))
        return path

    def restore(self, path: Path) -> ModelInfo:
        if not path.exists():
            raise InputError("What was learned is not there.")
        self.version = int(path.read_text())
        return self.info()

    def _work(self) -> None:
        self.before_answer()
        if self.fails is not None:
            raise self.fails


@dataclass
class FakeTrainer:
    """Takes ``steps`` steps; the student serves if ``passes``."""

    predictor: FakePredictor
    steps: int = 3
    passes: bool = True
    fails: BaseException | None = None
    closed: bool = False
    given: list[tuple[tuple[LabelledFrame, ...], tuple[UnlabelledFrame, ...]]] = field(default_factory=list)
    before_step: Callable[[int], None] = field(default=lambda step: None)

    def round(
        self,
        labelled: Sequence[LabelledFrame],
        unlabelled: Sequence[UnlabelledFrame],
        structures: Sequence[Structure],
    ) -> Iterator[RoundProgress | RoundReport]:
        self.given.append((tuple(labelled), tuple(unlabelled)))
        try:
            for step in range(1, self.steps + 1):
                self.before_step(step)
                yield RoundProgress(step, self.steps, 1.0 / step, "learning", 0.1 * (self.steps - step))
            if self.fails is not None:
                raise self.fails
            self.predictor.version += self.passes
            yield self._report(len(labelled), len(unlabelled))
        except GeneratorExit:
            self.closed = True
            raise

    def _report(self, labelled: int, unlabelled: int) -> RoundReport:
        return RoundReport(
            number=1,
            labelled=labelled,
            unlabelled=unlabelled,
            held_out=1,
            before={1: 0.5},
            after={1: 0.6},
            accepted=self.passes,
            verdict="Better, so it serves." if self.passes else "Worse, so the model stays.",
            seconds=0.1,
            model=f"v{self.predictor.version}",
            losses=(1.0, 0.5),
        )


class Clock:
    """A clock that stands still until it is told to go."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Desk:
    """An annotator with its fakes and everything it said."""

    annotator: Annotator
    predictor: FakePredictor
    trainer: FakeTrainer
    clock: Clock
    problems: list[str] = field(default_factory=list)
    activities: list[Any] = field(default_factory=list)
    reports: list[RoundReport] = field(default_factory=list)
    models: list[ModelInfo] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)

    @property
    def session(self) -> Session:
        return self.annotator.session

    @property
    def current(self) -> str:
        assert self.session.current is not None
        return self.session.current

    def labels(self) -> NDArray[np.uint8]:
        return self.session.labels(self.current)

    def settle(self) -> None:
        assert self.annotator.wait_idle(10.0), "the lane did not come to rest"

    def accept(self, frames: int = 1) -> None:
        for _ in range(frames):
            self.settle()
            assert self.annotator.accept()


def model_of(desk: Desk, number: int) -> str:
    """Which model suggested the muscle of a frame."""
    suggestions = desk.session.suggestions(desk.session.frames[number].id)
    return suggestions[1].model if suggestions else ""


def run_round(desk: Desk) -> None:
    assert desk.annotator.start_round()
    desk.settle()


def make_desk(settings: Settings, structures: Sequence[Structure]) -> Desk:
    predictor = FakePredictor()
    trainer = FakeTrainer(predictor)
    clock = Clock()
    annotator = Annotator(Session(structures), lambda: predictor, lambda _: trainer, settings, clock=clock)
    desk = Desk(annotator, predictor, trainer, clock)
    annotator.problem.connect(desk.problems.append)
    annotator.activity_changed.connect(desk.activities.append)
    annotator.round_finished.connect(desk.reports.append)
    annotator.model_changed.connect(desk.models.append)
    annotator.saved.connect(desk.saved.append)
    return desk


FULL = "The disk is full. What was saved before is unchanged. Free some space and accept again."


def full_disk(patch: pytest.MonkeyPatch, method: str) -> None:
    """Let a method of the session's store find no space."""

    def fail(*_args: object) -> None:
        raise StorageError(FULL)

    patch.setattr(Store, method, fail)


def write_images(folder: Path, count: int) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        grey = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH), dtype=np.uint8)
        Image.fromarray(grey).save(folder / f"scan{number + 1}.png")
    return folder
