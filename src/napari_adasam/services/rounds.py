"""Fine-tuning rounds: when they start, what they are given, what becomes of them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
from psygnal import Signal

from napari_adasam.domain.effort import Estimate, Work
from napari_adasam.domain.errors import AdasamError, InputError, ModelError
from napari_adasam.domain.packing import LabelImage
from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.rounds import RoundProgress, RoundReport
from napari_adasam.domain.steps import CLOSED
from napari_adasam.domain.structures import Structure
from napari_adasam.services.gate import held_count
from napari_adasam.services.jobs import Asleep
from napari_adasam.services.lane import Job, JobKind, Outcome
from napari_adasam.services.models import Models
from napari_adasam.services.ports import LabelledFrame, ModelInfo, UnlabelledFrame
from napari_adasam.services.sources import Sources
from napari_adasam.services.workbench import Workbench

PAUSED = "paused; press “Go on” in Learn"


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted frame, its pixels still to be read; ``judged`` as in LabelledFrame."""

    frame_id: str
    labels: LabelImage
    group: str
    judged: frozenset[int] | None


@dataclass(frozen=True, slots=True)
class Remaining:
    """A frame without a mask, its pixels still to be read."""

    frame_id: str
    present: dict[int, bool]
    group: str


@dataclass(frozen=True, slots=True, eq=False)
class RoundOrder:
    """Everything a round starts from, taken from the session at one instant.

    ``learned`` is what an earlier sitting has learned, where that is still to be loaded.
    """

    accepted: tuple[Accepted, ...]
    remaining: tuple[Remaining, ...]
    structures: tuple[Structure, ...]
    learned: Path | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """The round is still reading its frames; ``problem`` names one that cannot be read."""

    done: int
    total: int
    problem: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class RoundResult:
    """The report, and what serves after it."""

    report: RoundReport
    model: ModelInfo


def run_round(
    order: RoundOrder, models: Models, sources: Sources
) -> Generator[Reading | RoundProgress | Asleep, None, RoundResult]:
    """The job of a round; lane's thread. Frames whose file cannot be read are left out."""
    if order.learned is not None:
        with contextlib.suppress(AdasamError):  # told by who loads the model; then rounds go on from the base
            models.restore(order.learned)
    labelled, unlabelled = [], []
    total = len(order.accepted) + len(order.remaining)
    frames: list[Accepted | Remaining] = [*order.accepted, *order.remaining]
    for done, one in enumerate(frames, start=1):
        try:
            pixels = sources.grey(one.frame_id)
            labels = one.labels.open() if isinstance(one, Accepted) else None
        except InputError as error:
            yield Reading(done, total, str(error))
            continue
        if isinstance(one, Accepted) and labels is not None:
            labelled.append(LabelledFrame(one.frame_id, pixels, labels, one.group, one.judged))
        elif isinstance(one, Remaining):
            unlabelled.append(UnlabelledFrame(one.frame_id, pixels, one.present, one.group))
        yield Reading(done, total)
    if not labelled:
        raise InputError("No accepted frame can be read, so there is nothing to learn from; put the files back.")
    _check_outlined(labelled)
    report = None
    steps = models.trainer().round(labelled, unlabelled, order.structures)
    try:
        for step in steps:
            if isinstance(step, RoundReport):
                report = step
            else:
                yield step
    finally:
        _close(steps)
    if report is None:
        raise ModelError("Learning ended without a result. The model is as it was; start again.")
    return RoundResult(report, models.predictor().info())


def _check_outlined(labelled: Sequence[LabelledFrame]) -> None:
    """InputError where no image has an outline: a model would learn to find nothing anywhere, and do so perfectly."""
    if not any(one.labels.any() for one in labelled):
        raise InputError(
            "Nothing is outlined on the accepted images, so there is nothing to learn from yet. The model is as it "
            "was; accept an image with an outline first."
        )


def _close(steps: Iterator[object]) -> None:
    close = getattr(steps, "close", None)
    if close is not None:
        close()


