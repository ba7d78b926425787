"""Splits by group, never by image: which groups are trained on, and which are held back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

HELD_BACK = 0.2
VALIDATION = 0.1


@dataclass(frozen=True, slots=True)
class Split:
    """Groups in a seeded order, cut in three: ``train`` (in labelling order), ``validation``, ``held_back``."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    held_back: tuple[str, ...]


def seeded_order(groups: Iterable[str], seed: int) -> tuple[str, ...]:
    """Distinct groups in an order that depends on their names and the seed alone, on every machine."""
    return tuple(sorted(set(groups), key=lambda g: hashlib.sha256(f"{seed}:{g}".encode()).digest()))


def split_groups(groups: Iterable[str], seed: int = 0) -> Split:
    """70 % train, 10 % validation, 20 % held back (rounded; at least one group held back where there are two)."""
    order = seeded_order(groups, seed)
    held = round(len(order) * HELD_BACK) or (1 if len(order) > 1 else 0)
    validation = round(len(order) * VALIDATION)
    train = len(order) - held - validation
    return Split(order[:train], order[train : train + validation], order[train + validation :])
