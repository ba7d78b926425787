"""Agreement of two raters, or of two sessions on the same frames: Dice, HD95, ICC(2,1), Bland and Altman."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, special

from napari_adasam.domain.overlap import dice
from napari_adasam.domain.records import Labels, Mask, Spacing

LEVEL = 0.95
"""Of all intervals."""
IN_LIMITS = 1.96
"""Standard deviations within which 95 % of normal differences lie, as Bland and Altman 1999 round it."""


ROUNDING = 1e-12
"""Mean squares below this share of their sum are what rounding leaves of 0."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class BlandAltman:
    """Differences first − second: their mean, standard deviation, and limits of agreement, in the readings' unit."""

    n: int
    sd: float
    bias: Interval
    lower: Interval
    upper: Interval


@dataclass(frozen=True, slots=True)
class MaskAgreement:
    """Two raters' masks of one structure on one frame.

    Parameters
    ----------
    hd95
        ``None`` where only one of the two has the structure; 0 where neither has.
    unit
        Of ``hd95``: ``"mm"`` or ``"px"``.
    """

    frame: str
    dice: float
    hd95: float | None
    unit: str


def compare_masks(
    first: Mapping[str, Labels],
    second: Mapping[str, Labels],
    structure: int,
    spacings: Mapping[str, Spacing | None] | None = None,
) -> tuple[MaskAgreement, ...]:
    """Dice and HD95 of a structure on every frame that both raters have, in the order of the first.

    Label images are (height, width), by frame id. HD95 is in mm where the frame's spacing is given, else in px.
    """
    found = []
    for key, labels in first.items():
        if key not in second:
            continue
        masks = labels == structure, second[key] == structure
        spacing = (spacings or {}).get(key)
        found.append(MaskAgreement(key, dice(*masks), hd95(*masks, spacing), "mm" if spacing else "px"))
    return tuple(found)


def hd95(first: Mask, second: Mask, spacing: Spacing | None = None) -> float | None:
    """95th percentile of the distances between two borders, the larger of both directions, in mm, or px without scale.

    Borders are the pixels of a mask (height, width) that have one of their four neighbours outside of it. The
    percentile is taken in each direction by itself (Huttenlocher et al. 1993, with 95 % in place of all). ``None``
    where only one mask is empty, 0 where both are.
    """
    if first.shape != second.shape:
        raise ValueError(f"expected two masks of one shape, got {first.shape} and {second.shape}")
    if not (first.any() and second.any()):
        return None if first.any() or second.any() else 0.0
    pixel = (1.0, 1.0) if spacing is None else (spacing.y_mm, spacing.x_mm)
    borders = border(first), border(second)
    return max(
        float(np.percentile(ndimage.distance_transform_edt(~there, pixel)[here], 95))
        for here, there in (borders, borders[::-1])
    )


def icc(ratings: ArrayLike) -> Interval:
    """Intraclass correlation ICC(2,1): two-way random effects, absolute agreement, one rater; with its 95 % interval.

    (BMS − EMS) / (BMS + (k − 1)·EMS + k·(JMS − EMS)/n) with the mean squares between n targets (BMS), between k judges
    (JMS) and of the rest (EMS): Shrout and Fleiss 1979, Psychol Bull 86, pp. 420 to 428. The interval is theirs too,
    with Satterthwaite's degrees of freedom (as ICC(A,1) in McGraw and Wong 1996, Psychol Methods 1, pp. 30 to 46).

    Parameters
    ----------
    ratings
        (n targets, k judges), at least 3 × 2, finite, and not all the same.
    """
    table = np.asarray(ratings, np.float64)
    if table.ndim != 2 or table.shape[0] < 3 or table.shape[1] < 2 or not np.isfinite(table).all():
        raise ValueError(f"expected finite ratings of at least 3 targets by 2 judges, got the shape {table.shape}")
    n, k = table.shape
    found = _mean_squares(table)
    targets, judges, rest = (square if square > ROUNDING * sum(found) else 0.0 for square in found)
    if targets + judges + rest == 0:
        raise ValueError("expected ratings that differ, got one value throughout: there is nothing to correlate")
    value = (targets - rest) / (targets + (k - 1) * rest + k * (judges - rest) / n)
    if value >= 1 or targets == 0:  # both bounds fall on the value
        return _around(float(value), 0.0)
    of_judges, of_rest = k * value / (n * (1 - value)), 1 + k * value * (n - 1) / (n * (1 - value))
    top = (of_judges * judges + of_rest * rest) ** 2
    bottom = (of_judges * judges) ** 2 / (k - 1) + (of_rest * rest) ** 2 / ((n - 1) * (k - 1))
    freedom = top / bottom if bottom > 0 else (n - 1) * (k - 1)  # what it tends to where the judges do not differ
    below, above = _f_quantile(n - 1, freedom), _f_quantile(freedom, n - 1)
    others = k * judges + (k * n - k - n) * rest
    low = n * (targets / below - rest) / (others + n * targets / below)
    # Times the quantile, which may be 0 or without bound where there are next to no degrees of freedom.
    high = n * (targets * above - rest) / (others + n * targets * above) if np.isfinite(above) else 1.0
    return Interval(float(value), float(low), float(high))


def bland_altman(first: ArrayLike, second: ArrayLike) -> BlandAltman:
    """Bias and limits of agreement of paired readings (n,), each with its 95 % interval.

    Bias d̄ ± t·s/√n; limits d̄ ± 1.96·s, their standard error s·√(1/n + 1.96²/(2(n − 1))), t with n − 1 degrees of
    freedom (Bland and Altman 1999, Stat Methods Med Res 8, pp. 135 to 160). It takes the differences to be normal, and
    each pair to be of another person.
    """
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    n = differences.size
    if differences.ndim != 1 or n < 2 or not np.isfinite(differences).all():
        raise ValueError(f"expected at least 2 pairs of finite readings, got the shape {differences.shape}")
    bias, sd = float(differences.mean()), float(differences.std(ddof=1))
    t = float(special.stdtrit(n - 1, (1 + LEVEL) / 2))
    of_bias = t * sd / n**0.5
    of_limit = t * sd * (1 / n + IN_LIMITS**2 / (2 * (n - 1))) ** 0.5
    lower, upper = bias - IN_LIMITS * sd, bias + IN_LIMITS * sd
    return BlandAltman(n, sd, _around(bias, of_bias), _around(lower, of_limit), _around(upper, of_limit))


def border(mask: Mask) -> Mask:
    """The mask's pixels that have a neighbour (of four, of six in a volume) outside it; the edge is outside."""
    return np.asarray(mask & ~ndimage.binary_erosion(mask), np.bool_)


def _mean_squares(table: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean squares between rows, between columns, and of the rest, of a two-way table without replicates."""
    n, k = table.shape
    rows, columns, mean = table.mean(axis=1), table.mean(axis=0), table.mean()
    rest = table - rows[:, None] - columns[None] + mean
    return (
        float(k * ((rows - mean) ** 2).sum() / (n - 1)),
        float(n * ((columns - mean) ** 2).sum() / (k - 1)),
        float((rest**2).sum() / ((n - 1) * (k - 1))),
    )


def _f_quantile(numerator: float, denominator: float) -> float:
    """Without bound where the degrees of freedom are next to none."""
    quantile = float(special.fdtri(numerator, denominator, (1 + LEVEL) / 2))
    return np.inf if np.isnan(quantile) else quantile


def _around(value: float, half: float) -> Interval:
    return Interval(value, value - half, value + half)
