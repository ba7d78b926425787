"""Agreement of two raters, against published examples."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_adasam.domain.agreement import BlandAltman, MaskAgreement, bland_altman, compare_masks, hd95, icc
from napari_adasam.domain.records import Spacing

SHROUT_FLEISS = ((9, 2, 5, 8), (6, 1, 3, 2), (8, 4, 6, 8), (7, 1, 2, 6), (10, 5, 6, 9), (6, 2, 4, 7))
"""Ratings of six targets by four judges: Shrout and Fleiss 1979, table 2."""
WRIGHT = (494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427)
MINI_WRIGHT = (512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451)
"""Peak expiratory flow in l/min, first readings by two meters: Bland and Altman 1986, Lancet i, pp. 307 to 310."""
RATINGS = arrays(np.float64, st.tuples(st.integers(3, 12), st.integers(2, 4)), elements=st.floats(-50, 50, width=16))


def exact_icc(ratings: tuple[tuple[int, ...], ...]) -> Fraction:
    """ICC(2,1) in whole fractions, by the sums of squares of the paper."""
    n, k = len(ratings), len(ratings[0])
    total = Fraction(sum(map(sum, ratings)) ** 2, n * k)
    squares = Fraction(sum(value**2 for row in ratings for value in row)) - total
    rows = Fraction(sum(sum(row) ** 2 for row in ratings), k) - total
    columns = Fraction(sum(sum(column) ** 2 for column in zip(*ratings, strict=True)), n) - total
    between, judges = rows / (n - 1), columns / (k - 1)
    rest = (squares - rows - columns) / ((n - 1) * (k - 1))
    return (between - rest) / (between + (k - 1) * rest + Fraction(k, n) * (judges - rest))


def test_icc_of_shrout_and_fleiss() -> None:
    found = icc(SHROUT_FLEISS)
    assert found.value == pytest.approx(float(exact_icc(SHROUT_FLEISS)), rel=1e-12)
    assert round(found.value, 2) == 0.29  # as printed in their table 4
    # Their data in R's psych::ICC, row ICC2, prints 0.019 and 0.761.
    assert (round(found.low, 3), round(found.high, 3)) == (0.019, 0.761)


@settings(max_examples=60, deadline=None)
@given(RATINGS, st.floats(0.1, 10), st.floats(-5, 5))
def test_icc_does_not_depend_on_unit_zero_or_order(ratings: np.ndarray, factor: float, offset: float) -> None:
    if np.ptp(ratings) < 1:
        return
    found = icc(ratings)
    other = icc((ratings * factor + offset)[::-1, ::-1])
    assert other.value == pytest.approx(found.value, abs=1e-6)
    assert found.value <= 1
    assert np.isfinite([found.low, found.high]).all()
    if found.value >= 0:  # below 0 the formula's interval may lie beside the value
        assert found.low <= found.value + 1e-9
        assert found.value <= found.high + 1e-9


def test_icc_with_next_to_no_degrees_of_freedom_is_finite() -> None:
    found = icc([[0, 2], [2, -0.125], [2, -0.125]])
    assert found.value < 0
    assert np.isfinite([found.low, found.high]).all()


def test_icc_is_of_absolute_agreement() -> None:
    first = np.array([20.0, 25.0, 31.0, 18.0, 27.0])
    assert icc(np.stack([first, first], axis=1)) == icc(SHROUT_FLEISS).__class__(1.0, 1.0, 1.0)
    assert icc(np.stack([first, first + 10], axis=1)).value < 0.5


@pytest.mark.parametrize("ratings", [[[1, 2], [1, 2], [1, 2]], [[1, 2], [2, 1], [1, 2], [2, 1]]])
def test_icc_where_targets_do_not_differ_is_not_above_0(ratings: list[list[float]]) -> None:
    found = icc(ratings)
    assert found.low <= found.value <= 0
    assert np.isfinite(found.high)


@pytest.mark.parametrize("ratings", [[[1, 2], [3, 4]], [[1], [2], [3]], [[1, 2], [np.nan, 3], [4, 5]], [1, 2, 3]])
def test_icc_wants_a_table(ratings: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="expected finite ratings"):
        icc(ratings)


def test_icc_wants_ratings_that_differ() -> None:
    with pytest.raises(ValueError, match="expected ratings that differ"):
        icc([[4, 4], [4, 4], [4, 4]])


def test_bland_and_altman_of_their_own_example() -> None:
    found = bland_altman(WRIGHT, MINI_WRIGHT)
    assert (round(found.bias.value, 1), round(found.sd, 1), found.n) == (-2.1, 38.8, 17)  # as printed
    assert (round(found.bias.low, 1), round(found.bias.high, 1)) == (-22.0, 17.8)  # as printed
    # They took 2 in place of 1.96 in 1986: −79.7 and 75.5.
    assert found.bias.value - 2 * found.sd == pytest.approx(-79.7, abs=0.1)
    assert found.upper.value == pytest.approx(found.bias.value + 1.96 * found.sd)
    assert found.lower.value == pytest.approx(found.bias.value - 1.96 * found.sd)
    # Their standard error of a limit, √(3s²/n), is the older form of ours: 16.3 against 15.9 l/min there.
    assert (found.lower.high - found.lower.value) / 2.1199 == pytest.approx(16.3, abs=0.2)
    assert found.lower.high - found.lower.value == pytest.approx(found.upper.high - found.upper.value)


@pytest.mark.parametrize(("first", "second"), [([1], [2]), ([[1, 2]], [[1, 2]]), ([1, np.inf], [1, 2])])
def test_bland_and_altman_want_pairs(first: list[float], second: list[float]) -> None:
    with pytest.raises(ValueError, match="expected at least 2 pairs"):
        bland_altman(first, second)


def test_bland_and_altman_of_equal_readings() -> None:
    found = bland_altman([3.0, 4.0, 5.0], [2.0, 3.0, 4.0])
    assert isinstance(found, BlandAltman)
    assert (found.bias.value, found.bias.low, found.upper.value, found.sd) == (1, 1, 1, 0)


def test_hd95_in_pixels_and_millimetres() -> None:
    first, second = np.zeros((2, 60, 80), np.bool_)
    first[10:30, 10:40] = True
    second[13:33, 10:40] = True
    assert hd95(first, second) == 3
    assert hd95(first, second, Spacing(0.1, 0.4, "by hand")) == pytest.approx(0.3)
    assert hd95(first.T, second.T, Spacing(0.1, 0.4, "by hand")) == pytest.approx(1.2)
    assert hd95(first, first) == 0
    assert hd95(first & False, first & False) == 0
    assert hd95(first, first & False) is None
    with pytest.raises(ValueError, match="expected two masks of one shape"):
        hd95(first, second[1:])


def test_hd95_leaves_out_the_farthest_twentieth() -> None:
    first = np.zeros((100, 400), np.bool_)
    first[40:60, 10:390] = True
    second = first.copy()
    second[20:40, 200:203] = True  # a spike of 20 px on a border of about 800
    found = hd95(first, second)
    assert found is not None
    assert found < 5


def test_masks_are_compared_on_the_frames_that_both_have() -> None:
    labels = np.zeros((40, 40), np.uint8)
    labels[10:20, 10:30] = 1
    moved = np.roll(labels, 2, axis=0)
    second = {"b": moved, "a": labels}
    found = compare_masks(dict.fromkeys("abc", labels), second, 1, {"b": Spacing(0.5, 0.5, "by hand")})
    assert found == (MaskAgreement("a", 1.0, 0.0, "px"), MaskAgreement("b", 0.8, 1.0, "mm"))
    assert compare_masks({"a": labels}, {"a": labels}, 5) == (MaskAgreement("a", 1.0, 0.0, "px"),)
