"""How well the presence score tells images that show a structure from images that do not.

Data sets of lesions have a lesion in every image. What shows none is made of the same images: the largest strip beside
the structure, same tissue, same scanner. It is smaller than the whole, which a score could give away: the figure is an
upper bound for that reason.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

LEAST_SHARE = 0.2
LEAST_SIDE = 64
FEWEST = 5


def beside(truth: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """The largest strip of an image (height, width) above, below, left or right of the structure.

    ``None`` where it is under a fifth of the image or 64 pixels, or where there is no structure to lie beside.
    """
    if not truth.any():
        return None
    height, width = truth.shape
    rows, columns = np.nonzero(truth.any(1))[0], np.nonzero(truth.any(0))[0]
    strips = (
        (slice(0, int(rows[0])), slice(0, width)),
        (slice(int(rows[-1]) + 1, height), slice(0, width)),
        (slice(0, height), slice(0, int(columns[0]))),
        (slice(0, height), slice(int(columns[-1]) + 1, width)),
    )
    best = max(strips, key=_area)
    wide = min(part.stop - part.start for part in best) >= LEAST_SIDE
    return best if wide and _area(best) >= LEAST_SHARE * truth.size else None


def auc(present: Sequence[float], absent: Sequence[float]) -> float | None:
    """Area under the ROC curve: the chance that a present score beats an absent one, ties half (Mann and Whitney).

    ``None`` with fewer than five of either.
    """
    if min(len(present), len(absent)) < FEWEST:
        return None
    return float(mannwhitneyu(present, absent).statistic / (len(present) * len(absent)))


def _area(strip: tuple[slice, slice]) -> int:
    return int(np.prod([part.stop - part.start for part in strip]))