class Learning:
    """Starts rounds and tells of them. GUI thread."""

    progressed = Signal(RoundProgress)
    finished = Signal(RoundResult)

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._running: int | None = None
        self._since: set[str] = set()
        self._step: RoundProgress | Reading | None = None
        self._ran = 0
        self.paused = False
        self.reports: tuple[RoundReport, ...] = ()
        """Of all rounds that ran to their end, oldest first, numbered from 1, earlier sittings included."""

    @property
    def running(self) -> bool:
        """Whether a round is under way."""
        return self._running is not None

    @property
    def progress(self) -> RoundProgress | Reading | None:
        """The last step, as it is to be told."""
        if not self.paused:
            return self._step
        if isinstance(self._step, RoundProgress):
            return replace(self._step, what=PAUSED, seconds_left=None)
        return RoundProgress(0, self._bench.settings.train.steps, math.nan, PAUSED)

    def why_not(self) -> str:
        """Why no round can start now; empty if one can."""
        if self.running:
            return "A round is under way; wait for it, or stop it."
        if not self._bench.session.accepted:
            return "There is nothing to learn from yet; accept an image first."
        if not self._bench.session.structures:
            return "There is no structure to learn; name one first."
        return ""

    def estimate(self) -> Estimate | None:
        """What a round would take; ``None`` where no speed is known yet, or none can start."""
        watch, train = self._bench.watch, self._bench.settings.train
        if self.reports and len(self.reports[-1].losses) == train.mild().steps:
            train = train.mild()  # as the last one was; what the next one will be, it finds out itself
        if watch.speeds is None or watch.size is None or self.why_not():
            return None
        session = self._bench.session
        accepted, held = session.accepted, held_count(session.accepted)
        rest = sum(session.status(frame.id) not in CLOSED for frame in session.frames)
        work = Work.of(train, accepted - held, held, rest, self._ran)
        return work.estimate(watch.speeds, watch.size, train.most_prompts)

    def start(self) -> bool:
        """Start a round; ``False``, with a sentence, if none can start."""
        reason = self.why_not()
        if reason:
            self._bench.dispatch.problem.emit(reason)
            return False
        order, models, sources = self._order(), self._bench.models, self._bench.sources
        self._since.clear()
        self._step, self.paused = None, False
        job = Job(JobKind.TRAIN, lambda: run_round(order, models, sources), key="round")
        self._running = self._bench.dispatch.send(job, "Learning", self._receive)
        self._bench.dispatch.changed.emit()
        return True

    def count_accept(self, frame_id: str) -> None:
        """A frame was accepted; a round starts by itself if there are enough new ones."""
        self._since.add(frame_id)
        self._start_if_time()

    def pause(self, paused: bool) -> None:
        """Hold the round where it is, or let it go on; meanwhile everything else is answered as ever."""
        if self._running is not None and paused is not self.paused:
            self.paused = paused
            self._bench.dispatch.pause(self._running, paused)

    def cancel(self) -> None:
        """Stop the round; the model stays as it was."""
        if self._running is not None:
            self._bench.dispatch.cancel(self._running)

    def _start_if_time(self) -> None:
        every = self._bench.settings.learn.every
        status = self._bench.session.status
        new = sum(status(one) is FrameStatus.ACCEPTED for one in self._since) if every else 0
        if every and new >= every and not self.why_not():
            self.start()

    def _receive(self, outcome: Outcome) -> None:
        if not outcome.ended:
            self._on_step(cast("RoundProgress | Reading", outcome.value))
            return
        self._running = None
        self._step, self.paused = None, False
        if outcome.state == "done":
            found = cast(RoundResult, outcome.value)
            result = replace(found, report=replace(found.report, number=len(self.reports) + 1))
            self.reports = (*self.reports, result.report)
            self._ran += 1
            self.finished.emit(result)
            self._start_if_time()

    def _on_step(self, step: RoundProgress | Reading) -> None:
        self._step = step
        if isinstance(step, RoundProgress):
            self.progressed.emit(step)
        elif step.problem:
            self._bench.dispatch.problem.emit(step.problem)

    def _order(self) -> RoundOrder:
        session, train = self._bench.session, self._bench.settings.train
        kept = session.annotations.snapshot()
        accepted = [
            Accepted(one, packed.labels, session.frame(one).file_id, frozenset(packed.bare.origins) or None)
            for one in kept
            if (packed := kept.packed(one)) is not None
        ]
        rest = [frame.id for frame in session.frames if session.status(frame.id) not in CLOSED]
        most = train.max_unlabelled if train.learns_unlabelled else 0
        spread = _spread(rest, most)
        remaining = [Remaining(one, dict(session.ticks(one)), session.frame(one).file_id) for one in spread]
        return RoundOrder(tuple(accepted), tuple(remaining), session.structures, self._bench.restored)


def _spread(ids: Sequence[str], most: int) -> list[str]:
    """At most so many, evenly over all: neighbours in a clip are nearly the same picture."""
    if len(ids) <= most:
        return list(ids)
    return [ids[int(place)] for place in np.linspace(0, len(ids) - 1, most)]
