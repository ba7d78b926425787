"""Series of times as percentiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Times:
    """Percentiles of a series of times in ms, and how many there were."""

    p50: float
    p95: float
    p99: float
    max: float
    n: int

    @classmethod
    def of(cls, times: Sequence[float], digits: int = 1) -> Times | None:
        """Of a series in ms, rounded to ``digits``; ``None`` of an empty one."""
        if not times:
            return None
        p50, p95, p99, most = (round(float(one), digits) for one in np.percentile(times, (50, 95, 99, 100)))
        return cls(p50, p95, p99, most, len(times))
