"""Tensors kept in memory, up to a size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor

CACHE_BYTES = 512 * 2**20


class Cache:
    """Tensors by key, the least used dropped beyond a size in bytes."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self.limit, self.size = limit, 0
        self._kept: OrderedDict[str, Tensor] = OrderedDict()

    def get(self, key: str) -> Tensor | None:
        """The tensor, now the most recently used, or ``None``."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: str, value: Tensor) -> None:
        """Keep a tensor, dropping the least recently used ones where the limit is passed."""
        self.drop(key)
        self._kept[key] = value
        self.size += value.nbytes
        while self.size > self.limit and len(self._kept) > 1:
            self.size -= self._kept.popitem(last=False)[1].nbytes

    def drop(self, key: str) -> None:
        """Forget a key."""
        if key in self._kept:
            self.size -= self._kept.pop(key).nbytes

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self.size = 0

    def of(self, names: tuple[str, ...]) -> Mapping[str, Tensor]:
        """What is kept under these names, and under keys that begin with one of them and a slash."""
        heads = tuple(f"{name}/" for name in names)
        return {key: value for key, value in self._kept.items() if key in names or key.startswith(heads)}
