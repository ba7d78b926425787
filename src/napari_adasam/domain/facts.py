"""A session's facts, to be read: what is where, how it stands, and the signals that tell of changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from psygnal import Signal

from napari_adasam.domain import steps
from napari_adasam.domain.calibration import NOT_SET, FrameSetup
from napari_adasam.domain.history import NO_PROMPT, FrameContent, History
from napari_adasam.domain.packing import (
    NO_LABELS,
    LabelImage,
    PackedAnnotation,
    PackedAnnotations,
    PackedMask,
    laid_out,
)
from napari_adasam.domain.prompts import Box, Point
from napari_adasam.domain.propagation import Propagated
from napari_adasam.domain.records import Annotation, Frame, FrameStatus, Labels, Suggestion
from napari_adasam.domain.shelf import Shelf
from napari_adasam.domain.structures import MAX_STRUCTURES, MUSCLE_PRESET, Structure
from napari_adasam.domain.versions import NO_REMARK, Remark

Prompts = tuple[tuple[Point, ...], Box | None]


class FrameRecord:
    """One frame with what it holds, its history and its revision.

    ``own`` is the frame as its file has it; ``frame`` has the scale that holds now.
    """

    __slots__ = ("content", "frame", "history", "own", "remark", "revision", "setup")

    def __init__(self, frame: Frame) -> None:
        self.own = self.frame = frame
        self.setup = NOT_SET
        self.content = FrameContent()
        self.history = History()
        self.revision = 0
        self.remark = NO_REMARK

    def move(self, path: str) -> None:
        """The same picture lies in another place."""
        self.own, self.frame = replace(self.own, path=path), replace(self.frame, path=path)

    def set_up(self, setup: FrameSetup) -> None:
        """Take the scale and the sector that a person has set."""
        self.setup = setup
        self.frame = self.own if setup.scale is None else replace(self.own, spacing=setup.scale)

    def annotation(self) -> Annotation | None:
        """The accepted annotation, its labels unpacked; ``None`` for a frame that is not accepted."""
        packed = self.packed_annotation()
        return None if packed is None else packed.open()

    def packed_annotation(self) -> PackedAnnotation | None:
        """The same with its labels as they lie in memory."""
        facts, labels = self.content.acceptance, self.content.labels
        if facts is None or labels is None:
            return None
        bare = Annotation(
            self.frame.id, NO_LABELS, dict(facts.origins), dict(facts.changed_share), facts.seconds, facts.model
        )
        return PackedAnnotation(bare, labels)


class Annotations(Mapping[str, Annotation]):
    """A live view of the accepted frames, id to annotation; labels are unpacked when an annotation is asked for."""

    def __init__(self, records: Mapping[str, FrameRecord]) -> None:
        self._records = records

    def __getitem__(self, frame_id: str) -> Annotation:
        annotation = self._records[frame_id].annotation()
        if annotation is None:
            raise KeyError(frame_id)
        return annotation

    def packed(self, frame_id: str) -> LabelImage:
        """The labels of an accepted frame as they lie in memory; they may be opened on another thread."""
        content = self._records[frame_id].content
        if content.acceptance is None or content.labels is None:
            raise KeyError(frame_id)
        return content.labels

    def snapshot(self) -> PackedAnnotations:
        """The accepted frames as they are now, whatever is done later; may be read on any thread."""
        found = {frame_id: self._records[frame_id].packed_annotation() for frame_id in self}
        return PackedAnnotations({frame_id: one for frame_id, one in found.items() if one is not None})

    def __contains__(self, frame_id: object) -> bool:
        return frame_id in self._records and self._records[str(frame_id)].content.acceptance is not None

    def __iter__(self) -> Iterator[str]:
        return (frame_id for frame_id, record in self._records.items() if record.content.acceptance is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Facts:
    """What can be read of a session; :class:`~napari_adasam.domain.session.Session` adds what can be done."""

    frames_changed = Signal()
    structures_changed = Signal()
    current_changed = Signal(str)
    labels_changed = Signal(str)
    """The labels, points or box of a frame (its id) changed."""
    suggestions_changed = Signal(str)
    status_changed = Signal(str)
    ticks_changed = Signal(str)
    setup_changed = Signal(str)
    """The scale or the sector of a frame was set by hand, or taken back."""
    remark_changed = Signal(str)

    def __init__(self, structures: Sequence[Structure] = MUSCLE_PRESET) -> None:
        self._structures = tuple(structures)
        self._used = {one.value for one in structures}
        self._records: dict[str, FrameRecord] = {}
        self._frames: tuple[Frame, ...] | None = ()
        self._current: str | None = None
        self._shelf = Shelf()
        self._counted = (-1, 0)
        self.moves = 0
        """How often the list of frames or the status of one has changed."""
        self._opened: tuple[LabelImage | None, Labels] = (None, np.zeros((0, 0), dtype=np.uint8))

    @property
    def frames(self) -> tuple[Frame, ...]:
        """In the order in which they were added; the same object as long as nothing about them has changed."""
        if self._frames is None:
            self._frames = tuple(record.frame for record in self._records.values())
        return self._frames

    def _list_anew(self) -> None:
        """Frames were added, or lie elsewhere."""
        self._frames = None
        self.moves += 1
        self.frames_changed.emit()

    @property
    def structures(self) -> tuple[Structure, ...]:
        """What is annotated."""
        return self._structures

    @property
    def used(self) -> frozenset[int]:
        """Every value that a structure of this session ever had."""
        return frozenset(self._used)

    def free_value(self) -> int | None:
        """The smallest value that no structure of this session ever had; ``None`` if there is none left.

        A value is not used twice: what was suggested, ticked or undone under it would pass for the new structure's.
        """
        return next(iter(self.free_values()), None)

    def free_values(self) -> tuple[int, ...]:
        """All of them, smallest first; every value, as long as there is no frame that one could have been used on."""
        used = self._used if self._records else set()
        return tuple(value for value in range(1, MAX_STRUCTURES + 1) if value not in used)

    @property
    def current(self) -> str | None:
        """Id of the frame on the screen."""
        return self._current

    def frame(self, frame_id: str) -> Frame:
        """The frame of an id; KeyError if there is none."""
        return self._records[frame_id].frame

    def own_frame(self, frame_id: str) -> Frame:
        """The frame as its file has it, without a scale by hand."""
        return self._records[frame_id].own

    def setup(self, frame_id: str) -> FrameSetup:
        """What a person has set for a frame."""
        return self._records[frame_id].setup

    @property
    def accepted(self) -> int:
        """How many frames are accepted; counted anew only when a status has changed."""
        if self._counted[0] != self.moves:
            self._counted = (self.moves, len(self.annotations))
        return self._counted[1]

    def remark(self, frame_id: str) -> Remark:
        """The note on a frame; ``unusable`` means something only while it is skipped."""
        return self._records[frame_id].remark

    def is_unusable(self, frame_id: str) -> bool:
        """Whether a frame was left out as unusable."""
        return self.status(frame_id) is FrameStatus.SKIPPED and self.remark(frame_id).unusable

    def step(self, frame_id: str) -> object:
        """Stands for what a frame holds now: the same object again means that it holds the same again."""
        return self._records[frame_id].content

    def step_ahead(self, frame_id: str) -> object:
        """Stands in the same way for what redo would bring; ``None`` where nothing was taken back."""
        return self._records[frame_id].history.ahead

    def status(self, frame_id: str) -> FrameStatus:
        """Where a frame stands."""
        return self._records[frame_id].content.status

    def revision(self, frame_id: str) -> int:
        """How often the clinician has changed a frame; give it back with an answer that is computed meanwhile."""
        return self._records[frame_id].revision

    def labels(self, frame_id: str) -> Labels:
        """(height, width) uint8, read-only; zeros where nothing is labelled."""
        record = self._records[frame_id]
        packed = record.content.labels
        if packed is None:
            empty = np.zeros((record.frame.height, record.frame.width), dtype=np.uint8)
            empty.flags.writeable = False
            return empty
        if self._opened[0] is not packed:
            self._opened = (packed, packed.open())
        return self._opened[1]

    def packed(self, frame_id: str) -> LabelImage | None:
        """The labels as they lie in memory; ``None`` where nothing is labelled."""
        return self._records[frame_id].content.labels

    def suggestions(self, frame_id: str) -> Mapping[int, Suggestion]:
        """Structure value to the model's latest answer; empty where there is none."""
        suggested = self._records[frame_id].content.suggested
        return MappingProxyType({}) if suggested is None else self._shelf.read(suggested)

    def scores(self, frame_id: str) -> Mapping[int, float]:
        """Structure value to the suggestion's score, without opening masks and maps."""
        suggested = self._records[frame_id].content.suggested
        return MappingProxyType({}) if suggested is None else suggested.scores

    def suggested_labels(self, frame_id: str) -> Labels:
        """(height, width) uint8: the suggestions as they were laid into the labels, before any change by hand."""
        frame = self.frame(frame_id)
        return laid_out(self.suggested_masks(frame_id), (frame.height, frame.width))

    def suggested_masks(self, frame_id: str) -> Mapping[int, PackedMask]:
        """Structure value to the same, as masks."""
        return self._records[frame_id].content.adopted

    def propagated(self, frame_id: str) -> Propagated | None:
        """Where the masks of a frame came from, corrected since or not; ``None`` if not from another frame."""
        return self._records[frame_id].content.propagated

    def model_of(self, frame_id: str) -> str:
        """Fingerprint of the weights behind what was suggested or propagated; empty where nothing was."""
        return steps.model_of(self._records[frame_id].content)

    def touched(self, frame_id: str) -> frozenset[int]:
        """Values of the structures that were changed by hand."""
        return self._records[frame_id].content.touched

    def is_drawn(self, frame_id: str, value: int) -> bool:
        """Whether a structure has an outline on a frame that is more than a suggestion."""
        content = self._records[frame_id].content
        if content.acceptance is not None:  # which tells it without the labels, that may have to be read from the disk
            return value in content.acceptance.outlined
        vouched = value in content.touched or content.status in steps.CLOSED
        return vouched and bool((self.labels(frame_id) == value).any())

    def ticks(self, frame_id: str) -> Mapping[int, bool]:
        """Structure value to the clinician's word on whether it is there."""
        return self._records[frame_id].content.ticks

    def prompts(self, frame_id: str, structure: int) -> Prompts:
        """The clinician's points and box for one structure."""
        prompt = self._records[frame_id].content.prompts.get(structure, NO_PROMPT)
        return prompt.points, prompt.box

    def unanswered(self, frame_id: str) -> tuple[int, ...]:
        """Values of the structures whose last point or box has no mask yet."""
        prompts = self._records[frame_id].content.prompts
        return tuple(value for value, prompt in prompts.items() if not prompt.answered)

    def can_undo(self, frame_id: str) -> bool:
        """Whether the frame has a step to take back."""
        return self._records[frame_id].history.can_undo

    def can_redo(self, frame_id: str) -> bool:
        """Whether a step was taken back last."""
        return self._records[frame_id].history.can_redo

    @property
    def annotations(self) -> Annotations:
        """Accepted frames: id to annotation, unpacked when it is asked for."""
        return Annotations(self._records)
