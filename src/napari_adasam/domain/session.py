"""The facts of one session: frames, structures, what is suggested, drawn and accepted. Changed on the GUI thread only.

Every change is one step of the frame's own history, so undo works frame by frame and survives going to another one.
``revision`` rises with every change of the clinician's, and with masks that came from a key frame: an answer that was
asked for at an earlier revision is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from napari_adasam.domain import steps
from napari_adasam.domain.calibration import FrameSetup
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.facts import Facts, FrameRecord
from napari_adasam.domain.history import FrameContent, History, StructurePrompt
from napari_adasam.domain.packing import PackedAnnotation
from napari_adasam.domain.prompts import Box, Point
from napari_adasam.domain.propagation import Propagated
from napari_adasam.domain.protection import stayed
from napari_adasam.domain.records import Annotation, Draft, Frame, FrameStatus, Labels, Mask, Suggestion
from napari_adasam.domain.structures import Structure, namesakes
from napari_adasam.domain.versions import Remark

NO_TICKS: Mapping[int, bool] = MappingProxyType({})


class Session(Facts):
    """Frames under annotation.

    Parameters
    ----------
    structures
        What is annotated at the start.
    """

    def add_frames(self, frames: Sequence[Frame]) -> None:
        """Add frames behind the others; those whose id is there already are left as they are."""
        new = {frame.id: FrameRecord(frame) for frame in frames if frame.id not in self._records}
        self._records.update(new)
        if new:
            self._list_anew()

    def add_kept(self, frames: Sequence[Frame], kept: Mapping[str, FrameContent]) -> None:
        """Add frames as the disk has them, all at once; not a step of any."""
        for frame in frames:
            record = self._records.setdefault(frame.id, FrameRecord(frame))
            record.content = kept.get(frame.id, record.content)
        self._list_anew()

    def move_frames(self, places: Mapping[str, str]) -> None:
        """Frame id to the path where the same picture lies now."""
        for frame_id, path in places.items():
            self._records[frame_id].move(path)
        self._list_anew()

    def set_remark(self, frame_id: str, remark: Remark) -> None:
        """Note something about a frame; not a step of it."""
        if self._records[frame_id].remark != remark:
            self._records[frame_id].remark = remark
            self.remark_changed.emit(frame_id)

    def check_structures(self, structures: Sequence[Structure]) -> None:
        """Raise InputError if one that is drawn or accepted is not among them, or two get one name; changes nothing."""
        if namesakes(structures) - namesakes(self._structures):
            raise InputError(
                "There is a structure of this name already; nothing was changed. Choose a name that no other one has."
            )
        self._gone(structures)

    def set_structures(self, structures: Sequence[Structure]) -> None:
        """Replace the structures. What was suggested or asked for of one that is gone is taken out.

        InputError if a structure that is gone was drawn or accepted anywhere. Names are not looked at: sessions of
        earlier times may have one twice.
        """
        gone, values = self._gone(structures), [one.value for one in structures]
        self._structures = tuple(structures)
        self._used |= set(values)
        for frame_id in self._records if gone else ():
            record = self._records[frame_id]
            bare = steps.without_unknown(record.content, structures, read=False)
            if bare is not record.content:
                self._step(frame_id, bare)
        self.structures_changed.emit()

    def note_used(self, values: Iterable[int]) -> None:
        """Values that structures had in earlier sittings."""
        self._used |= set(values)

    def _gone(self, structures: Sequence[Structure]) -> list[Structure]:
        """Those that are not among them; InputError if one is accepted or drawn: that work must not vanish."""
        values = [one.value for one in structures]
        if len(set(values)) != len(values):
            raise ValueError(f"expected structures of different values, got {values}")
        gone = [one for one in self._structures if one.value not in values]
        for structure in gone:
            frames = [frame_id for frame_id in self._records if self.is_drawn(frame_id, structure.value)]
            if frames:
                raise InputError(
                    f"“{structure.name}” cannot be removed: it is drawn or accepted on {len(frames)} frame(s), first "
                    f"{self.frame(frames[0]).stem}. Nothing was changed; rename it, or clear it on those frames first."
                )
        return gone

    def go_to(self, frame_id: str) -> None:
        """Make a frame current."""
        if frame_id not in self._records:
            raise KeyError(frame_id)
        if frame_id != self._current:
            self._current = frame_id
            self.current_changed.emit(frame_id)

    def hold(self, frame_id: str) -> None:
        """Take what a frame shows into memory, whatever becomes of the disk; not a step. InputError if unreadable."""
        record = self._records[frame_id]
        record.content = steps.held(record.content)

    def set_up(self, setups: Mapping[str, FrameSetup]) -> None:
        """Set scale and sector of frames by hand; not a step of a frame, since it may concern a whole folder."""
        changed = [frame_id for frame_id, setup in setups.items() if self._records[frame_id].setup != setup]
        for frame_id in changed:
            self._records[frame_id].set_up(setups[frame_id])
        self._frames = None
        for frame_id in changed:
            self.setup_changed.emit(frame_id)

    # -- the model's answers ---------------------------------------------------------------------------------------

    def propose(
        self, frame_id: str, suggestions: Sequence[Suggestion], revision: int, how: Propagated | None = None
    ) -> bool:
        """Lay suggestions into the labels, as one step; ``False`` if they came too late or nothing may be changed.

        ``how``: they came from another frame. Then suggestions that were asked for before come too late.
        """
        record = self._records[frame_id]
        content = record.content
        known = {one.value for one in self._structures} - content.touched
        fresh = {one.structure: one for one in suggestions if one.structure in known}
        if revision != record.revision or content.status in steps.CLOSED or not fresh:
            return False
        earlier = content.suggested
        kept = {} if earlier is None or earlier.scores.keys() <= fresh.keys() else self._shelf.read(earlier)
        after = steps.proposed(content, self.labels(frame_id), fresh, self._structures)
        after = replace(after, suggested=self._shelf.put({**kept, **fresh}), propagated=how)
        self._step(frame_id, after, by_clinician=how is not None)
        return True

    def answer(self, frame_id: str, structure: int, mask: Mask, revision: int) -> bool:
        """Put the mask that a point or box asked for into that step; ``False`` if it came too late or is not wanted."""
        record = self._records[frame_id]
        known = any(one.value == structure for one in self._structures)
        if revision != record.revision or record.content.status in steps.CLOSED or not known:
            return False
        labels = self.labels(frame_id)
        self._show(frame_id, steps.answered(record.content, labels, structure, mask, self._structures))
        return True

    # -- the clinician's changes: one step each --------------------------------------------------------------------

    def next_revision(self, frame_id: str) -> int:
        """The revision that the clinician's next step on a frame will make."""
        return self._records[frame_id].revision + 1

    def ask(self, frame_id: str, structure: int, points: tuple[Point, ...], box: Box | None) -> int:
        """Set the points and box of a structure; their mask comes by :meth:`answer`. Returns the revision for that."""
        content = self._records[frame_id].content
        self._step(frame_id, steps.asked(content, structure, StructurePrompt(points, box)))
        return self.revision(frame_id)

    def withdraw(self, frame_id: str, revision: int) -> bool:
        """Take an unanswerable point or box back, as if it had not been; ``False`` if more was done since."""
        record = self._records[frame_id]
        if revision != record.revision or not self.unanswered(frame_id) or not record.history.can_undo:
            return False
        record.revision += 1
        self._show(frame_id, record.history.withdraw())
        return True

    def set_mask(self, frame_id: str, structure: int, mask: Mask) -> None:
        """Replace the mask of a structure, (height, width) bool; pixels of other structures stay theirs."""
        content = self._records[frame_id].content
        self._step(frame_id, steps.masked(content, self.labels(frame_id), structure, mask))

    def bring_back(self, frame_id: str, labels: Labels) -> None:
        """Show another version (height, width) of a frame, as work in progress; one step."""
        self._step(frame_id, steps.brought_back(self._records[frame_id].content, labels, self._structures))

    def clear_structure(self, frame_id: str, structure: int) -> None:
        """Remove the mask of a structure with its points and box."""
        self.set_mask(frame_id, structure, np.zeros(self.labels(frame_id).shape, dtype=np.bool_))

    def clear_prompts(self, frame_id: str, structure: int) -> None:
        """Forget the points and box of a structure; its mask stays. Unanswered ones are as if they had not been."""
        content, history = self._records[frame_id].content, self._records[frame_id].history
        if structure in content.prompts:
            self._step(frame_id, steps.cleared(content, structure, history.before_asked(structure)))

    def set_labels(self, frame_id: str, labels: Labels) -> frozenset[int]:
        """Take in a stroke, (height, width); which structures kept pixels beneath it, being more than suggested."""
        content, before = self._records[frame_id].content, self.labels(frame_id)
        after = steps.stroked(content, before, np.asarray(labels), self._structures)
        if after is not content:
            self._step(frame_id, after)
        else:
            self.labels_changed.emit(frame_id)  # the screen may show what was refused
        return stayed(labels, self.labels(frame_id))

    def tick(self, frame_id: str, structure: int, present: bool | None) -> None:
        """Say whether a structure is there (``None``: the classifier decides). "Not there" removes a suggested mask."""
        content = self._records[frame_id].content
        if content.ticks.get(structure) is not present:
            self._step(frame_id, steps.ticked(content, self.labels(frame_id), structure, present))

    def draft(self, frame_id: str, seconds: float) -> Annotation:
        """What :meth:`accept` would record, without recording it."""
        values = [one.value for one in self._structures]
        return steps.draft(self._records[frame_id].content, self.labels(frame_id), frame_id, values, seconds)

    def accept(self, frame_id: str, seconds: float) -> Annotation:
        """Accept a frame as it stands; ``seconds`` is the time spent on it."""
        return self.accept_draft(self.draft(frame_id, seconds))

    def accept_draft(self, draft: Annotation) -> Annotation:
        """Accept a frame that is still as :meth:`draft` found it."""
        self._step(draft.frame_id, steps.accepted(self._records[draft.frame_id].content, draft))
        return draft

    def skip(self, frame_id: str) -> None:
        """Leave a frame out; what is drawn on it stays."""
        self._step(frame_id, steps.skipped(self._records[frame_id].content))

    def reopen(self, frame_id: str) -> None:
        """Open an accepted or skipped frame again."""
        if self.status(frame_id) in steps.CLOSED:
            self._step(frame_id, steps.reopened(self._records[frame_id].content))

    def undo(self, frame_id: str) -> bool:
        """Take the frame's last step back; ``False`` if there is none. InputError, with no step lost, if unreadable."""
        history = self._records[frame_id].history
        return self._travel(frame_id, history.behind, history.undo)

    def redo(self, frame_id: str) -> bool:
        """Do the step again that was taken back last; ``False`` if there is none. InputError as for :meth:`undo`."""
        history = self._records[frame_id].history
        return self._travel(frame_id, history.ahead, history.redo)

    def _travel(self, frame_id: str, there: FrameContent | None, go: Callable[[FrameContent], FrameContent]) -> bool:
        if there is None:
            return False
        record = self._records[frame_id]
        known = steps.without_unknown(there, self._structures)  # may have to read the disk, so before anything moves
        go(record.content)
        record.revision += 1
        self._show(frame_id, known)
        return True

    def restore(
        self,
        frame_id: str,
        status: FrameStatus,
        annotation: Annotation | None = None,
        ticks: Mapping[int, bool] = NO_TICKS,
        draft: Draft | None = None,
    ) -> None:
        """Bring a frame back as the disk has it; not a step.

        ``annotation`` is its last accepted version, ``draft`` the work in progress on it, if any.
        """
        record = self._records[frame_id]
        record.history = History()
        record.revision += 1
        packed = None if annotation is None else PackedAnnotation.of(annotation)
        self._show(frame_id, steps.restored(status, packed, ticks, draft))

    def _step(self, frame_id: str, after: FrameContent, by_clinician: bool = True) -> None:
        record = self._records[frame_id]
        record.history.push(record.content, keep_redo=not by_clinician)
        record.revision += by_clinician
        self._show(frame_id, after)

    def _show(self, frame_id: str, after: FrameContent) -> None:
        """Make a content the frame's, and tell what is different."""
        record = self._records[frame_id]
        before, record.content = record.content, after
        self.moves += before.status is not after.status
        if before.labels is not after.labels or before.prompts != after.prompts:
            self.labels_changed.emit(frame_id)
        if before.suggested is not after.suggested:
            self.suggestions_changed.emit(frame_id)
        if before.ticks != after.ticks:
            self.ticks_changed.emit(frame_id)
        if before.status is not after.status:
            self.status_changed.emit(frame_id)
