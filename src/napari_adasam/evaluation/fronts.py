"""Activations that the trainings of a study share, and the time that one training alone would have spent on them."""

from __future__ import annotations

import time

from torch import Tensor

from napari_adasam.services.cache import Cache

LIMIT = 2 * 2**30


class Fronts(Cache):
    """A cache that knows what was asked for since :meth:`begin`, and how long making one takes on average."""

    def __init__(self, limit: int = LIMIT) -> None:
        super().__init__(limit)
        self._asked: set[str] = set()
        self._missed_at: float | None = None
        self._made = 0
        self._making, self._making_now = 0.0, 0.0

    def begin(self) -> None:
        """From here on a new training asks."""
        self._asked.clear()
        self._making_now = 0.0

    def clear(self) -> None:
        """Nothing goes: keys name the unit in front of which a value was taken, and the next training may want it."""

    def get(self, key: str) -> Tensor | None:
        """The tensor, or ``None``: then the clock runs until it is put."""
        self._asked.add(key)
        found = super().get(key)
        self._missed_at = time.perf_counter() if found is None else None
        return found

    def put(self, key: str, value: Tensor) -> None:
        """Keep a tensor, and note how long it took."""
        if self._missed_at is not None:
            took = time.perf_counter() - self._missed_at
            self._making, self._making_now, self._made = self._making + took, self._making_now + took, self._made + 1
            self._missed_at = None
        super().put(key, value)

    def cold(self, seconds: float) -> float:
        """What ``seconds`` since :meth:`begin` would have been with nothing kept: each activation at the mean time."""
        average = self._making / self._made if self._made else 0.0
        return seconds - self._making_now + average * len(self._asked)
