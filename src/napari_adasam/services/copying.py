"""A session is copied into another folder, and kept there from then on: on the lane, while work on it goes on.

Until the copy is whole the session is kept where it was, and what is done meanwhile is written there as ever. At the
end of a turn that is written into the copy, too: in another turn where it is much, else by the window's own thread.
"""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import cast

from psygnal import Signal

from napari_adasam.domain.errors import AdasamError, InputError
from napari_adasam.domain.snapshots import snapshot
from napari_adasam.services.activity import Activity
from napari_adasam.services.keeping import Keeping
from napari_adasam.services.lane import Job, JobKind, Outcome
from napari_adasam.services.recording import Recording
from napari_adasam.services.rounds import Learning
from napari_adasam.services.session_copy import Copied, SessionCopy
from napari_adasam.services.workbench import Workbench

UNDER_WAY = "The session is being copied to {folder}; wait for it, or stop it."
STOPPED = "The copy was stopped. Your session is kept where it was, with all that you did meanwhile."
OLD_COPY = (
    "The session is kept in {new} from now on. The old copy in {old} may be deleted; after that, open the session by "
    "its new folder and not by its images."
)
FEW = 2
"""So many frames that have changed during a turn are written by the window's thread."""
MOST_TURNS = 5
"""After these it writes them all: somebody works faster than a slow disk takes it."""


class Copying:
    """One copy at a time. GUI thread; files are written on the lane's thread, unless :meth:`now` is called."""

    kept = Signal(str)
    """The session is kept in this folder from now on."""

    def __init__(self, bench: Workbench, keeping: Keeping, learning: Learning, recording: Recording) -> None:
        self._bench, self._keeping = bench, keeping
        self._learning, self._recording = learning, recording
        self._copy: SessionCopy | None = None
        self._job: int | None = None
        self._turns = 0
        self._began = 0.0
        self._progress: Copied | None = None

    @property
    def running(self) -> bool:
        """Whether a session is being copied."""
        return self._copy is not None

    @property
    def under_way(self) -> str:
        """That it is, in a sentence; empty if not."""
        return "" if self._copy is None else UNDER_WAY.format(folder=self._copy.folder)

    def activity(self, training: bool) -> Activity:
        """What is going on, while a session is being copied; a round that shares the thread waits for it."""
        name, waiting = "" if self._copy is None else self._copy.folder.name, " · learning waits" if training else ""
        text = f"Copying the session to {name}{waiting}"
        if self._progress is None:
            return Activity(text, cancellable=True)
        done, total = self._progress.done, self._progress.total
        left = (time.monotonic() - self._began) / done * (total - done) if done else None
        return Activity(text, done, total, left, cancellable=True)

    def now(self, folder: Path) -> None:
        """Copy and wait for it; for scripts. Raises StorageError or InputError."""
        if self.running:
            raise InputError(self.under_way)
        self._keeping.begin(folder, self._learning.reports)
        self._tell(folder)

    def start(self, folder: Path) -> bool:
        """Begin to copy; ``kept`` tells the end. ``False``, with a sentence, if that is not possible now."""
        if self.running:
            self._bench.dispatch.problem.emit(self.under_way)
            return False
        self._copy, self._turns, self._began, self._progress = (
            self._keeping.copy_into(folder),
            0,
            time.monotonic(),
            None,
        )
        self._take_turn(self._copy)
        return True

    def cancel(self) -> None:
        """Stop it; nothing of it will be there."""
        if self._job is not None:
            self._bench.dispatch.cancel(self._job)

    def close(self) -> None:
        """When the lane has ended: a session that would be lost otherwise is copied to the end first."""
        copy, self._copy = self._copy, None
        if copy is not None and self._keeping.lies_in is None:
            with suppress(AdasamError):
                self._keeping.begin(copy.folder, self._learning.reports)

    def _take_turn(self, copy: SessionCopy) -> None:
        self._turns += 1
        turn = partial(copy.turn, snapshot(self._bench.session), self._learning.reports)
        self._job = self._bench.dispatch.send(
            Job(JobKind.EXPORT, turn, key="copy"), "Copying the session", self._receive
        )

    def _receive(self, outcome: Outcome) -> None:
        copy = self._copy
        if copy is None:
            return
        if not outcome.ended:
            self._progress = cast(Copied, outcome.value)
            return
        if outcome.state == "done" and copy.behind(self._bench.session) > FEW and self._turns < MOST_TURNS:
            self._take_turn(copy)
            return
        self._copy = self._job = None
        if outcome.state == "done":
            self._move_in(copy)
            return
        copy.discard()  # where its last turn had not begun
        if outcome.state == "cancelled":
            self._bench.dispatch.problem.emit(STOPPED)

    def _move_in(self, copy: SessionCopy) -> None:
        try:
            self._keeping.move_in(copy, self._learning.reports)
        except AdasamError as error:
            self._bench.dispatch.problem.emit(str(error))
            return
        self._tell(copy.folder)

    def _tell(self, folder: Path) -> None:
        self._recording.catch_up()
        self._recording.learned()
        self.kept.emit(str(folder))
        if self._keeping.left is not None:
            self._bench.dispatch.problem.emit(OLD_COPY.format(new=folder, old=self._keeping.left))
