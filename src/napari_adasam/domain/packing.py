"""Label images and masks compressed in memory: a frame at rest and every undo step hold these, not arrays."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np

from napari_adasam.domain.records import Labels, Mask

LEVEL = 1  # the fastest; label images are mostly runs of equal values, and higher levels gain little


@dataclass(frozen=True, slots=True)
class PackedLabels:
    """A label image, zlib-compressed."""

    shape: tuple[int, int]
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, labels: Labels) -> PackedLabels:
        """Compress (height, width) uint8."""
        height, width = labels.shape
        return cls((height, width), zlib.compress(np.asarray(labels, dtype=np.uint8).tobytes(), LEVEL))

    def open(self) -> Labels:
        """Return (height, width) uint8, read-only."""
        return np.frombuffer(zlib.decompress(self.data), dtype=np.uint8).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class PackedMask:
    """A mask, one bit a pixel, zlib-compressed."""

    shape: tuple[int, int]
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, mask: Mask) -> PackedMask:
        """Compress (height, width) bool."""
        height, width = mask.shape
        return cls((height, width), zlib.compress(np.packbits(mask).tobytes(), LEVEL))

    def open(self) -> Mask:
        """Return (height, width) bool."""
        height, width = self.shape
        bits = np.frombuffer(zlib.decompress(self.data), dtype=np.uint8)
        return np.unpackbits(bits, count=height * width).reshape(self.shape).astype(np.bool_)
