"""Propagation through a clip or a volume: which key frame each frame follows, and how sure its masks are.

A key frame is an accepted one. Every other frame follows the key frame that is nearest to it, so that correcting one
concerns the frames around it and no others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field

from napari_adasam.domain.packing import LabelImage
from napari_adasam.domain.records import Labels

CUT_BELOW = 0.4
"""Likeness of two frames below which the second shows something else."""
STOP_BELOW = 0.8
"""Confidence below which a frame has drifted: it and what would follow from it get no masks."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for a mask that came from the frame before, each 0 to 1; all 1 where there is no mask.

    Parameters
    ----------
    held
        The decoder's predicted IoU, as a share of what it predicts of the way back.
    agreed
        Mean Dice with the masks of other prompts: the map alone, the box alone.
    back
        Dice of the way back with the mask that it came from.
    steady
        How little area and place jump, once the motion is taken off.
    """

    held: float = 1.0
    agreed: float = 1.0
    back: float = 1.0
    steady: float = 1.0

    @property
    def confidence(self) -> float:
        """Geometric mean of the four: one of them near 0 is enough to doubt."""
        return float((self.held * self.agreed * self.back * self.steady) ** 0.25)


@dataclass(frozen=True, slots=True)
class Propagated:
    """Where a frame's masks came from.

    Parameters
    ----------
    source
        Id of the key frame.
    outline
        :func:`outline_of` the key frame's labels: if they are others now, the masks are out of date.
    confidence
        0 to 1, of the structure that is least sure.
    """

    source: str
    outline: str
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class PropagatedMasks:
    """What a session keeps of a frame's propagated masks.

    Parameters
    ----------
    labels
        (height, width) uint8.
    values
        Of the structures that are there.
    model
        The fingerprint of the weights that made them.
    """

    frame_id: str
    labels: LabelImage = field(repr=False)
    how: Propagated
    values: tuple[int, ...]
    model: str


@dataclass(frozen=True, slots=True)
class Run:
    """A key frame's place, and the places that its masks go to in this order."""

    key: int
    frames: tuple[int, ...]


def runs(keys: Collection[int], count: int) -> tuple[Run, ...]:
    """Forwards and backwards from each key frame, as far as none is nearer; in the middle the earlier one counts.

    >>> runs({1, 6}, 8)
    (Run(key=1, frames=(2, 3)), Run(key=1, frames=(0,)), Run(key=6, frames=(7,)), Run(key=6, frames=(5, 4)))
    """
    found = []
    order = sorted(keys)
    for at, key in enumerate(order):
        last = (key + order[at + 1]) // 2 if at + 1 < len(order) else count - 1
        first = (order[at - 1] + key) // 2 + 1 if at else 0
        found += [Run(key, tuple(range(key + 1, last + 1))), Run(key, tuple(range(key - 1, first - 1, -1)))]
    return tuple(run for run in found if run.frames)


def outline_of(labels: Labels) -> str:
    """A short name of a label image (height, width): equal for equal ones only."""
    return hashlib.sha256(labels.tobytes()).hexdigest()[:16]
