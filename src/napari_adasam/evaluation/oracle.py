"""The oracle annotator of the study ``session``: it knows the true masks, and corrects as a person would.

It uses them as a person uses her eyes: to see what is wrong, to click there, and to say when an outline is good enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.overlap import dice
from napari_adasam.domain.records import Labels
from napari_adasam.domain.simulated import next_click, parts, tight_box
from napari_adasam.domain.structures import Structure
from napari_adasam.services.annotator import Annotator

PATIENCE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Rules:
    """How the oracle works.

    Parameters
    ----------
    good
        Dice from which an outline is left as it is.
    hopeless
        Dice below which a suggestion is not corrected: a box is drawn around the structure, as where there is none.
    clicks
        Clicks and boxes for one structure of one image; what is still wrong after them is brushed.
    """

    good: float = 0.95
    hopeless: float = 0.5
    clicks: int = 5


@dataclass(slots=True)
class Share:
    """What one structure of one image took.

    ``dice`` is that of its suggestion (NaN where it is neither there nor suggested), ``undone`` how many of the clicks
    were taken back, ``strokes_px`` the pixels that strokes gave it or took from it.
    """

    dice: float = math.nan
    clicks: int = 0
    undone: int = 0
    strokes_px: int = 0


@dataclass(slots=True)
class Effort:
    """What one image took; ``clicks`` are points, boxes and ticks, ``strokes_px`` the pixels that strokes changed.

    ``dice`` is that of the suggestion as it came up, the mean over the structures that are in the image; ``accepted``
    that of what was accepted; ``shares`` are by structure value.
    """

    dice: float = 0.0
    clicks: int = 0
    boxes: int = 0
    ticks: int = 0
    strokes: int = 0
    strokes_px: int = 0
    accepted: float = 0.0
    undone: int = 0
    shares: dict[int, Share] = field(default_factory=dict)


class Oracle:
    """Works on one annotator's current frame.

    Parameters
    ----------
    truth
        Gives the true label image (height, width) of a frame's file.

    Attributes
    ----------
    worked
        The id of the frame that it worked on last.
    """

    def __init__(self, annotator: Annotator, truth: Callable[[str], Labels], rules: Rules = Rules()) -> None:
        self._annotator = annotator
        self._session = annotator.session
        self._truth = truth
        self._rules = rules
        self.worked = ""

    def work(self) -> Effort:
        """Correct the current frame and accept it."""
        self._settle()
        current = self.worked = self._current
        true, effort = self._truth(self._session.frame(current).path), Effort()
        effort.dice = self._agreement(true)
        for structure in self._session.structures:
            mask, clicks = true == structure.value, effort.clicks
            share = effort.shares[structure.value] = Share()
            if mask.any() or (self._labels == structure.value).any():
                share.dice = self._dice(structure.value, true)
            share.undone = self._point(structure, mask, effort)
            share.clicks, effort.undone = effort.clicks - clicks, effort.undone + share.undone
        bad = [one.value for one in self._session.structures if self._dice(one.value, true) < self._rules.good]
        if bad:
            self._brush(bad, true, effort)
        effort.accepted = self._agreement(true)
        if not self._annotator.accept():
            raise AdasamError(f"{Path(self._session.frame(current).path).name} could not be accepted. The study ends.")
        return effort

    def _point(self, structure: Structure, true: Any, effort: Effort) -> int:
        """A tick where it is not there; else boxes where nothing of use is found, and clicks at the largest error.

        How many of the clicks were taken back: none or one.
        """
        value = structure.value
        if not true.any():
            if (self._labels == value).any():
                self._annotator.tick(value, False)
                effort.clicks, effort.ticks = effort.clicks + 1, effort.ticks + 1
            return 0
        asks: list[Callable[[], None]] = []
        if dice(self._labels == value, true) < self._rules.hopeless:
            boxes = [tight_box(part) for part in parts(true, structure)] or [tight_box(true)]
            asks = [lambda box=box: self._annotator.box(box, value) for box in boxes]  # type: ignore[misc]
            effort.boxes += len(asks[: self._rules.clicks])
        for made in range(self._rules.clicks):
            before = dice(self._labels == value, true)
            if before >= self._rules.good:
                return 0
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
                return 1
        return 0

    def _brush(self, values: Sequence[int], true: Labels, effort: Effort) -> None:
        """Paint what is missing, erase what is wrong, paint again where another structure had to be erased first."""
        before = self._labels
        wrong = (before != true) & (np.isin(before, values) | np.isin(true, values))
        missing = wrong & np.isin(true, values)
        for act in ("paint", "erase", "paint"):
            now = self._labels
            wanted = np.where(missing, true, now) if act == "paint" else np.where(wrong & (now != true), 0, now)
            if (wanted != now).any():
                self._annotator.stroke(wanted.astype(np.uint8))
                drawn = self._labels
                effort.strokes += 1
                effort.strokes_px += int(np.count_nonzero(drawn != now))
                for value, share in effort.shares.items():
                    share.strokes_px += int(np.count_nonzero((drawn == value) ^ (now == value)))

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
