"""Splits by group: how many are held back, and that the order is the same on every machine."""

from __future__ import annotations

import pytest

from napari_adasam.domain.splits import Split, seeded_order, split_groups


@pytest.mark.parametrize(
    ("groups", "train", "validation", "held_back"),
    [(0, 0, 0, 0), (1, 1, 0, 0), (2, 1, 0, 1), (3, 2, 0, 1), (10, 7, 1, 2), (20, 14, 2, 4), (30, 21, 3, 6)],
)
def test_seven_tenths_learn_one_tenth_chooses_and_two_tenths_are_held_back(
    groups: int, train: int, validation: int, held_back: int
) -> None:
    names = [f"g{number}" for number in range(groups)]
    split = split_groups([*names, *names])
    assert (len(split.train), len(split.validation), len(split.held_back)) == (train, validation, held_back)
    assert sorted((*split.train, *split.validation, *split.held_back)) == sorted(names), "each once"
    assert split == split_groups(reversed(names))


def test_the_order_depends_on_names_and_seed_alone() -> None:
    """Figures that were published for a seed can be had again."""
    assert seeded_order("abcdef", 0) == ("f", "d", "a", "c", "b", "e")
    assert seeded_order("fedcba", 1) == ("d", "a", "f", "e", "b", "c")
    assert split_groups("abcdef") == Split(("f", "d", "a", "c"), ("b",), ("e",))
