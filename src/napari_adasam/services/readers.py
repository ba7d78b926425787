"""Other readers' sessions on the same frames: read, never written."""

from __future__ import annotations

from pathlib import Path

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.versions import Version
from napari_adasam.files.store import SessionRecord, Store


class OtherReaders:
    """The accepted outlines of other sessions.

    Parameters
    ----------
    readers
        Names and folders. One that cannot be read now has nothing to show.
    """

    def __init__(self, readers: tuple[tuple[str, Path], ...] = ()) -> None:
        self.readers = readers
        self._records: dict[str, SessionRecord] = {}

    def versions(self, frame_id: str) -> tuple[Version, ...]:
        """Each reader's accepted outline of a frame."""
        found = []
        for name, folder in self.readers:
            record = self._record(name, folder)
            packed = record.annotations.packed(frame_id)
            if packed is not None and record.statuses.get(frame_id) is FrameStatus.ACCEPTED:
                found.append(Version(0, "", packed.labels, name))
        return tuple(found)

    def _record(self, name: str, folder: Path) -> SessionRecord:
        if name not in self._records:
            try:
                self._records[name] = Store.read(folder, lazily=True)
            except AdasamError:
                self._records[name] = SessionRecord()
        return self._records[name]
