"""What serves, all of it: two models may, one that suggests and one that answers a person's points and boxes.

A round on a few images of a new kind teaches a model to find structures by itself, and may unteach it to follow clicks.
So clicks are answered by the model that learning began with, until one that has learned is better at it.
"""

from __future__ import annotations

from dataclasses import dataclass

from napari_adasam.domain.settings import Method
from napari_adasam.model import adaptation
from napari_adasam.model.adasam import AdaSam
from napari_adasam.services.gate import Past


@dataclass(frozen=True, slots=True, eq=False)
class Seer:
    """A model and the name of what its embeddings depend on."""

    net: AdaSam
    eyes: str

    @classmethod
    def of(cls, net: AdaSam) -> Seer:
        """Of a model whose weights do not change any more."""
        return cls(net, adaptation.eyes(net))


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A model that serves, the method of its last round (``None`` before the first), and whether it answers clicks."""

    net: AdaSam
    method: Method | None
    answers: bool


@dataclass(frozen=True, slots=True, eq=False)
class Serving:
    """What serves, and what the next round must know of those before it: all that a round starts from, and leaves.

    ``began`` is the model that learning began with, ``base`` its fingerprint.
    """

    now: Learned
    began: AdaSam
    base: str
    past: Past
    rounds: int
