"""Files and folders in, a session's folder in and out, exports: between the disk and the session."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_adasam.domain.errors import AdasamError, InputError
from napari_adasam.domain.records import Frame, FrameStatus
from napari_adasam.files.exports import Provenance, export
from napari_adasam.files.readers import open_paths
from napari_adasam.files.store import is_session
from napari_adasam.services.keeping import Keeping
from napari_adasam.services.ports import ModelInfo
from napari_adasam.services.rounds import Learning
from napari_adasam.services.workbench import Workbench


class Filing:
    """Reads into the session and writes out of it. GUI thread."""

    def __init__(self, bench: Workbench, keeping: Keeping, learning: Learning) -> None:
        self._bench = bench
        self._keeping = keeping
        self._learning = learning

    def open(self, paths: Sequence[Path]) -> list[str]:
        """Open files, folders or one session's folder; one sentence for each that cannot be."""
        problems = []
        for path in [path for path in paths if is_session(path)]:
            try:
                problems += self._open_session(path)
            except AdasamError as error:
                problems.append(str(error))
        pictures = [path for path in paths if not is_session(path)]
        if pictures:
            result = open_paths(pictures)
            problems += result.problems
            problems += self._add(self._bench.sources.add_clips(result.clips))
        return problems

    def _add(self, frames: Sequence[Frame]) -> list[str]:
        """Take new frames in; not if the session's folder cannot, because what is accepted on them would be lost."""
        try:
            self._keeping.frames(frames)
        except AdasamError as error:
            self._bench.sources.drop(frames)
            return [str(error)]
        self._bench.session.add_frames(frames)
        return []

    def _open_session(self, folder: Path) -> list[str]:
        session = self._bench.session
        if session.frames:
            raise InputError(
                f"{folder.name} is a saved session; open it in a new window, where no images are open yet."
            )
        record = self._keeping.resume(folder)
        self._learning.reports = record.rounds
        if record.structures:
            session.set_structures(record.structures)
        missing = self._bench.sources.add_frames(record.frames)
        session.add_frames(record.frames)
        session.set_up({key: setup for key, setup in record.setups.items() if key in {one.id for one in record.frames}})
        for frame in record.frames:
            status = record.statuses.get(frame.id, FrameStatus.NEW)
            session.restore(frame.id, status, record.annotations.get(frame.id), record.ticks.get(frame.id, {}))
        return [*record.problems, *missing]

    def export(self, folder: Path, formats: Sequence[str], model: ModelInfo | None) -> list[Path]:
        """Write the accepted frames; see :func:`napari_adasam.files.exports.export`."""
        session = self._bench.session
        provenance = Provenance(settings=self._bench.settings)
        if model is not None:
            provenance = Provenance(model.name, model.fingerprint, model.lineage, model.licence, self._bench.settings)
        return export(session.annotations, session.frames, session.structures, folder, formats, provenance)
