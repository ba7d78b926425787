"""Looks at the frames still to be done, for the active order: in the background, a few frames at a time.

It is the lane's last concern: one frame a step, behind clicks, suggestions, exports and rounds. However many frames a
session has, only so many are looked at ahead; more follow as those are done.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import cast

import numpy as np
from psygnal import Signal

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.looks import Look
from napari_adasam.domain.queue import DONE
from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.settings import PromptSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.services.lane import Job, JobKind, Outcome
from napari_adasam.services.ports import ModelInfo
from napari_adasam.services.workbench import Workbench

SLICE = 8
"""Frames of one job: the order is renewed after each."""
AHEAD, BEHIND = 64, 32
"""Frames to be done, and accepted ones, whose looks are kept up to date."""


class Looking:
    """Keeps the looks that the active order is made from. GUI thread."""

    changed = Signal()
    """There are new looks: the order may be another one."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._model: ModelInfo | None = None
        self._sent: int | None = None
        self._structures: tuple[Structure, ...] = ()
        self._unreadable: set[str] = set()
        self.looks: dict[str, Look] = {}
        self.on = False
        """Whether the order needs looks."""
        self._stopped = False

    def want(self, on: bool) -> None:
        """Whether the order needs looks from now on."""
        self.on, self._stopped = on, False
        self.go_on()

    def serve(self, model: ModelInfo) -> None:
        """Another model serves: look anew, if the order needs it."""
        self._model, self._stopped = model, False
        self.go_on()

    def go_on(self) -> None:
        """Look at the next few frames, if that is wanted and not under way."""
        if not self.on or self._stopped or self._model is None or self._sent is not None:
            return
        structures, prompts = self._bench.session.structures, self._bench.settings.prompts
        if structures != self._structures:
            self._structures = structures
            self.looks.clear()
        wanted = self._wanted()[:SLICE]
        if wanted:
            job = Job(JobKind.LOOK, lambda: self._work(wanted, structures, prompts), key="looks")
            doing = "Looking for the images that teach most"
            self._sent = self._bench.dispatch.send(job, doing, self._receive)

    def cancel(self) -> None:
        """Stop until the order is chosen again, or another model serves; while it rests, stop what else is so late."""
        self._bench.dispatch.cancel(JobKind.LOOK if self._sent is None else self._sent)

    def _wanted(self) -> list[str]:
        """Frames without a look of the serving model: one of each file first, files in a seeded order."""
        session = self._bench.session
        turns: dict[str, int] = {}
        ahead: list[tuple[int, int, str]] = []
        frames = session.frames
        for rank, at in enumerate(np.random.default_rng(0).permutation(len(frames))):
            frame = frames[at]
            if session.status(frame.id) not in DONE and frame.id not in self._unreadable:
                ahead.append((turns.get(frame.path, 0), rank, frame.id))
                turns[frame.path] = turns.get(frame.path, 0) + 1
        behind = [frame.id for frame in frames if session.status(frame.id) is FrameStatus.ACCEPTED][-BEHIND:]
        ids = [frame_id for *_, frame_id in sorted(ahead)[:AHEAD]] + behind
        return [one for one in ids if one not in self.looks or self.looks[one].model != self._fingerprint()]

    def _fingerprint(self) -> str:
        return "" if self._model is None else self._model.fingerprint

    def _work(
        self, wanted: Sequence[str], structures: Sequence[Structure], prompts: PromptSettings
    ) -> Generator[None, None, dict[str, Look | None]]:
        """The job; lane's thread. A frame that cannot be read has no look."""
        bench = self._bench
        predictor, found = bench.models.predictor(), dict[str, Look | None]()
        for frame_id in wanted:
            try:
                found[frame_id] = predictor.look(frame_id, bench.sources.grey(frame_id), structures, prompts)
            except InputError:
                found[frame_id] = None
            yield
        return found

    def _receive(self, outcome: Outcome) -> None:
        if not outcome.ended:
            return
        self._sent = None
        if outcome.state != "done":
            self._stopped = True
            return
        found = cast("dict[str, Look | None]", outcome.value)
        self.looks.update({frame_id: look for frame_id, look in found.items() if look is not None})
        self._unreadable |= {frame_id for frame_id, look in found.items() if look is None}
        self.changed.emit()
        self.go_on()
