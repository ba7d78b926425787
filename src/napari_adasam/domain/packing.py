"""Label images and masks compressed in memory: a frame at rest and every undo step hold these, not arrays."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from napari_adasam.domain.records import Annotation, Labels, Mask

NO_LABELS = np.zeros((0, 0), dtype=np.uint8)
LEVEL = 1  # the fastest; label images are mostly runs of equal values, and higher levels gain little


def unpacked(data: bytes, size: int) -> bytes:
    """Decompress ``size`` bytes; ValueError if there are more or fewer, and no room is made for more."""
    unpacker = zlib.decompressobj()
    found = unpacker.decompress(data, size + 1)
    if len(found) != size or not unpacker.eof or unpacker.unused_data:
        raise ValueError(f"expected {size} bytes, got others")
    return found


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
        """Return (height, width) uint8, read-only. Raises ValueError or zlib.error if it is damaged."""
        height, width = self.shape
        return np.frombuffer(unpacked(self.data, height * width), dtype=np.uint8).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class StoredLabels:
    """A label image that lies elsewhere, such as on the disk, and is read each time it is opened.

    Parameters
    ----------
    name
        Of its content: label images of one name are equal.
    read
        Reads it, (height, width) uint8; raises InputError if it is damaged.
    """

    shape: tuple[int, int]
    name: str
    read: Callable[[], Labels] = field(repr=False, compare=False)

    def open(self) -> Labels:
        """Read (height, width) uint8, read-only. Raises InputError."""
        return self.read()


LabelImage = PackedLabels | StoredLabels


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
        bits = np.frombuffer(unpacked(self.data, (height * width + 7) // 8), dtype=np.uint8)
        return np.unpackbits(bits, count=height * width).reshape(self.shape).astype(np.bool_)


def laid_out(masks: Mapping[int, PackedMask], shape: tuple[int, int]) -> Labels:
    """Masks by structure value as one label image (height, width) uint8."""
    labels = np.zeros(shape, dtype=np.uint8)
    for value, mask in masks.items():
        labels[mask.open()] = value
    return labels


@dataclass(frozen=True, slots=True, eq=False)
class PackedAnnotation:
    """An accepted annotation with its labels compressed, or still on the disk."""

    bare: Annotation
    labels: LabelImage

    @classmethod
    def of(cls, annotation: Annotation) -> PackedAnnotation:
        """Compress the labels."""
        return cls(replace(annotation, labels=NO_LABELS), PackedLabels.of(annotation.labels))

    def open(self) -> Annotation:
        """Return the annotation with its labels."""
        return replace(self.bare, labels=self.labels.open())


class PackedAnnotations(Mapping[str, Annotation]):
    """Frame id to annotation, unpacked when it is asked for; never changes, and may be read on any thread."""

    def __init__(self, packed: Mapping[str, PackedAnnotation]) -> None:
        self._packed = dict(packed)

    def __getitem__(self, frame_id: str) -> Annotation:
        return self._packed[frame_id].open()

    def packed(self, frame_id: str) -> PackedAnnotation | None:
        """The annotation with its labels as they lie in memory or on the disk; ``None`` if there is none."""
        return self._packed.get(frame_id)

    def __contains__(self, frame_id: object) -> bool:
        return frame_id in self._packed

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)
