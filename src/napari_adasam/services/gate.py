"""The gate: which accepted frames a round may not learn from, and whether its student may serve."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from napari_adasam.domain.settings import LearnSettings, TrainSettings
from napari_adasam.domain.splits import seeded_order
from napari_adasam.domain.structures import Structure
from napari_adasam.services.ports import LabelledFrame

ENOUGH = 6
SHARE = 0.1
ROUNDING = 1e-9
TELLING = 10
"""So many frames tell whether a model that had to learn a structure anew does well."""
POOR, POOR_IF_NEW = 0.25, 0.1
"""So many answers may be poor of a model that does well: as it began, and where it had to learn a structure anew."""


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Accepted frames, split by group: ``train`` is learned from, ``out`` is measured on."""

    train: tuple[LabelledFrame, ...]
    out: tuple[LabelledFrame, ...]


RECENT = 20


@dataclass(frozen=True, slots=True)
class Past:
    """What earlier rounds did with groups: measured on them, or made a serving model learn from them.

    ``found``: by structure value, prompt-free Dice of what served on the latest frames just before it learned from
    them, 20 at most, since the last full round.
    """

    held: frozenset[str] = frozenset()
    learned: frozenset[str] = frozenset()
    found: Mapping[int, tuple[float, ...]] = field(default_factory=dict, hash=False)

    def refused(self, held: Held) -> Past:
        """The same after a round whose student does not serve."""
        return replace(self, held=(self.held | {one.group for one in held.out}) - self.learned)

    def served(self, held: Held, new: Mapping[int, Sequence[float]] | None) -> Past:
        """The same after a round whose student serves.

        ``new``: what served before did on what it learned from; ``None`` after a full round, which makes a model of
        which earlier figures say nothing.
        """
        learned, found = self.learned | {one.group for one in held.train}, dict[int, tuple[float, ...]]()
        if new is not None:
            found = {one: (*self.found.get(one, ()), *new.get(one, ()))[-RECENT:] for one in self.found.keys() | new}
        return Past((self.held | {one.group for one in held.out}) - learned, learned, found)


def held_count(labelled: int) -> int:
    """How many of so many accepted frames are to be held out at least; whole groups may make it more."""
    return max(2, math.ceil(SHARE * labelled)) if labelled >= ENOUGH else max(0, min(1, labelled - 1))


def hold_out(labelled: Sequence[LabelledFrame], past: Past = Past(), seed: int = 0) -> Held:
    """Choose the held-out frames by group.

    From six labels on: at least 10 % of them and at least two; from two on: one. Groups held out in an earlier round
    stay held out. What is wanted beyond them comes first from groups that no serving model has learned from, in an
    order that depends on their names alone: a model is measured on what it has learned only where there is nothing
    else. Where all frames are one group (frames of one clip), nothing can be held out. Groups that share a picture,
    such as a file and a copy of it that was saved anew, are one.
    """
    family = _families(labelled)
    held, learned = ({family.get(group, group) for group in one} for one in (past.held, past.learned))
    wanted = held_count(len(labelled))
    out: set[str] = set()
    order = seeded_order(family.values(), seed)
    groups = sorted(order, key=lambda group: (group not in held, group in learned))
    for group in groups[:-1]:
        if group not in held and sum(family[frame.group] in out for frame in labelled) >= wanted:
            break
        out.add(group)
    train = tuple(frame for frame in labelled if family[frame.group] not in out)
    return Held(train, tuple(frame for frame in labelled if family[frame.group] in out))


def _families(labelled: Sequence[LabelledFrame]) -> dict[str, str]:
    """Each group, and the one that stands for all that share a picture with it: the first of their names."""
    family, shown_by = {frame.group: frame.group for frame in labelled}, dict[tuple[object, ...], str]()
    for frame in labelled:
        pixels = np.ascontiguousarray(frame.pixels)
        picture = (pixels.shape, pixels.dtype.str, hashlib.sha256(pixels.tobytes()).digest())
        joined = {family[frame.group], family[shown_by.setdefault(picture, frame.group)]}
        if len(joined) > 1:
            family = {group: min(joined) if one in joined else one for group, one in family.items()}
    return family


def means(figures: Mapping[int, Sequence[float]]) -> dict[int, float]:
    """Mean over frames of each structure that was measured."""
    return {value: sum(each) / len(each) for value, each in figures.items() if each}


def quantiles(figures: Mapping[int, Sequence[float]], share: float) -> dict[int, float]:
    """Quantile over frames of each structure that was measured; the median for a share of 0.5."""
    return {value: float(np.quantile(each, share)) for value, each in figures.items() if each}


def mean(figures: Mapping[int, float]) -> float:
    """Mean over structures; NaN where there are none."""
    return sum(figures.values()) / len(figures) if figures else math.nan


def fit(train: TrainSettings, latest: Mapping[int, Sequence[float]], anew: Collection[int]) -> TrainSettings:
    """A mild round where a model does well on the latest frames, by structure value; else a full one.

    ``anew`` are the structures that were new to the model that learning began with: there a few good answers are luck,
    and full rounds go on until nearly all of enough are good.
    """
    if any(len(latest[value]) < TELLING for value in anew):
        return train
    low = quantiles(latest, POOR_IF_NEW if anew else POOR)
    return train.fit_for(mean(quantiles(latest, 0.5)), mean(low))


def decide(
    before: Mapping[int, float], after: Mapping[int, float], structures: Sequence[Structure], settings: LearnSettings
) -> tuple[bool, str]:
    """Whether the student serves, and why, in one sentence."""
    if not after:
        return True, (
            "No image could be kept aside yet, so the new model is in use unmeasured; accept images of other files, "
            "or go back to the earlier model."
        )
    fall = mean(before) - mean(after)
    figures = f"{mean(before):.3f} before, {mean(after):.3f} after"
    if fall > settings.max_fall + ROUNDING:
        return False, f"The new model is worse on images kept aside (Dice {figures}); the earlier one stays in use."
    for structure in structures:
        value = structure.value
        if value in after and before.get(value, 0.0) - after[value] > settings.max_fall_structure + ROUNDING:
            return False, (
                f"The new model is worse at {structure.name} (Dice {before[value]:.3f} before, "
                f"{after[value]:.3f} after); the earlier one stays in use."
            )
    return True, f"The new model is in use: Dice on images kept aside {figures}."
