"""The process that runs one round: an assignment comes by stdin, progress and the end go to stdout, both pickled.

``python -m napari_adasam.services.round_process``. It has a lane of its own, so that a round pauses here as it does on
any. It ends when stdin does: when the window is gone, however it went.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.rounds import RoundProgress, RoundReport
from napari_adasam.services.child import stand_back
from napari_adasam.services.lane import Job, JobKind, Lane, Outcome
from napari_adasam.services.regions import Region, Regions
from napari_adasam.services.torch_start import keep_triton_out

if TYPE_CHECKING:
    from napari_adasam.services.process_trainer import Assignment, Concluded


class GivenRegions(Regions):
    """The regions that were looked for already."""

    def __init__(self, given: Mapping[str, Region | None]) -> None:
        super().__init__()
        self._given = given

    def of(self, frame_id: str, grey: NDArray[np.uint8]) -> Region | None:
        """The region of a frame, whatever its pixels."""
        return self._given[frame_id]


def work(order: Assignment) -> Generator[RoundProgress, None, Concluded]:
    """The round itself."""
    from napari_adasam.services.neighbours import GivenNeighbours
    from napari_adasam.services.predictor import ModelPredictor
    from napari_adasam.services.process_trainer import Concluded
    from napari_adasam.services.trainer import RoundTrainer

    predictor = ModelPredictor(order.model, GivenRegions(order.regions), order.store)
    predictor.neighbours = GivenNeighbours(order.stacks)
    predictor.begin_with(order.start())
    for key, value in order.activations.items():
        predictor.activations.put(key, value)
    trainer = RoundTrainer(predictor, *order.settings)
    report: RoundReport | None = None
    for event in trainer.round(order.labelled, order.unlabelled, order.structures):
        if isinstance(event, RoundReport):
            report = event
        else:
            yield event
    assert report is not None
    slices = {one.frame_id: one.pixels for stack in order.stacks.values() for one in stack}
    slices |= {one.frame_id: one.pixels for one in order.labelled}
    slices |= {one.frame_id: one.pixels for one in order.unlabelled}
    keys = tuple(predictor.seen(frame_id, pixels)[0] for frame_id, pixels in slices.items())
    now, kept = predictor.serving, predictor.activations.of(keys)
    learned = now.now if report.accepted else None
    return Concluded(report, learned, now.past, now.rounds, kept, predictor.watch.times)


class Desk:
    """The two pipes and the lane between them."""

    def __init__(self, inbox: BinaryIO, outbox: BinaryIO) -> None:
        self._inbox, self._outbox = inbox, outbox

    def run(self) -> None:
        """Take the assignment and do it; return when there is nobody any more who would hear of it."""
        order: Assignment = pickle.load(self._inbox)
        lane = Lane(self._tell)
        job_id = lane.submit(Job(JobKind.TRAIN, lambda: work(order)))
        try:
            while True:
                lane.pause(job_id, pickle.load(self._inbox))
        except EOFError:
            return

    def _tell(self, outcome: Outcome) -> None:
        message = outcome.value if outcome.error is None else outcome.error
        if message is not None:
            self._outbox.write(_pickled(message))
            self._outbox.flush()


def _pickled(message: object) -> bytes:
    """A message; an error that cannot be pickled, or not be read again, becomes a RuntimeError with its words.

    Where there is no memory to pickle anything else, the message is that error: the other end would wait for ever.
    """
    try:
        packed = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        if isinstance(message, BaseException):
            pickle.loads(packed)
    except Exception as error:  # noqa: BLE001 - memory that is full, most of all
        if not isinstance(message, BaseException):
            return _pickled(error)
        packed = pickle.dumps(RuntimeError(f"{type(message).__name__}: {message}"))
    return packed


def main() -> None:
    """Do it. What anything here prints goes to stderr: stdout is for messages."""
    stand_back()
    keep_triton_out()
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # on Windows a library that is loaded while stdin is read waits for it
    Desk(inbox, outbox).run()
    os._exit(0)  # at once, in the middle of whatever the lane does


if __name__ == "__main__":
    main()
