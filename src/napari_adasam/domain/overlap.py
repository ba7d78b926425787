"""How well two masks agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def dice(first: Mask, second: Mask) -> float:
    """2·|A and B| / (|A| + |B|) of two masks of one shape, 0 to 1; 1 where both are empty (Dice 1945)."""
    total = int(first.sum()) + int(second.sum())
    return 1.0 if total == 0 else 2.0 * int((first & second).sum()) / total


def iou(first: Mask, second: Mask) -> float:
    """|A and B| / |A or B| of two masks of one shape, 0 to 1; 1 where both are empty (Jaccard 1901)."""
    union = int((first | second).sum())
    return 1.0 if union == 0 else int((first & second).sum()) / union
