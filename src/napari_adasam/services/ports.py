"""What the annotator and the lane expect of whoever computes: two protocols, numpy in and out.

Every method runs on the lane's thread. ``services.predictor`` and ``services.trainer`` are the real ones; tests give
fakes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.looks import Look
from napari_adasam.domain.prompts import Prompt
from napari_adasam.domain.records import Labels, Mask, Suggestion
from napari_adasam.domain.rounds import RoundProgress, RoundReport
from napari_adasam.domain.settings import PromptSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.services.jobs import Asleep

Pixels = NDArray[Any]
"""(height, width) or (height, width, 3), uint8 or uint16."""


@dataclass(frozen=True, slots=True, eq=False)
class SegmentAnswer:
    """The decoder's answer to one clinician's prompt.

    Mask (height, width), predicted IoU, and its low-resolution logits, to be given back with the next click on the same
    structure.
    """

    mask: Mask = field(repr=False)
    score: float
    logits: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A frame's id and pixels."""

    frame_id: str
    pixels: Pixels = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class FollowAnswer:
    """What a frame's labels become on another frame: a suggestion a structure, and how sure they are, 0 to 1."""

    suggestions: tuple[Suggestion, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What serves: name, fingerprint of the exact weights, device, licence, and the lineage from the first model on.

    ``earlier`` is how many models of this sitting :meth:`Predictor.go_back` can still go back to.
    """

    name: str
    fingerprint: str
    device: str
    licence: str
    lineage: tuple[str, ...]
    earlier: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFrame:
    """An accepted frame for training: its pixels and its label image, and the group it must not be split from.

    ``judged`` are the values of the structures that there were when it was accepted: of others its labels say nothing.
    ``None`` for all.
    """

    frame_id: str
    pixels: Pixels = field(repr=False)
    labels: NDArray[np.uint8] = field(repr=False)
    group: str = ""
    judged: frozenset[int] | None = None

    def tells_of(self, structure: Structure) -> bool:
        """Whether its labels say where a structure is, or that it is not there."""
        return self.judged is None or structure.value in self.judged


@dataclass(frozen=True, slots=True, eq=False)
class UnlabelledFrame:
    """A frame without a mask; ``present`` maps structure value to the clinician's tick, where there is one.

    It is not learned from while accepted frames of its ``group`` are held out.
    """

    frame_id: str
    pixels: Pixels = field(repr=False)
    present: Mapping[int, bool] = field(default_factory=dict)
    group: str = ""


class Predictor(Protocol):
    """Owner of the serving weights."""

    def info(self) -> ModelInfo:
        """Load if needed, and say what serves."""

    def suggest(
        self, frame_id: str, pixels: Pixels, structures: Sequence[Structure], settings: PromptSettings
    ) -> list[Suggestion]:
        """One suggestion a structure, self-prompted from the CAM; an empty mask and no prompts where nothing is."""

    def prepare(self, frame_id: str, pixels: Pixels) -> None:
        """Have at hand what the first prompt on a frame will need."""

    def segment(
        self, frame_id: str, pixels: Pixels, prompt: Prompt, previous: NDArray[np.float32] | None
    ) -> SegmentAnswer:
        """Answer a clinician's prompt; ``previous`` is the logits of the answer that it corrects."""

    def follow(self, before: Picture, after: Picture, labels: Labels, structures: Sequence[Structure]) -> FollowAnswer:
        """Take the labels (height, width) of one frame to the next; what is not there stays away."""

    def look(self, frame_id: str, pixels: Pixels, structures: Sequence[Structure], settings: PromptSettings) -> Look:
        """What the frame would teach, for the order; ``look.model`` is the serving fingerprint."""

    def go_back(self) -> ModelInfo:
        """Serve the model before the last accepted round again; raises ModelError where there is none."""

    def save(self, folder: Path) -> Path | None:
        """Write what rounds have learned into a folder; the file, or ``None`` where the base model serves."""

    def restore(self, path: Path) -> ModelInfo:
        """Serve what :meth:`save` wrote; InputError, and what serves is unchanged, where that cannot be."""


class Trainer(Protocol):
    """Maker of students. Never touches the serving weights before the gate has passed."""

    def round(
        self,
        labelled: Sequence[LabelledFrame],
        unlabelled: Sequence[UnlabelledFrame],
        structures: Sequence[Structure],
    ) -> Iterator[RoundProgress | RoundReport | Asleep]:
        """Yield progress after each short step, and last the report; closing it cancels, and serving is unchanged.

        ``ASLEEP`` where it waits for others, see :func:`~napari_adasam.services.lane.while_asleep`.
        """
