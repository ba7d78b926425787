"""How a round's models are judged: on held-out frames, by themselves and when they are asked.

Each ``yield`` is a point where a click may overtake.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from napari_adasam.domain.rounds import RoundProgress
from napari_adasam.domain.settings import LearnSettings, PromptSettings
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.checkpoints import Weights
from napari_adasam.services.descent import HALF_WAY, go_back
from napari_adasam.services.gate import decide, mean, means
from napari_adasam.services.material import FEWEST, Material, alone, better_at_clicks, by_hand
from napari_adasam.services.ports import LabelledFrame
from napari_adasam.services.stopwatch import Stopwatch
from napari_adasam.services.views import Views

Figures = dict[int, list[float]]
"""Dice of each frame, by structure value."""


@dataclass(frozen=True, slots=True, eq=False)
class Jury:
    """Measures models on the material of a round of so many steps."""

    material: Material
    prompts: PromptSettings
    watch: Stopwatch
    steps: int

    def measure(
        self, net: AdaSam, views: Views, frames: Sequence[LabelledFrame], step: int
    ) -> Generator[RoundProgress, None, Figures]:
        """Prompt-free Dice by structure of each frame; masks are looked at after the answers are there.

        ``step``: 0 before the round, :attr:`steps` behind it.
        """
        what = "measuring the new model" if step else "measuring the serving model"
        structures = self.material.structures
        found: Figures = {s.value: [] for s in structures}
        for frame in frames:
            with self.watch.timing("measured", views.slices):
                for value, figure in alone(net, views, frame, structures, self.prompts).items():
                    found[value].append(figure)
            yield RoundProgress(step, self.steps, math.nan, what, None)
        return found

    def judge(
        self, student: AdaSam, views: Views, before: dict[int, float], start: Weights, settings: LearnSettings
    ) -> Generator[RoundProgress, None, tuple[dict[int, float], bool, str]]:
        """The gate: held-out Dice of what is to serve, whether it is, and why.

        A student that is refused is tried once more half way back to ``start``, where it began: weights in between
        keep most of what both know (Wortsman et al. 2022, arXiv 2109.01903). Then it serves only if it is better.
        """
        held, structures = self.material.held.out, self.material.structures
        after = means((yield from self.measure(student, views, held, self.steps)))
        accepted, verdict = decide(before, after, structures, settings)
        if accepted:
            return after, True, verdict
        go_back(student, start, HALF_WAY)
        between = means((yield from self.measure(student, views, held, self.steps)))
        accepted, better = decide(before, between, structures, settings)
        if not accepted or mean(between) <= mean(before):
            return after, False, verdict
        return between, True, f"{better} All of what was learned would be worse there, so it takes half of it."

    def compare(
        self, new: tuple[AdaSam, Views], old: tuple[AdaSam, Views]
    ) -> Generator[RoundProgress, None, tuple[bool, str]]:
        """Whether the new one of two models is to answer clicks, by the held-out frames, and a sentence on it."""
        frames = self.material.held.out
        found: list[list[list[float]]] = []
        for net, views in (new, old):
            found.append([])
            for frame in frames if len(frames) >= FEWEST else ():
                found[-1].append(by_hand(net, views, frame, self.material.structures))
                yield RoundProgress(self.steps, self.steps, math.nan, "trying clicks", None)
        return better_at_clicks(*found)
