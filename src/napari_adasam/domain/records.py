"""The facts of a session as frozen values. Arrays are never changed after they are put into one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.prompts import Prompt

Mask = NDArray[np.bool_]
Labels = NDArray[np.uint8]


class FrameStatus(StrEnum):
    """Where a frame stands; the words are shown to the clinician."""

    NEW = "new"
    SUGGESTED = "suggested"
    CORRECTED = "corrected"
    ACCEPTED = "accepted"
    SKIPPED = "skipped"


class MaskOrigin(StrEnum):
    """How the mask of one structure came to be."""

    SUGGESTED = "suggested"
    CORRECTED = "corrected"
    DRAWN = "drawn"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Spacing:
    """Size of one pixel in millimetres, and who says so.

    Parameters
    ----------
    y_mm, x_mm
        Height and width of one pixel in mm, greater than 0.
    source
        ``"DICOM region"``, ``"DICOM pixel spacing"``, ``"TIFF header"``, ``"NIfTI header"``, ``"index.csv"``,
        ``"phantom"`` or ``"by hand"``.
    """

    y_mm: float
    x_mm: float
    source: str

    def __post_init__(self) -> None:
        if not (0 < self.y_mm < 100 and 0 < self.x_mm < 100):
            raise ValueError(f"expected a spacing in (0, 100) mm, got {self.y_mm} × {self.x_mm}")

    @property
    def pixel_area_mm2(self) -> float:
        """Area of one pixel in mm²."""
        return self.y_mm * self.x_mm


@dataclass(frozen=True, slots=True)
class Geometry:
    """How the frames of a volume file lie in its array and in the body, so that masks can be written back in its axes.

    Parameters
    ----------
    affine
        4 × 4, row by row: from voxel (i, j, k, 1) to the file's world (right, anterior, superior), in its unit.
    shape
        Of the file's array: (i, j, k) or (i, j, k, t).
    rows, columns
        The array axes that run down and across a frame. Frames run along the remaining axis first, then along time.
    units
        Of length and of time by their NIfTI codes, as a sum: 1 m, 2 mm, 3 µm, 0 unknown; 8 s, 16 ms, 24 µs, 0 unknown.
    time_step
        From one moment to the next, in the unit of time; it counts in a file of several moments only.
    """

    affine: tuple[tuple[float, ...], ...]
    shape: tuple[int, ...]
    rows: int
    columns: int
    units: int = 0
    time_step: float = 1.0

    def place(self, index: int) -> tuple[int | slice, ...]:
        """Where frame ``index`` lies in the array; what is there is (columns, rows), the frame's transpose."""
        through = [axis for axis in range(len(self.shape)) if axis not in (self.rows, self.columns)]
        where: list[int | slice] = [slice(None)] * len(self.shape)
        for axis in through:
            index, where[axis] = divmod(index, self.shape[axis])
        return tuple(where)


class Along(StrEnum):
    """What the frames of a file follow each other in."""

    DEPTH = "depth"
    TIME = "time"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Stack:
    """What the frames of a file of several are to each other.

    Parameters
    ----------
    count
        How many there are, 2 or more.
    along
        Depth: slices side by side, moment after moment if there are several.
    slices
        How many slices one moment has; 1 along time, or where the file does not say.
    step_mm
        From the middle of a slice to that of the next, perpendicular to them; ``None`` where it is unknown.
    source
        Who says so, such as ``"NIfTI header"``; empty where nobody does.
    """

    count: int
    along: Along = Along.UNKNOWN
    slices: int = 1
    step_mm: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """One two-dimensional image of a session, by reference.

    Parameters
    ----------
    id
        Content hash of the file and the frame's index in it: the same picture keeps its id wherever it lies.
    path
        The source file.
    index
        Position in the file, from 0; 0 for a single image.
    height, width
        In pixels.
    spacing
        ``None``: the scale is unknown and figures are in pixels only.
    stem
        The file's name without its ending, with ``_0007`` behind it for frame 7 of a clip. Unique in a session.
    note
        A sentence for the clinician, such as why the scale is not trusted; empty for none.
    time_s
        Seconds since the first frame of the file; ``None`` where the file does not say.
    bits
        How many bits a grey value (or one of a colour's three) has in the file; ``None`` where values are not whole
        numbers, or were scaled.
    region
        (y0, x0, y1, x1) in pixels, the ends outside: the part of the picture that ``spacing`` holds for; ``None`` for
        all of it.
    geometry
        Of a volume file only.
    stack
        Of a file of several frames only.

    The last five are facts of the file, read again with it: a session does not keep them, and frames that differ in
    nothing else are equal.
    """

    id: str
    path: str
    index: int
    height: int
    width: int
    stem: str
    spacing: Spacing | None = None
    note: str = ""
    time_s: float | None = field(default=None, compare=False)
    bits: int | None = field(default=None, compare=False)
    region: tuple[int, int, int, int] | None = field(default=None, compare=False)
    geometry: Geometry | None = field(default=None, compare=False, repr=False)
    stack: Stack | None = field(default=None, compare=False, repr=False)

    @property
    def file_id(self) -> str:
        """Content hash of the file: the same for all frames of a clip, wherever it lies."""
        return self.id.partition("-")[0]


@dataclass(frozen=True, slots=True, eq=False)
class Suggestion:
    """The model's answer for one structure of one frame.

    Parameters
    ----------
    mask
        (height, width) bool, all false where there was no prompt.
    score
        The decoder's predicted IoU, 0 to 1; 0 where there was no prompt.
    presence
        The classifier's probability that the structure is in the frame, 0 to 1.
    prompts
        The prompts the CAM gave, one a part; empty means "no prompt".
    cam
        (height, width) float32 in 0 to 1: the class activation map, aligned with the image.
    model
        The fingerprint of the weights that made it.
    logits
        The decoder's answer to each of the prompts, (4h, 4w) float32, which a first correction gives back to it; empty
        where they were not kept.
    """

    frame_id: str
    structure: int
    mask: Mask = field(repr=False)
    score: float
    presence: float
    prompts: tuple[Prompt, ...]
    cam: NDArray[np.float32] = field(repr=False)
    model: str
    logits: tuple[NDArray[np.float32], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """An accepted label image with its history in figures.

    Parameters
    ----------
    labels
        (height, width) uint8, values of structures, 0 background.
    origins
        Structure value to how its mask came to be.
    changed_share
        Structure value to the share of its pixels that differ from the suggestion: |A xor S| / |A or S|, 0 to 1.
    seconds
        Time the frame was worked on, in seconds.
    model
        The fingerprint of the weights behind the suggestion; empty where there was none.
    """

    frame_id: str
    labels: Labels = field(repr=False)
    origins: dict[int, MaskOrigin]
    changed_share: dict[int, float]
    seconds: float
    model: str

    def tells_of(self, structure: int) -> bool:
        """Whether a structure was in the list when the frame was accepted; of others it says nothing."""
        return not self.origins or structure in self.origins


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """Work in progress on a frame.

    Parameters
    ----------
    annotation
        What accepting the frame would record now.
    touched
        Values of the structures that were changed by hand.
    """

    annotation: Annotation
    touched: frozenset[int]
