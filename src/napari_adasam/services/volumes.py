"""The volume that the frame on the screen lies in, read as a whole to be looked at: on the lane, a step a slice."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.items import file_stem
from napari_adasam.domain.packing import LabelImage
from napari_adasam.domain.records import Along, Frame, FrameStatus, Stack
from napari_adasam.files.pixels import grey_levels
from napari_adasam.services.activity import Activity
from napari_adasam.services.jobs import Job, JobKind, Outcome
from napari_adasam.services.workbench import Workbench

UNDER_WAY = "The volume is being read; wait for it, or stop it."
ONE_ALONE = "This image is one alone; only a volume is shown in 3D."
IN_TIME = "The frames of this file follow each other in time, so they are no volume that could be shown in 3D."
NOT_TOLD = "The file does not say that its frames are slices of a volume, so they are not shown in 3D."
MOST_VOXELS = 64_000_000
"""A larger volume is shown coarser: its picture and outlines take 4 bytes a voxel together."""


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """A volume to be looked at, all arrays (slices, height, width).

    Parameters
    ----------
    grey
        uint8 or uint16.
    accepted, suggested
        Labels of accepted frames, and of the others; uint8.
    scale
        Size of a voxel (slice, y, x), in ``unit``.
    unit
        ``"mm"`` or ``"pixel"``.
    note
        A sentence on what the picture is not, such as its full resolution; empty for none.
    """

    file_id: str
    name: str
    grey: NDArray[Any] = field(repr=False)
    accepted: NDArray[np.uint8] = field(repr=False)
    suggested: NDArray[np.uint8] = field(repr=False)
    scale: tuple[float, float, float]
    unit: str
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One frame of it, with its labels."""

    frame: Frame
    accepted: bool
    labels: LabelImage | None = field(repr=False)


class Volumes:
    """Reads volumes. GUI thread."""

    finished = Signal(Volume)

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._sent: int | None = None
        self._done, self._total = 0, 0

    @property
    def running(self) -> bool:
        """Whether a volume is being read."""
        return self._sent is not None

    def activity(self) -> Activity:
        """The line while it runs."""
        return Activity(f"Reading the volume: {self._done} of {self._total}", self._done, self._total, cancellable=True)

    def why_not(self, frame_id: str) -> str:
        """Why the file of a frame cannot be shown in 3D; empty if it can."""
        if not self._bench.items.of(frame_id).several:
            return ONE_ALONE
        try:
            self._bench.sources.clip(frame_id)
        except InputError as error:
            return str(error)
        stack = self._bench.sources.facts(self._bench.session.frame(frame_id)).stack
        if stack is None or stack.along is Along.UNKNOWN:
            return NOT_TOLD
        if stack.along is Along.TIME:
            return IN_TIME
        return UNDER_WAY if self.running else ""

    def start(self, frame_id: str) -> None:
        """Read the volume of a frame, one of several in a file with moments; :attr:`finished` brings it."""
        session = self._bench.session
        frame = self._bench.sources.facts(session.frame(frame_id))
        stack = frame.stack or Stack(1)
        first = frame.index // stack.slices * stack.slices
        frames = self._bench.items.of(frame_id).frames[first : first + stack.slices]
        accepted = FrameStatus.ACCEPTED
        slices = [Slice(session.frame(one), session.status(one) is accepted, session.packed(one)) for one in frames]
        self._done, self._total = 0, len(slices)
        job = Job(JobKind.READ, lambda: self._work(frame, stack, slices), key="volume")
        self._sent = self._bench.dispatch.send(job, "Reading the volume", self._receive)

    def cancel(self) -> None:
        """Stop it."""
        if self._sent is not None:
            self._bench.dispatch.cancel(self._sent)

    def _work(self, frame: Frame, stack: Stack, slices: Sequence[Slice]) -> Generator[int, None, Volume]:
        """The job; lane's thread. Raises InputError if a slice cannot be read."""
        step = coarseness((len(slices), frame.height, frame.width))
        own = np.index_exp[::step, ::step]
        shape = (len(slices), len(range(0, frame.height, step)), len(range(0, frame.width, step)))
        accepted, suggested = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        grey: NDArray[Any] | None = None
        for at, one in enumerate(slices):
            pixels = grey_levels(self._bench.sources.read(one.frame.id))[own]
            grey = np.zeros(shape, pixels.dtype) if grey is None else grey
            grey[at] = pixels
            if one.labels is not None:
                (accepted if one.accepted else suggested)[at] = one.labels.open()[own]
            yield at + 1
        assert grey is not None
        return _volume(frame, stack, step, (grey, accepted, suggested))

    def _receive(self, outcome: Outcome) -> None:
        if not outcome.ended:
            self._done = cast(int, outcome.value)
            return
        self._sent = None
        if outcome.state == "done":
            self.finished.emit(cast(Volume, outcome.value))


def coarseness(shape: tuple[int, int, int]) -> int:
    """Every how-manieth row and column of (slices, height, width) is shown."""
    step = 1
    while shape[0] * -(-shape[1] // step) * -(-shape[2] // step) > MOST_VOXELS:
        step += 1
    return step


def _volume(
    frame: Frame, stack: Stack, step: int, arrays: tuple[NDArray[Any], NDArray[np.uint8], NDArray[np.uint8]]
) -> Volume:
    notes = [f"The volume is shown coarser than it is: every {step} pixels one."] if step > 1 else []
    y, x = (1.0, 1.0) if frame.spacing is None else (frame.spacing.y_mm, frame.spacing.x_mm)
    through = stack.step_mm if frame.spacing is not None else None
    if through is None:
        notes.append("How far apart the slices are is not known, so the volume is as deep here as if they were pixels.")
        through = x
    unit = "pixel" if frame.spacing is None else "mm"
    return Volume(frame.file_id, file_stem(frame), *arrays, (through, y * step, x * step), unit, " ".join(notes))
