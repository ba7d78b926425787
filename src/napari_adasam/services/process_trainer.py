"""Rounds in a process of their own, so that the window's Python and the round's do not wait for each other.

The lane's job only supervises: it hands over the serving model and the frames, sleeps, tells what the process tells,
and lets the student serve if that has passed the gate there. Stopping a round ends the process.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from queue import SimpleQueue

from torch import Tensor

from napari_adasam.domain.errors import InputError, ModelError
from napari_adasam.domain.rounds import RoundProgress, RoundReport
from napari_adasam.domain.settings import LearnSettings, ModelSettings, PromptSettings, TrainSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.files.activations import ActivationStore
from napari_adasam.model import adaptation
from napari_adasam.services.child import Child, ChildEndedError
from napari_adasam.services.gate import Past
from napari_adasam.services.jobs import ASLEEP, Asleep
from napari_adasam.services.lane import while_asleep
from napari_adasam.services.neighbours import Slices
from napari_adasam.services.ports import LabelledFrame, Picture, UnlabelledFrame
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.regions import Region
from napari_adasam.services.serving import Learned, Serving

MODULE = "napari_adasam.services.round_process"


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """Everything that the process needs. ``serving`` is pickled: what serves must not change while that is done.

    ``stacks`` are the neighbours of frames that have some: each slice is one object, pickled once, however many stacks
    it lies in. ``regions`` are by slice; ``activations`` are those that were computed of them already, by key.
    """

    model: ModelSettings
    serving: bytes
    settings: tuple[TrainSettings, LearnSettings, PromptSettings]
    labelled: tuple[LabelledFrame, ...]
    unlabelled: tuple[UnlabelledFrame, ...]
    structures: tuple[Structure, ...]
    regions: Mapping[str, Region | None]
    activations: Mapping[str, Tensor]
    store: ActivationStore | None
    stacks: Mapping[str, Slices] = field(default_factory=dict)

    def start(self) -> Serving:
        """What serves, unpickled."""
        found = pickle.loads(self.serving)
        if not isinstance(found, Serving):
            raise TypeError(f"expected Serving, got {type(found).__name__}")
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Concluded:
    """What a round has come to; ``now`` is what is to serve from now on, ``None`` for what serves already.

    ``activations`` are all that it has of the slices, ``times`` how long the parts of a round took there, in s.
    """

    report: RoundReport
    now: Learned | None
    past: Past
    rounds: int
    activations: Mapping[str, Tensor]
    times: Mapping[str, float]


class ProcessTrainer:
    """Runs each round in a new process; see :class:`services.ports.Trainer`. Lane's thread.

    Parameters
    ----------
    module
        What the process runs.
    """

    def __init__(
        self,
        predictor: ModelPredictor,
        train: TrainSettings,
        learn: LearnSettings = LearnSettings(),
        prompts: PromptSettings = PromptSettings(),
        module: str = MODULE,
    ) -> None:
        self.predictor, self._settings, self._module = predictor, (train, learn, prompts), module

    def round(
        self,
        labelled: Sequence[LabelledFrame],
        unlabelled: Sequence[UnlabelledFrame],
        structures: Sequence[Structure],
    ) -> Iterator[RoundProgress | RoundReport | Asleep]:
        """Run a round; the last value is its report. Raises what the round raises, and ModelError if it is ended.

        Frames whose file cannot be read any more, or not all that is looked at with them, are left out.
        """
        train = self._settings[0]
        rest = tuple(unlabelled[: train.max_unlabelled]) if train.learns_unlabelled else ()
        given: list[LabelledFrame | UnlabelledFrame] = [*labelled, *rest]
        frames = {one.frame_id: Picture(one.frame_id, one.pixels) for one in given}
        seen, stacks = dict(frames), dict[str, Slices]()
        regions: dict[str, Region | None] = {}
        keys, net, lost = set(), self.predictor.net, dict[str, InputError]()
        slices = max(adaptation.asked(train, net.sam.encoder).slices, adaptation.slices(net))
        for frame in frames.values():
            try:
                stack = self.predictor.neighbours.around(frame, slices)
                for one in stack or (frame,):
                    key, regions[one.frame_id] = self.predictor.seen(one.frame_id, one.pixels)
                    keys.add(key)
                if stack is not None:
                    stacks[frame.frame_id] = tuple(seen.setdefault(one.frame_id, one) for one in stack)
            except InputError as error:
                lost[frame.frame_id] = error
            yield _beginning(train, "looking where the scan is in each image")
        if labelled and all(one.frame_id in lost for one in labelled):
            raise lost[labelled[0].frame_id]
        learned = tuple(one for one in labelled if one.frame_id not in lost)
        rest = tuple(one for one in rest if one.frame_id not in lost)
        known = self.predictor.activations.of(tuple(keys))
        start = pickle.dumps(self.predictor.serving)
        what = (learned, rest, tuple(structures), regions, known, self.predictor.store, stacks)
        yield _beginning(train, "getting ready")
        done = yield from self._supervise(Assignment(self.predictor.settings, start, self._settings, *what))
        self._conclude(done)
        yield replace(done.report, verdict=done.report.verdict + _left_out(tuple(lost.values())))

    def _supervise(self, assignment: Assignment) -> Generator[RoundProgress | Asleep, None, Concluded]:
        """Pass on what the process says until the round has ended there; closing this ends the process."""
        orders = SimpleQueue[object]()
        orders.put(assignment)  # a pause that comes while the process starts is told behind it
        child = Child(self._module, while_asleep(orders.put), orders)
        try:
            while True:
                message = _taken(child)
                if isinstance(message, Concluded):
                    return message
                yield ASLEEP if message is None else message
        finally:
            child.end()

    def _conclude(self, done: Concluded) -> None:
        predictor = self.predictor
        if done.now is not None:
            predictor.serve(done.now)
        predictor.past, predictor.rounds = done.past, done.rounds
        for key, value in done.activations.items():
            predictor.activations.put(key, value)
        predictor.watch.learn(done.times)
        predictor.watch.keep()


def _beginning(train: TrainSettings, what: str) -> RoundProgress:
    return RoundProgress(0, train.steps, math.nan, what)


def _left_out(lost: Sequence[InputError]) -> str:
    """A sentence to go behind another; empty where every frame could be looked at."""
    if not lost:
        return ""
    which = (
        "1 image was left out, because its file"
        if len(lost) == 1
        else f"{len(lost)} images were left out, because their files"
    )
    return f" {which} cannot be read: {lost[0]}"


def _taken(child: Child) -> RoundProgress | Concluded | None:
    """The next message, if there is one; raises what it is if it is an error."""
    try:
        message = child.take()
    except ChildEndedError as error:
        raise ModelError(
            f"The process that learns was ended from outside, or has crashed (code {error.code}). The model in use and "
            "all annotations are as they were. Start it again; if that happens again, close other programs to free "
            "memory."
        ) from error
    if isinstance(message, BaseException):
        raise message
    if message is None or isinstance(message, RoundProgress | Concluded):
        return message
    raise TypeError(f"expected progress or the end of a round, got {type(message).__name__}")
