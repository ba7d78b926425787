"""Other readers' sessions on the same frames: read, never written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.packing import LabelImage, PackedLabels, StoredLabels
from napari_adasam.domain.records import FrameStatus, Labels
from napari_adasam.domain.structures import Structure, counterpart
from napari_adasam.domain.versions import Version
from napari_adasam.files.store import SessionRecord, Store

NOT_THERE = (
    "What the {name} has accepted cannot be shown: the session in {folder} cannot be read now. Nothing is lost here; "
    "put it back or connect its disk, and open this session again."
)


class OtherReaders:
    """The accepted outlines of other sessions.

    Parameters
    ----------
    readers
        Names and folders. One that cannot be read now has nothing to show.
    tell
        Gets a sentence for each of those, once.
    """

    def __init__(
        self, readers: tuple[tuple[str, Path], ...] = (), tell: Callable[[str], None] = lambda sentence: None
    ) -> None:
        self.readers = readers
        self._tell = tell
        self._records: dict[str, SessionRecord] = {}

    def versions(self, frame_id: str, structures: Sequence[Structure]) -> tuple[Version, ...]:
        """Each reader's accepted outline of a frame, with the values that ``structures`` of the same names have.

        What has no namesake among them is left out.
        """
        found = []
        for name, folder in self.readers:
            record = self._record(name, folder)
            packed = record.annotations.packed(frame_id)
            if packed is not None and record.statuses.get(frame_id) is FrameStatus.ACCEPTED:
                table = _values(record.structures, structures)
                found.append(Version(0, "", _renumbered(packed.labels, table), name))
        return tuple(found)

    def _record(self, name: str, folder: Path) -> SessionRecord:
        if name not in self._records:
            try:
                self._records[name] = Store.read(folder, lazily=True)
            except AdasamError:
                self._records[name] = SessionRecord()
                self._tell(NOT_THERE.format(name=name, folder=folder))
        return self._records[name]


def _values(theirs: Sequence[Structure], ours: Sequence[Structure]) -> NDArray[np.uint8]:
    """For each value of a reader's label images (256,), the value of the same structure in this session."""
    table = np.zeros(256, np.uint8)
    for one in theirs:
        same = counterpart(one, ours)
        table[one.value] = 0 if same is None else same.value
    return table


def _renumbered(labels: LabelImage, table: NDArray[np.uint8]) -> LabelImage:
    read = partial(_read, labels, table)
    if not isinstance(labels, StoredLabels):
        return PackedLabels.of(read())
    return StoredLabels(labels.shape, f"{labels.name} {table.tobytes().hex()}", read)


def _read(labels: LabelImage, table: NDArray[np.uint8]) -> Labels:
    read: Labels = table[labels.open()]
    read.setflags(write=False)
    return read
