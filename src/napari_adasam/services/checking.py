"""Saved masks are read when they are needed; in the background all are read once, so that a damaged one is noticed."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import cast

from psygnal import Signal

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.packing import LabelImage, PackedAnnotation, PackedAnnotations, StoredLabels
from napari_adasam.domain.records import Annotation, FrameStatus
from napari_adasam.files.record import STAND_IN, SessionRecord
from napari_adasam.services.keeping import Keeping
from napari_adasam.services.lane import Job, JobKind, Outcome
from napari_adasam.services.workbench import Workbench

SLICE = 20
"""Masks of one step of the lane."""


class Checking:
    """Looks after the masks of a session that was reopened. GUI thread."""

    problem = Signal(str)

    def __init__(self, bench: Workbench, keeping: Keeping) -> None:
        self._bench = bench
        self._keeping = keeping
        self._record = SessionRecord()

    def begin(self, record: SessionRecord) -> None:
        """Read every mask once, behind all other work."""
        self._record = record
        stored = stored_of(record.annotations)
        if stored:
            job = Job(JobKind.LOOK, lambda: check(stored), key="masks")
            self._bench.dispatch.send(job, "Checking the saved masks", self._receive)

    def mend(self, frame_id: str) -> None:
        """If the mask that a frame shows cannot be read: say so, and show the version before it, or none."""
        session, labels = self._bench.session, self._bench.session.packed(frame_id)
        try:
            if isinstance(labels, StoredLabels):
                labels.open()
            return
        except InputError as error:
            self.problem.emit(f"{error} {STAND_IN}")
        status, ticks = session.status(frame_id), dict(session.ticks(frame_id))
        earlier = self._earlier(frame_id)
        session.restore(frame_id, status if earlier is not None else FrameStatus.NEW, earlier, ticks)

    def _earlier(self, frame_id: str) -> Annotation | None:
        """The last version whose mask can be read, with the facts of the last one."""
        facts = self._record.annotations.packed(frame_id)
        for version in reversed(self._keeping.versions(frame_id)):
            try:
                labels = version.labels.open()
            except InputError:
                continue
            bare = None if facts is None else facts.bare
            return (
                None
                if bare is None
                else Annotation(frame_id, labels, bare.origins, bare.changed_share, bare.seconds, bare.model)
            )
        return None

    def _receive(self, outcome: Outcome) -> None:
        if outcome.state == "done":
            for frame_id in cast("list[str]", outcome.value):
                self.mend(frame_id)


def stored_of(annotations: PackedAnnotations) -> dict[str, LabelImage]:
    """Frame id to the label image, of those that lie on the disk."""
    found: dict[str, PackedAnnotation | None] = {frame_id: annotations.packed(frame_id) for frame_id in annotations}
    return {key: one.labels for key, one in found.items() if one is not None and isinstance(one.labels, StoredLabels)}


def check(stored: Mapping[str, LabelImage]) -> Generator[None, None, list[str]]:
    """The job: ids of the frames whose mask is damaged; lane's thread."""
    damaged = []
    for number, (frame_id, labels) in enumerate(stored.items(), start=1):
        try:
            labels.open()
        except InputError:
            damaged.append(frame_id)
        if number % SLICE == 0:
            yield
    return damaged
