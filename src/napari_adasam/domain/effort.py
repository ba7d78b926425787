"""What a round will take, told before it starts: time from measured speeds, memory from the model's size."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_adasam.domain.settings import TrainSettings

LABELLED, UNLABELLED, MEASURED = 2.06, 2.1, 0.45
"""What these parts take beside an encoding, with the bundled model on one core (docs/speed.md): until measured."""
STARTING = 8
"""Starting the process of a round takes about as long as so many encodings (docs/speed.md)."""
PROCESS_BYTES = 400 * 2**20
"""What Python and torch take in that process and share with no other."""
STEP_BYTES = 290 * 2**20
"""What a step takes at :data:`STEP_SIZE` with :data:`STEP_PROMPTS` prompts at once; half of it is there without."""
STEP_SIZE, STEP_PROMPTS = 512, 4
CACHE_BYTES = 512 * 2**20
"""Views are kept in memory up to so much."""


@dataclass(frozen=True, slots=True)
class Speeds:
    """Seconds that the parts of a round take: encoding a view, learning from one of either kind, measuring on one."""

    encode: float
    labelled: float
    unlabelled: float
    measured: float

    @classmethod
    def guessed(cls, encode: float) -> Speeds:
        """From the time of an encoding alone."""
        return cls(encode, LABELLED * encode, UNLABELLED * encode, MEASURED * encode)


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Bytes of the weights, side of the input in pixels, bytes of a view that is kept."""

    weights: int
    input: int
    view: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds (s) of a round, and bytes of memory that it takes beyond what is in use."""

    seconds: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Work:
    """How often a round does what; ``slices`` are looked at together, and each has its own encoding."""

    encodings: float
    labelled: int
    unlabelled: int
    measured: int
    slices: int = 1

    @classmethod
    def of(cls, train: TrainSettings, learned: int, held: int, rest: int, rounds: int = 0) -> Work:
        """Of a round on so many frames: accepted ones to learn from, held-out ones, and ones without a mask.

        ``rounds`` were there before in this sitting: the views that they have drawn are at hand.
        """
        rest = min(rest, train.max_unlabelled) if train.learns_unlabelled else 0
        labelled = train.steps * train.batch
        unlabelled = sum(train.unlabelled_is_due(step) for step in range(train.steps)) if rest else 0
        new = (train.views - 1) / train.views  # the first view is the frame as it is, which suggestions have encoded
        views = new * _drawn(labelled, learned * train.views, rounds) + 2 * _drawn(unlabelled, rest, rounds)
        measured = 2 * held
        if not train.teaches_masks:  # then a view is seen about as it is for measuring: once, or by teacher and student
            measured, labelled, unlabelled = measured + labelled + 2 * unlabelled, 0, 0
        return cls(train.looks_at * views, labelled, unlabelled, measured, train.looks_at)

    def estimate(self, speeds: Speeds, size: ModelSize, prompts: int) -> Estimate:
        """What it takes, with at most so many prompts at once."""
        steps = self.labelled * speeds.labelled + self.unlabelled * speeds.unlabelled + self.measured * speeds.measured
        seconds = (STARTING + self.encodings) * speeds.encode + self.slices * steps
        step = STEP_BYTES * (size.input / STEP_SIZE) ** 2 * (self.slices + prompts / STEP_PROMPTS) / 2
        kept = min(CACHE_BYTES, math.ceil(self.encodings) * size.view)
        return Estimate(seconds, round(PROCESS_BYTES + 3 * size.weights + step + kept))


def _drawn(draws: int, things: int, times: int) -> float:
    """How many different things are expected among so many draws that were not among as many draws so many times."""
    left = (1 - 1 / things) ** draws if things else 1.0
    return things * left**times * (1 - left)
