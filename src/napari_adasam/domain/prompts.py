"""What SAM is asked with: points, a box, a dense map. Coordinates are rows first, in image pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Point:
    """A click at (y, x) in image pixels; the centre of the first pixel is (0, 0)."""

    y: float
    x: float
    positive: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """One question to SAM's decoder; its answer is one mask.

    Parameters
    ----------
    points
        Clicks, positive or negative.
    box
        (y0, x0, y1, x1) in image pixels, both corners inside the box.
    dense
        Logits (h, w) float32 over the model's square input, as fine as the embedding or finer; ``None`` for no map.
    source
        ``"cam"`` where the classifier made it, ``"clinician"`` where a person did, ``"token"`` where a learned token of
        a structure stands in place of both.
    token
        The place of that token among the model's.
    """

    points: tuple[Point, ...] = ()
    box: Box | None = None
    dense: NDArray[np.float32] | None = field(default=None, repr=False)
    source: Literal["cam", "clinician", "token"] = "clinician"
    token: int | None = None

    def __post_init__(self) -> None:
        if not self.points and self.box is None and self.dense is None and self.token is None:
            raise ValueError("expected a point, a box, a dense map or a token, got an empty prompt")
        if self.box is not None and (self.box[0] > self.box[2] or self.box[1] > self.box[3]):
            raise ValueError(f"expected a box (y0, x0, y1, x1) with y0 <= y1 and x0 <= x1, got {self.box}")
