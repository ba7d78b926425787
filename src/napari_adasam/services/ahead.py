"""Opens the file of the frame that is gone to, where that takes long, while the window goes on."""

from __future__ import annotations

from collections.abc import Callable

from napari_adasam.services.dispatch import Dispatch
from napari_adasam.services.lane import Job, JobKind, Outcome
from napari_adasam.services.sources import Sources


class Ahead:
    """One file at a time: the last one that was asked for. GUI thread."""

    def __init__(self, dispatch: Dispatch, sources: Sources) -> None:
        self._dispatch, self._sources = dispatch, sources
        self._sent: int | None = None

    @property
    def opening(self) -> bool:
        """Whether a file is being opened."""
        return self._sent is not None

    def open(self, frame_id: str, then: Callable[[bool], None]) -> None:
        """Open a frame's file on the lane; ``then`` is told whether it could be, unless it is stopped or forgotten."""

        def receive(outcome: Outcome) -> None:
            if outcome.ended and outcome.job_id == self._sent:
                self._sent = None
                if outcome.state != "cancelled":
                    then(outcome.state == "done")

        self.forget()
        job = Job(JobKind.READ, lambda: self._sources.fetch(frame_id), key=frame_id)
        self._sent = self._dispatch.send(job, f"Opening {self._sources.name(frame_id)}", receive)

    def forget(self) -> None:
        """It is not wanted any more."""
        if self._sent is not None:
            sent, self._sent = self._sent, None
            self._dispatch.cancel(sent)
