"""Presence: strips that show nothing of the structure, and the area under the curve by counting pairs."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from napari_adasam.evaluation.presence import auc, beside


def test_the_strip_is_the_largest_and_holds_nothing_of_the_structure() -> None:
    truth = np.zeros((200, 300), dtype=bool)
    truth[40:100, 30:90] = True
    strip = beside(truth)
    assert strip == (slice(0, 200), slice(90, 300))
    assert not truth[strip].any()


@pytest.mark.parametrize("where", [np.s_[:, :], np.s_[20:180, 20:280], np.s_[0:0, 0:0]])
def test_there_is_no_strip_beside_what_fills_the_image_or_is_not_there(where: tuple[slice, slice]) -> None:
    truth = np.zeros((200, 300), dtype=bool)
    truth[where] = True
    assert beside(truth) is None


def test_the_area_is_the_share_of_pairs_in_the_right_order() -> None:
    rng = np.random.default_rng(0)
    present, absent = rng.integers(2, 10, 9).tolist(), rng.integers(0, 8, 7).tolist()
    pairs = [1.0 if p > a else 0.5 if p == a else 0.0 for p, a in product(present, absent)]
    assert auc(present, absent) == pytest.approx(np.mean(pairs))
    assert auc([1.0] * 5, [0.0] * 5) == 1
    assert auc([1.0] * 4, [0.0] * 50) is None
