"""The one use-case object: everything a clinician can do, without Qt. Every method runs on the GUI thread.

Commands are calls on :class:`Annotator`; facts come back as its signals and those of its ``session``. What needs the
model goes to the lane, whose outcomes return through ``deliver`` (a window queues them to its own thread first; without
a window ``wait_idle`` pumps them).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import cast

from napari_adasam.domain.prompts import Box, Point
from napari_adasam.domain.records import FrameStatus, Labels
from napari_adasam.domain.structures import Structure
from napari_adasam.files.store_copy import session_at
from napari_adasam.services.activity import Activity
from napari_adasam.services.lane import Job, JobKind, Outcome
from napari_adasam.services.ports import ModelInfo
from napari_adasam.services.propagating import NOTHING_LEFT
from napari_adasam.services.reviewing import Reviewing
from napari_adasam.services.sentences import ForNow, stays

__all__ = ["Activity", "Annotator"]


class Annotator(Reviewing):
    """A clinician at work on one session; its parameters and signals are those of :class:`Sitting`."""

    # -- frames ----------------------------------------------------------------------------------------------------

    def open(self, paths: Sequence[Path]) -> list[str]:
        """Add the frames of files and folders, or open a session's folder; one sentence for each that cannot be read.

        The first frame that is still to be done becomes current if none is.
        """
        problems = self._filing.open(paths)
        self._opened()
        return problems

    def open_soon(self, paths: Sequence[Path], then: Callable[[list[str]], None]) -> None:
        """The same without waiting: files are read on the lane, file by file; ``then`` gets the sentences at the end.

        A saved session is opened at once.
        """
        sessions = [path for path in paths if session_at(path)]
        pictures = [path for path in paths if path not in sessions]
        if sessions:
            then(self.open(sessions))

        def end(problems: list[str]) -> None:
            self._opened()
            then(problems)

        if pictures:
            self._filing.open_soon(pictures, end)

    def _opened(self) -> None:
        self.queue_changed.emit()
        self._choosing.take_up()
        place, self._bench.place = self._bench.place, None
        if place is not None and place.how != self._walk.how:
            self.set_order(place.how, place.seed)
        if self._session.current is None and self._session.frames:
            left_at = [place.current] if place is not None and place.current in self.queue else []
            if self.queue:
                self._arrive([*left_at, *self._walk.coming()])
            else:
                self._arrive([self._session.frames[0].id])
        self.look_again()

    def accept(self) -> bool:
        """Accept the current frame and go on. On disk before the status says so; ``False`` if that is not possible."""
        current = self._current("accept")
        if current is None:
            return False
        if self._session.status(current) is not FrameStatus.ACCEPTED:
            draft = self._recording.accept(current)
            if draft is None:
                return False
            as_it_came = self._session.propagated(current) is not None and not any(draft.changed_share.values())
            self._session.accept_draft(draft)
            self._walk.note_closed(current)
            if self._keeping.folder is not None:
                self.saved.emit(current)
            self._learning.count_accept(current)
            self._clips.propagating.renew(current, as_it_came)
        self._advance()
        return True

    def reopen(self) -> None:
        """Take the current frame's accept or skip back, to change it."""
        current = self._current("reopen")
        if current is not None:
            self._session.reopen(current)
            self._changed(current)
            self._suggesting.show_current()

    def warm_up(self, window: Callable[[], Generator[None, None, Callable[[], None]]] | None = None) -> None:
        """Load the model, which takes seconds, while somebody is still choosing what to open.

        ``window`` is what else has to be made, in steps on the lane; what it returns is called on the GUI thread.
        """
        if window is not None:
            self._bench.dispatch.send(Job(JobKind.READ, window, key="window"), "Getting ready", _put_in_place)
        self._suggesting.load()

    # -- the current frame -----------------------------------------------------------------------------------------

    def suggest(self, frame_id: str | None = None) -> None:
        """Ask for suggestions for a frame (the current one) anew."""
        wanted = frame_id or self._current("suggest")
        if wanted is not None:
            if wanted == self._session.current:
                self._bench.ahead.forget()
            self._suggesting.ask(wanted)

    def click(self, point: Point, structure: int) -> None:
        """Add a positive or negative point; the mask follows."""
        current, known = self._current("click"), self._structure(structure)
        if current is None or known is None:
            return
        if not point.positive and not (self._session.labels(current) == structure).any():
            self.problem.emit(ForNow(f"There is no {known.name} on this image to take away from; click on it first."))
            self._session.labels_changed.emit(current)
            return
        self._correcting.click(current, known, point)
        self._changed(current)

    def box(self, box: Box, structure: int) -> None:
        """Ask with a box (y0, x0, y1, x1) in image pixels, in place of earlier points and boxes; the mask follows."""
        current, known = self._current("box"), self._structure(structure)
        if current is not None and known is not None:
            self._correcting.box(current, known, box)
            self._changed(current)

    def clear_prompts(self, structure: int) -> None:
        """Forget the points and the box of a structure; its mask stays."""
        current = self._current("clear_prompts")
        if current is not None:
            self._session.clear_prompts(current, structure)
            self._changed(current)

    def clear_structure(self, structure: int) -> None:
        """Remove the mask of a structure."""
        current = self._current("clear_structure")
        if current is not None:
            self._session.clear_structure(current, structure)
            self._changed(current)

    def stroke(self, labels: Labels) -> None:
        """Take in the label image after one stroke, as one undo step; what another structure keeps of it is said."""
        current = self._current("stroke")
        if current is not None:
            kept = self._session.set_labels(current, labels)
            if kept:
                self.problem.emit(stays(self._session.structures, kept))
            self._changed(current)
        elif self._session.current is not None:
            self._session.labels_changed.emit(self._session.current)  # the screen shows what was refused

    def tick(self, structure: int, present: bool | None) -> bool:
        """Overrule the classifier: the structure is there, is not there, or (``None``) let it decide.

        ``False``, with a sentence, if it is outlined by hand or accepted: the outline would stay, and be exported.
        """
        current, known = self._current("tick"), self._structure(structure)
        if current is None:
            return False
        if present is False and known is not None and self._vouched_for(current, structure):
            self.problem.emit(ForNow(f"{known.name} is outlined on this image. Wipe it first (Del), then untick it."))
            return False
        self._session.tick(current, structure, present)
        self._changed(current)
        asked = present is not False and structure not in self._session.touched(current)
        if asked and self._session.propagated(current) is None:
            self._suggesting.ask(current)
        return True

    def propagate(self) -> bool:
        """Take the outlines of the accepted frames to the others of the current clip; ``False`` if that is refused."""
        current = self._current("propagate")
        if current is None:
            return False
        started = self._clips.propagating.start(current)
        if not started:
            self.problem.emit(self.why_not("propagate") or NOTHING_LEFT)
        return started

    def undo(self) -> bool:
        """Take the last step back: on this frame, or the accept or skip that led here. ``False`` if there is none."""
        if self._refused("undo"):
            return False
        closed, self._walk.just_closed = self._walk.to_undo(self._reasons.undoes_here(self._session.current)), None
        if closed is not None and closed != self._session.current:
            if not self._arrive_at(closed):
                return False
            self._walk.returned()
        current = self._session.current
        if current is not None and self._marking_out.can_undo(current):
            return self._mark_out(lambda: self._marking_out.undo(current))
        return self._travel(undo=True)

    def redo(self) -> bool:
        """Do the step again that was taken back on the current frame; ``False`` if there is none."""
        if self._refused("redo"):
            return False
        current = self._session.current
        if current is not None and self._marking_out.can_redo(current):
            return self._mark_out(lambda: self._marking_out.redo(current))
        return self._travel(undo=False)

    # -- learning --------------------------------------------------------------------------------------------------

    def start_round(self) -> bool:
        """Fine-tune on the accepted frames; ``False``, with a sentence, if that is not possible now."""
        return not (self.only_to_look_at and self._refused("start_round")) and self._learning.start()

    def pause_round(self) -> None:
        """Hold the round where it is; clicks and suggestions are answered as ever."""
        self._learning.pause(True)

    def resume_round(self) -> None:
        """Let a paused round go on."""
        self._learning.pause(False)

    def cancel_round(self) -> None:
        """Stop the round, whatever else is under way; the model stays as it was."""
        self._learning.cancel()

    def cancel(self) -> None:
        """Stop what the line of ``activity`` is about, in the order in which it tells of what is under way."""
        if self._exporting.running:
            self._exporting.cancel()
        elif self._copying.running:
            self._copying.cancel()
        elif self._clips.under_way is not None:
            self._clips.under_way.cancel()
        elif self.training and self._filing.opening is None:
            self.cancel_round()
        elif any(errand.job.kind is JobKind.READ for errand in self._bench.dispatch.errands):
            self._bench.dispatch.cancel(JobKind.READ)
        elif any(errand.job.kind is not JobKind.LOOK for errand in self._bench.dispatch.errands):
            self._suggesting.cancel()
        else:
            self._looking.cancel()

    def go_back_to_earlier_model(self) -> None:
        """Serve the model before the last accepted round again; suggestions are renewed."""
        if not self._refused("go_back_to_earlier_model"):
            models = self._bench.models
            job = Job(JobKind.PROMPT, lambda: models.predictor().go_back(), key="model")
            self._bench.dispatch.send(job, "Going back to the earlier model", self._on_earlier_model)

    # --------------------------------------------------------------------------------------------------------------

    def _on_earlier_model(self, outcome: Outcome) -> None:
        if outcome.state == "done":
            self._suggesting.renew(cast(ModelInfo, outcome.value))
            self._recording.learned()

    def _vouched_for(self, frame_id: str, structure: int) -> bool:
        """Whether a structure is outlined on a frame, or about to be, and that is not a mere suggestion."""
        return structure in self._session.unanswered(frame_id) or self._session.is_drawn(frame_id, structure)

    def _structure(self, value: int) -> Structure | None:
        return next((one for one in self._session.structures if one.value == value), None)


def _put_in_place(outcome: Outcome) -> None:
    if outcome.state == "done":
        cast("Callable[[], None]", outcome.value)()
