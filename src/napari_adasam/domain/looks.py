"""What a model finds on looking at a frame, and in which order frames teach it most [ours].

Three things count, each 0 to 1, with the same weight: how much differently prompted masks of one structure disagree,
how unsure the classifier is (entropy of the presence), and how unlike the frame is to those chosen before it (greedy
k-center on embeddings, Sener and Savarese 2018; as a share of the widest distance). A second frame of a file comes
after the first of every other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.records import Frame

SURE = 0.1
"""Doubt below this is not worth a word."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One look at one frame.

    Parameters
    ----------
    disagreement
        Structure value to 1 − Dice of its masks by different prompts, 0 to 1.
    presence
        Structure value to the classifier's probability that it is there, 0 to 1.
    features
        (n,) float32 of length 1: the frame's place among others.
    model
        The fingerprint of the weights that looked; places of different weights do not compare.
    """

    disagreement: Mapping[int, float]
    presence: Mapping[int, float]
    features: NDArray[np.float32] = field(repr=False)
    model: str

    @property
    def entropy(self) -> Mapping[int, float]:
        """Structure value to the entropy of its presence in bits, 0 to 1."""
        return {value: _entropy(chance) for value, chance in self.presence.items()}


def most_telling_first(
    frames: Sequence[Frame], looks: Mapping[str, Look], done: Sequence[Look], names: Mapping[int, str]
) -> dict[str, str]:
    """Ids of the frames that were looked at, those that would teach most first, each with the reason in words.

    Parameters
    ----------
    frames
        Still to be done; those without a look are left out.
    done
        Looks at frames that were accepted.
    names
        Structure value to name.
    """
    left = [frame for frame in frames if frame.id in looks]
    if not left:
        return {}
    doubt = np.array([_doubt(looks[frame.id]) for frame in left])
    features = np.stack([looks[frame.id].features for frame in left])
    near = np.full(len(left), np.inf)
    for place in (look.features for look in done if look.features.shape == features.shape[1:]):
        near = np.minimum(near, _distance(features, place))
    widest = max(float(_distance(features, features[0]).max()), float(near[np.isfinite(near)].max(initial=0.0)), 1e-6)
    seen: dict[str, int] = {}
    waiting = np.ones(len(left), np.bool_)
    offers: dict[str, str] = {}
    for _ in left:
        turn = np.array([seen.get(frame.path, 0) for frame in left])
        first = waiting & (turn == turn[waiting].min())
        unlike = np.where(np.isfinite(near), np.minimum(near / widest, 1.0), 0.0)  # to nothing: no say
        at = int(np.argmax(np.where(first, doubt + unlike, -1.0)))
        offers[left[at].id] = _why(looks[left[at].id], float(unlike[at]), names)
        waiting[at] = False
        seen[left[at].path] = seen.get(left[at].path, 0) + 1
        near = np.minimum(near, _distance(features, features[at]))
    return offers


def _doubt(look: Look) -> float:
    return max(look.disagreement.values(), default=0.0) + max(look.entropy.values(), default=0.0)


def _distance(features: NDArray[np.float32], place: NDArray[np.float32]) -> NDArray[np.float64]:
    """Euclidean, 0 to 2: all have length 1."""
    return np.asarray(np.linalg.norm(features.astype(np.float64) - place, axis=1), np.float64)


def _why(look: Look, unlike: float, names: Mapping[int, str]) -> str:
    """The weightiest of the three reasons."""
    split = max(look.disagreement, key=lambda value: look.disagreement[value], default=None)
    entropy = look.entropy
    vague = max(entropy, key=lambda value: entropy[value], default=None)
    by_masks = look.disagreement[split] if split is not None else 0.0
    by_presence = entropy[vague] if vague is not None else 0.0
    if max(by_masks, by_presence) < max(unlike, SURE):
        return (
            "it looks unlike the images before it" if unlike >= SURE else "the model is as sure of it as of the others"
        )
    if split is not None and by_masks >= by_presence:
        return (
            f"asked in different ways, the model outlines {names.get(split, split)} differently ({by_masks:.0%} apart)"
        )
    return f"the model is unsure whether {names.get(vague or 0, vague)} is there ({look.presence[vague or 0]:.0%})"


def _entropy(chance: float) -> float:
    if not 0.0 < chance < 1.0:
        return 0.0
    return -(chance * math.log2(chance) + (1 - chance) * math.log2(1 - chance))
