"""Figures over the frames of the clip or volume on the screen: on the lane, a step a frame."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import cast

from psygnal import Signal

from napari_adasam.domain.packing import LabelImage
from napari_adasam.domain.records import Frame, FrameStatus
from napari_adasam.domain.stacks import Counted, FrameFigures, StackReport, figures_of, report
from napari_adasam.domain.structures import Structure
from napari_adasam.files.exports.table import scaled_part
from napari_adasam.services.activity import Activity
from napari_adasam.services.exporting import propagated_labels
from napari_adasam.services.jobs import Job, JobKind, Outcome
from napari_adasam.services.workbench import Workbench

UNDER_WAY = "A clip is being measured; wait for it, or stop it."
ONE_ALONE = "This image is one alone; only a clip or a volume is measured over its frames."
NOTHING_COUNTS = "Accept an image of this file first; only accepted and propagated outlines are measured."


@dataclass(frozen=True, slots=True)
class Wanted:
    """A frame that counts, with its labels."""

    frame: Frame
    counted: Counted
    labels: LabelImage = field(repr=False)
    structures: tuple[Structure, ...]
    """Those that were in the list when the frame was accepted: of others it says nothing."""


Order = tuple[tuple[Wanted, ...], tuple[Structure, ...]]
"""What is measured: the frames of a file that count, and the structures on them."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A frame's figures, and what they were taken of: they hold as long as these are the same."""

    labels: LabelImage = field(repr=False)
    frame: Frame
    structures: tuple[Structure, ...]
    figures: FrameFigures


class Stacking:
    """Measures over stacks. GUI thread."""

    finished = Signal(str, StackReport)
    """The id of the file, and its figures."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._sent: int | None = None
        self._done, self._total = 0, 0
        self._frame_id, self._order = "", cast(Order, ((), ()))
        self._known: dict[str, Known] = {}

    @property
    def running(self) -> bool:
        """Whether a clip is being measured."""
        return self._sent is not None

    def activity(self) -> Activity:
        """The line while it runs."""
        words = f"Measuring the clip: {self._done} of {self._total}"
        return Activity(words, self._done, self._total, cancellable=True)

    def why_not(self, frame_id: str) -> str:
        """Why the file of a frame cannot be measured now; empty if it can."""
        items, session = self._bench.items, self._bench.session
        item = items.of(frame_id)
        if not item.several:
            return ONE_ALONE
        if self.running:
            return UNDER_WAY
        return "" if session.structures and items.counting(item) else NOTHING_COUNTS

    def start(self, frame_id: str) -> None:
        """Measure the file of a frame; :attr:`finished` tells the end."""
        self._frame_id, self._order = frame_id, self._order_of(frame_id)
        wanted, structures = self._order
        self._done, self._total = 0, len(wanted)
        job = Job(JobKind.EXPORT, lambda: self._work(wanted, structures), key="stack")
        self._sent = self._bench.dispatch.send(job, "Measuring the clip", self._receive)

    def cancel(self) -> None:
        """Stop it; figures that were shown stay."""
        if self._sent is not None:
            self._bench.dispatch.cancel(self._sent)

    def _order_of(self, of_file: str) -> Order:
        """What is to be measured of the file of a frame, as it is now."""
        session, found = self._bench.session, list[Wanted]()
        kept = session.annotations.snapshot()
        for frame_id in self._bench.items.of(of_file).frames:
            accepted = session.status(frame_id) is FrameStatus.ACCEPTED
            labels = session.packed(frame_id) if accepted else propagated_labels(session, frame_id)
            if labels is not None:
                counted = Counted.ACCEPTED if accepted else Counted.PROPAGATED
                packed = kept.packed(frame_id) if accepted else None
                asked = (one for one in session.structures if packed is None or packed.bare.tells_of(one.value))
                found.append(Wanted(session.frame(frame_id), counted, labels, tuple(asked)))
        return tuple(found), session.structures

    def _work(
        self, wanted: Sequence[Wanted], structures: tuple[Structure, ...]
    ) -> Generator[tuple[str, Known], None, StackReport]:
        """The job; lane's thread. A frame that is as it was is not measured again.

        Raises InputError if the file cannot be read, since only it says what its frames are to each other.
        """
        found = []
        for one in wanted:
            known = self._known.get(one.frame.id)
            of = (one.frame, one.structures)
            if known is None or known.labels != one.labels or (known.frame, known.structures) != of:
                self._bench.sources.clip(one.frame.id)
                frame = self._bench.sources.facts(one.frame)
                figures = figures_of(frame, one.labels.open(), one.structures, one.counted, scaled_part(frame))
                known = Known(one.labels, *of, figures)
            found.append(FrameFigures(known.figures.frame, one.counted, known.figures.structures))
            yield one.frame.id, known
        return report(found, structures)

    def _receive(self, outcome: Outcome) -> None:
        if not outcome.ended:
            frame_id, known = cast("tuple[str, Known]", outcome.value)
            self._known[frame_id] = known
            self._done += 1
            return
        self._sent = None
        if outcome.state != "done":
            return
        order = self._order_of(self._frame_id)
        if order[0] and order != self._order:  # changed meanwhile: figures shown now would pass for those of now
            self.start(self._frame_id)
        else:
            file_id = self._bench.session.frame(self._frame_id).file_id
            self.finished.emit(file_id, cast(StackReport, outcome.value))
