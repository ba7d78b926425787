"""The demo without its window: the sample images, the scripted clinician who corrects them, and the report.

The exact masks of the drawn images are used for two things only: to decide where the scripted clinician clicks and
strokes, and to score. The model never sees one that was not accepted in the window.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from napari_adasam.domain.overlap import dice
from napari_adasam.domain.prompts import Point
from napari_adasam.domain.records import Labels, Mask
from napari_adasam.domain.rounds import RoundReport
from napari_adasam.domain.simulated import next_click
from napari_adasam.domain.structures import Structure
from napari_adasam.evaluation.times import Times
from napari_adasam.files import phantom
from napari_adasam.files.atomic import make_folder
from napari_adasam.files.exports import software_versions
from napari_adasam.services.ports import ModelInfo

GOOD = 0.93
CLICKS, STROKES = 2, 8


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What the demo does.

    Parameters
    ----------
    out
        The folder for everything that is written.
    headless
        Without pauses, and the window closes at the end.
    seed
        Of the images and of the round.
    model
        A registry name or a path.
    accepted
        Images that are corrected and accepted before the round.
    waiting
        Images that the round may use without their masks, and that are finished after it.
    unseen
        Images that are kept out of the round altogether; Dice before and after is measured on them.
    """

    out: Path
    headless: bool = False
    seed: int = 0
    model: str = "adasam-us"
    accepted: int = 8
    waiting: int = 2
    unseen: int = 6

    @property
    def images(self) -> int:
        """All of them."""
        return self.accepted + self.waiting + self.unseen


def draw_samples(folder: Path, plan: DemoPlan) -> dict[str, Labels]:
    """Draw the images into ``folder`` as TIFF with their scale; returns the exact labels by file stem."""
    make_folder(folder)
    truth: dict[str, Labels] = {}
    for number in range(plan.images):
        image = phantom.draw(plan.seed * 100_003 + number)
        name = f"sample_{number + 1:02d}"
        phantom.write_image(folder / f"{name}.tif", image)
        truth[name] = image.labels
    return truth


@dataclass(frozen=True, slots=True)
class Click:
    """A positive or negative point for one structure."""

    structure: int
    point: Point


@dataclass(frozen=True, slots=True)
class Stroke:
    """A drag of brush or eraser along (y, x) pixels; ``size`` is the diameter in pixels."""

    structure: int
    path: tuple[tuple[int, int], ...] = field(repr=False)
    size: int
    erase: bool


class ScriptedClinician:
    """Corrects one frame towards its exact labels: the worst structure first, clicks before strokes, then content.

    Parameters
    ----------
    truth
        (height, width) uint8, exact.
    """

    def __init__(self, truth: Labels, structures: Sequence[Structure]) -> None:
        self.truth = truth
        self.made: Counter[tuple[int, str]] = Counter()
        self._structures = tuple(structures)

    def next(self, labels: Labels) -> Click | Stroke | None:
        """What to do next about these labels; ``None`` when they are good enough or nothing more is worth trying."""
        scores = agreement(labels, self.truth, self._structures)
        for value in sorted(scores, key=lambda one: scores[one]):
            if scores[value] >= GOOD:
                continue
            if self.made[value, "click"] < CLICKS:
                self.made[value, "click"] += 1
                point = next_click(labels == value, self.truth == value)
                return None if point is None else Click(value, point)
            if self.made[value, "stroke"] < STROKES:
                self.made[value, "stroke"] += 1
                return stroke_over_error(labels, self.truth, value)
        return None

    def count(self, kind: str) -> int:
        """How many clicks or strokes there were."""
        return sum(number for (_, made), number in self.made.items() if made == kind)

    def got_worse(self, before: Labels, after: Labels) -> bool:
        """Whether a person would take the last step back."""
        return total(agreement(after, self.truth, self._structures)) < total(
            agreement(before, self.truth, self._structures)
        )


def stroke_over_error(labels: Labels, truth: Labels, structure: int) -> Stroke:
    """A stroke along the middle of the structure's largest error region, as wide as that is, not over its border.

    What is missing where another structure lies is first erased there: pixels of others are protected.
    """
    true = truth == structure
    region = _largest((labels == structure) ^ true)
    erase = not bool(true[region].any())
    room = ndimage.distance_transform_edt(np.pad(~true if erase else true, 1))[1:-1, 1:-1]
    path, size = _middle_line(region)
    path = [place for place in path if room[place] > size / 2]
    if not path:  # thinner than it looks: one dab where there is most room
        y, x = np.unravel_index(int(np.where(region, room, 0).argmax()), truth.shape)
        path, size = [(int(y), int(x))], max(1, int(2 * room[y, x]) - 1)
    there = int(np.bincount(labels[region]).argmax())
    if not erase and there not in (0, structure):
        return Stroke(there, tuple(path), size, erase=True)
    return Stroke(structure, tuple(path), size, erase)


