"""What one frame holds, as a frozen value, and the steps that led there. Undo is going back to an earlier value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from napari_adasam.domain.packing import LabelImage, PackedMask
from napari_adasam.domain.prompts import Box, Point
from napari_adasam.domain.propagation import Propagated
from napari_adasam.domain.records import Annotation, FrameStatus, MaskOrigin
from napari_adasam.domain.shelf import SuggestionSet

DEPTH = 100


@dataclass(frozen=True, slots=True)
class StructurePrompt:
    """The clinician's points and box for one structure; ``answered`` once their mask has come."""

    points: tuple[Point, ...] = ()
    box: Box | None = None
    answered: bool = True

    @property
    def empty(self) -> bool:
        """Whether there is nothing to ask with."""
        return not self.points and self.box is None


NO_PROMPT = StructurePrompt()


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What was recorded when the frame was accepted; see :class:`~napari_adasam.domain.records.Annotation`."""

    origins: Mapping[int, MaskOrigin]
    changed_share: Mapping[int, float]
    seconds: float
    model: str

    @classmethod
    def of(cls, annotation: Annotation) -> Acceptance:
        """An annotation without its labels."""
        origins = MappingProxyType(dict(annotation.origins))
        shares = MappingProxyType(dict(annotation.changed_share))
        return cls(origins, shares, annotation.seconds, annotation.model)

    @property
    def outlined(self) -> frozenset[int]:
        """Every structure that has an outline."""
        return frozenset(value for value, origin in self.origins.items() if origin is not MaskOrigin.ABSENT)


@dataclass(frozen=True, slots=True)
class EarlierVersion:
    """The accepted version of a frame that a reopened session found on the disk."""

    labels: LabelImage
    facts: Acceptance


def _nothing() -> Mapping[int, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class FrameContent:
    """Everything about a frame that undo can take back.

    Parameters
    ----------
    labels
        ``None`` where nothing is labelled.
    suggested
        The model's latest answers; kept beside the labels so that maps can be shown.
    adopted
        Structure value to its suggested mask as it was laid into the labels: changes by hand are measured against it.
    touched
        Structures that the clinician has changed; no suggestion replaces them.
    ticks
        The clinician's word on which structures are there.
    acceptance
        Set while the frame is accepted.
    earlier
        Only in a session that was reopened.
    propagated
        Which key frame the masks came from; ``None`` where they were suggested, or there were none.
    """

    status: FrameStatus = FrameStatus.NEW
    labels: LabelImage | None = None
    suggested: SuggestionSet | None = None
    adopted: Mapping[int, PackedMask] = field(default_factory=_nothing)
    prompts: Mapping[int, StructurePrompt] = field(default_factory=_nothing)
    touched: frozenset[int] = frozenset()
    ticks: Mapping[int, bool] = field(default_factory=_nothing)
    acceptance: Acceptance | None = None
    earlier: EarlierVersion | None = None
    propagated: Propagated | None = None


class History:
    """The earlier contents of one frame, and those taken back; the oldest are forgotten beyond ``DEPTH`` steps."""

    __slots__ = ("_redo", "_undo")

    def __init__(self) -> None:
        self._undo: list[FrameContent] = []
        self._redo: list[FrameContent] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether a step was taken back and the clinician has done nothing since."""
        return bool(self._redo)

    def push(self, before: FrameContent, keep_redo: bool = False) -> None:
        """Remember what a new step replaced; what was taken back can still be had if ``keep_redo``."""
        self._undo.append(before)
        del self._undo[:-DEPTH]
        if not keep_redo:
            self._redo.clear()

    @property
    def behind(self) -> FrameContent | None:
        """What :meth:`undo` would give."""
        return self._undo[-1] if self._undo else None

    @property
    def ahead(self) -> FrameContent | None:
        """What :meth:`redo` would give."""
        return self._redo[-1] if self._redo else None

    def before_asked(self, structure: int) -> FrameContent | None:
        """The latest content in which no point or box of a structure waited for its mask."""
        calm = (one for one in reversed(self._undo) if one.prompts.get(structure, NO_PROMPT).answered)
        return next(calm, None)

    def undo(self, now: FrameContent) -> FrameContent:
        """Give the content before the last step; ``now`` can be had again by redo."""
        self._redo.append(now)
        return self._undo.pop()

    def redo(self, now: FrameContent) -> FrameContent:
        """Give the content that was taken back last."""
        self._undo.append(now)
        return self._redo.pop()

    def withdraw(self) -> FrameContent:
        """Give the content before the last step, which is forgotten as if it had not been."""
        return self._undo.pop()
