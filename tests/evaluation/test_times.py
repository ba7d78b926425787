"""Percentiles of series of times."""

from __future__ import annotations

from napari_adasam.evaluation.times import Times


def test_percentiles_of_a_known_series() -> None:
    assert Times.of([float(n) for n in range(101)]) == Times(50.0, 95.0, 99.0, 100.0, 101)


def test_one_time_is_all_its_percentiles() -> None:
    assert Times.of([3.26]) == Times(3.3, 3.3, 3.3, 3.3, 1)


def test_nothing_was_timed() -> None:
    assert Times.of([]) is None
