"""A predictor and a trainer that need no weights: brightness stands for the model's knowledge."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_adasam.domain.looks import Look
from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.records import Labels, Suggestion
from napari_adasam.domain.rounds import RoundProgress, RoundReport
from napari_adasam.domain.settings import PromptSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.evaluation.demo import DemoPlan
from napari_adasam.services.ports import (
    FollowAnswer,
    LabelledFrame,
    ModelInfo,
    Picture,
    Pixels,
    Predictor,
    SegmentAnswer,
    UnlabelledFrame,
)

BRIGHT = 180
REACH = 6.0
"""A fake answer to a click: a disc of this radius in pixels."""


def grey(pixels: Pixels) -> NDArray[np.uint8]:
    """(height, width) uint8."""
    flat = pixels if pixels.ndim == 2 else pixels[..., 0]
    return np.asarray(flat if flat.dtype == np.uint8 else flat >> 8, np.uint8)


@dataclass
class BrightnessPredictor:
    """Structure 1 is what is bright; any other structure is what is of middle brightness."""

    version: int = 0
    suggested: list[str] = field(default_factory=list)
    hold: threading.Event | None = None

    def info(self) -> ModelInfo:
        lineage = ("base", "bundled", *(f"round {number}" for number in range(1, self.version + 1)))
        return ModelInfo("brightness", f"v{self.version}", "cpu", "CC0", lineage, earlier=self.version)

    def suggest(
        self, frame_id: str, pixels: Pixels, structures: Sequence[Structure], settings: PromptSettings
    ) -> list[Suggestion]:
        if self.hold is not None:
            self.hold.wait(10)
        self.suggested.append(frame_id)
        return [self._suggestion(frame_id, grey(pixels), structure) for structure in structures]

    def prepare(self, frame_id: str, pixels: Pixels) -> None:
        """Nothing is needed."""

    def segment(
        self, frame_id: str, pixels: Pixels, prompt: Prompt, previous: NDArray[np.float32] | None
    ) -> SegmentAnswer:
        if self.hold is not None:
            self.hold.wait(10)
        rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
        mask = np.zeros(pixels.shape[:2], bool)
        if prompt.box is not None:
            y0, x0, y1, x1 = prompt.box
            mask |= (rows >= y0) & (rows <= y1) & (columns >= x0) & (columns <= x1)
        for point in prompt.points:
            disc = (rows - point.y) ** 2 + (columns - point.x) ** 2 <= REACH**2
            mask = mask | disc if point.positive else mask & ~disc
        return SegmentAnswer(mask, 0.9, np.zeros((4, 4), np.float32))

    def look(self, frame_id: str, pixels: Pixels, structures: Sequence[Structure], settings: PromptSettings) -> Look:
        return Look({}, {}, np.array([1.0, 0.0], np.float32), self.info().fingerprint)

    def follow(self, before: Picture, after: Picture, labels: Labels, structures: Sequence[Structure]) -> FollowAnswer:
        cam = np.zeros(labels.shape, np.float32)
        found = tuple(
            Suggestion(after.frame_id, one.value, labels == one.value, 0.7, 1.0, (), cam, "v0") for one in structures
        )
        return FollowAnswer(found, 0.93)

    def go_back(self) -> ModelInfo:
        self.version -= 1
        return self.info()

    def save(self, folder: Path) -> Path | None:
        return None

    def restore(self, path: Path) -> ModelInfo:
        return self.info()

    def _suggestion(self, frame_id: str, image: NDArray[np.uint8], structure: Structure) -> Suggestion:
        mask = image >= BRIGHT if structure.value == 1 else (image >= 90) & (image < BRIGHT)
        cam = np.asarray(mask, np.float32)
        fingerprint = self.info().fingerprint
        if not mask.any():
            return Suggestion(frame_id, structure.value, mask, 0.0, 0.06, (), cam, fingerprint)
        rows, columns = np.nonzero(mask)
        box = (float(rows.min()), float(columns.min()), float(rows.max()), float(columns.max()))
        centre = Point(float(rows.mean()), float(columns.mean()))
        prompt = Prompt((centre,), box, None, "cam")
        return Suggestion(frame_id, structure.value, mask, 0.8, 0.94, (prompt,), cam, fingerprint)


@dataclass
class CountingTrainer:
    """A round of ten steps; accepted, unless told otherwise."""

    predictor: BrightnessPredictor
    steps: int = 10
    accepted: bool = True
    hold: threading.Event | None = None
    seconds: float = 0.0
    """What a step takes."""

    def round(
        self,
        labelled: Sequence[LabelledFrame],
        unlabelled: Sequence[UnlabelledFrame],
        structures: Sequence[Structure],
    ) -> Iterator[RoundProgress | RoundReport]:
        losses = []
        yield RoundProgress(0, self.steps, float("nan"), "looking at the new structures")
        for step in range(1, self.steps + 1):
            if self.hold is not None and step == 2:
                self.hold.wait(10)
            time.sleep(self.seconds)
            losses.append(1.0 / step)
            yield RoundProgress(step, self.steps, losses[-1], "learning", float(self.steps - step))
        yield RoundProgress(self.steps, self.steps, float("nan"), "checking")
        self.predictor.version += self.accepted
        values = [structure.value for structure in structures]
        verdict = (
            "The new model is better, and serves now."
            if self.accepted
            else "The new model is worse; the old one stays."
        )
        yield RoundReport(
            number=1,
            labelled=len(labelled),
            unlabelled=len(unlabelled),
            held_out=1,
            before=dict.fromkeys(values, 0.5),
            after=dict.fromkeys(values, 0.75),
            accepted=self.accepted,
            verdict=verdict,
            seconds=0.1,
            model=self.predictor.info().fingerprint,
            losses=tuple(losses),
        )


def as_predictor(fake: BrightnessPredictor) -> Predictor:
    """The protocol is met: checked by the type checker."""
    return fake


def picture(height: int = 60, width: int = 80, shift: int = 0) -> np.ndarray[Any, Any]:
    """Dark, with a bright block (structure 1) and a band of middle brightness (structure 2)."""
    pixels = np.full((height, width), 20, np.uint8)
    pixels[20:40, 30 + shift : 60 + shift] = 220
    pixels[5:8, 10:70] = 120
    return pixels


def draw_small(folder: Path, plan: DemoPlan) -> dict[str, Labels]:
    """Small pictures whose true outlines lie six pixels beside what the fake predictor finds."""
    folder.mkdir()
    truth = {}
    for number in range(plan.images):
        pixels = picture(shift=number)
        bright, middle = pixels >= BRIGHT, (pixels >= 90) & (pixels < BRIGHT)
        exact = np.where(bright, 1, np.where(middle, 2, 0)).astype(np.uint8)
        truth[f"sample_{number}"] = np.roll(exact, 6, axis=1)
        tifffile.imwrite(
            folder / f"sample_{number}.tif", pixels, imagej=True, resolution=(4.0, 4.0), metadata={"unit": "mm"}
        )
    return truth


def wait_idle(dock: Any, qtbot: Any) -> None:
    """Let the lane finish what it has, its outcomes arrive, and the layers be there."""
    qtbot.wait_until(lambda: not dock.annotator.busy and dock.canvas.whole, timeout=60_000)


def brush(layer: Any, at: tuple[int, int], value: int = 1) -> None:
    """One stroke, as napari's own brush makes it: grouped, told when it has ended."""
    with layer.block_history():
        layer.paint(at, value)