def _largest(wrong: Mask) -> Mask:
    names, count = ndimage.label(wrong)
    sizes = ndimage.sum_labels(wrong, names, range(1, count + 1))
    found: Mask = names == int(np.argmax(sizes)) + 1
    return found


def _middle_line(region: Mask) -> tuple[list[tuple[int, int]], int]:
    """(y, x) along the middle of a region, end to end, and how wide a brush goes between its borders, in pixels."""
    rows, columns = np.nonzero(region)
    lying = bool(np.ptp(columns) >= np.ptp(rows))
    along, across = (columns, rows) if lying else (rows, columns)
    counts, sums = np.bincount(along), np.bincount(along, weights=across)
    places = np.flatnonzero(counts)
    size = max(3, round(float(np.median(counts[places]))) - 1)
    chosen = places[:: max(1, size // 3)]
    middles = zip((sums[chosen] / counts[chosen]).astype(int).tolist(), chosen.tolist(), strict=True)
    return [(middle, place) if lying else (place, middle) for middle, place in middles], size


def agreement(labels: Labels, truth: Labels, structures: Sequence[Structure]) -> dict[int, float]:
    """Dice by structure value, 0 to 1."""
    return {one.value: dice(labels == one.value, truth == one.value) for one in structures}


def total(scores: Mapping[int, float]) -> float:
    """The sum; for comparing the same structures."""
    return sum(scores.values())


def mean_by_name(scores: Sequence[Mapping[int, float]], structures: Sequence[Structure]) -> dict[str, float]:
    """Mean over frames by structure name, and over the structures."""
    means = {one.name: float(np.mean([score[one.value] for score in scores])) for one in structures}
    return means | {"mean": float(np.mean(list(means.values())))}


@dataclass(slots=True)
class DemoLog:
    """What happened, while it happens; :meth:`report` makes it ready for report.json."""

    structures: tuple[Structure, ...] = ()
    before: list[dict[int, float]] = field(default_factory=list)
    after: list[dict[int, float]] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    screenshots: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    round: RoundReport | None = None
    model: ModelInfo | None = None
    gaps_still: Times | None = None
    gaps_learning: Times | None = None
    clicks_learning: list[float] = field(default_factory=list)

    def add_frame(
        self, name: str, part: str, suggested: Labels, accepted: Labels, clinician: ScriptedClinician
    ) -> None:
        """Note one accepted frame."""
        row: dict[str, Any] = {"frame": name, "part": part}
        for what, labels in (("dice_suggested", suggested), ("dice_accepted", accepted)):
            scores = agreement(labels, clinician.truth, self.structures)
            row[what] = {one.name: round(scores[one.value], 4) for one in self.structures}
        changed = int(np.count_nonzero(suggested != accepted))
        self.frames.append(
            row | {"clicks": clinician.count("click"), "strokes": clinician.count("stroke"), "changed_px": changed}
        )

    def report(self, plan: DemoPlan) -> dict[str, Any]:
        """The content of report.json."""
        names = {one.value: one.name for one in self.structures}
        done = self.round
        return {
            "model": None if self.model is None else {"name": self.model.name, "fingerprint": self.model.fingerprint},
            "device": None if self.model is None else self.model.device,
            "seed": plan.seed,
            "images": {"accepted_before": plan.accepted, "waiting": plan.waiting, "unseen": plan.unseen},
            "dice_unseen_before": mean_by_name(self.before, self.structures),
            "dice_unseen_after": mean_by_name(self.after, self.structures),
            "round": done and _by_name(asdict(done) | {"losses": [round(loss, 4) for loss in done.losses]}, names),
            "frames": self.frames,
            "window_ms": {
                "gap_still": self.gaps_still and asdict(self.gaps_still),
                "gap_learning": self.gaps_learning and asdict(self.gaps_learning),
                "click_learning": asdict(clicks) if (clicks := Times.of(self.clicks_learning)) else None,
            },
            "seconds": {phase: round(seconds, 2) for phase, seconds in self.seconds.items()},
            "versions": software_versions(),
            "messages": self.messages,
            "written": self.written,
            "screenshots": self.screenshots,
        }


def _by_name(report: dict[str, Any], names: Mapping[int, str]) -> dict[str, Any]:
    return report | {key: {names[value]: dice for value, dice in report[key].items()} for key in ("before", "after")}
