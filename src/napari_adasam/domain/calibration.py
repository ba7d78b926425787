"""Calibration by hand: the scale of a picture from two points and the length between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import hypot, isfinite
from pathlib import PurePath

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Frame, Spacing
from napari_adasam.domain.sector import Sector

BY_HAND = "by hand"
FROM_REGION = "DICOM region"
"""The source of a scale that may hold for a part of the picture only."""
SHORTEST_PX = 10.0
"""A line under this length gives a scale that is wrong by more than about a tenth for a slip of one pixel."""
SMALLEST_MM, LARGEST_MM = 0.001, 10.0
"""Sizes of a pixel that an ultrasound picture can have."""
NOT_SQUARE = "Its pixels are not square, so a line cannot give the scale, and figures are in pixels only."
"""The note of a frame whose file says so and gives no scale."""


@dataclass(frozen=True, slots=True)
class FrameSetup:
    """What a person has set for a frame; ``None``: the file's own scale, and the sector as it is found."""

    scale: Spacing | None = None
    sector: Sector | None = None


NOT_SET = FrameSetup()


def check_square(frame: Frame) -> None:
    """Raise InputError where a line cannot give a frame's scale: its pixels are not square, and of no known size."""
    if frame.spacing is None and NOT_SQUARE in frame.note:
        raise InputError(
            "The pixels of this image are not square, as its file says, so a line cannot give the scale. The scale "
            "was not changed; save the image with square pixels and open that."
        )


@dataclass(frozen=True, slots=True)
class Ruler:
    """A line between two image pixels (y, x) whose length in mm is known."""

    start: tuple[float, float]
    end: tuple[float, float]
    length_mm: float

    def spacing(self, own: Spacing | None = None) -> Spacing:
        """The scale that makes the line as long as it is said to be.

        A picture's pixels are taken as square unless the file says otherwise (``own``): its ratio of height to width
        r is kept. The line (Δy, Δx) in pixels then has the length x_mm · √((r Δy)² + Δx²), which gives x_mm; y_mm is
        r · x_mm.

        Raises
        ------
        InputError
            If the line is too short, or the scale is one that no ultrasound picture has.
        """
        down, across = self.end[0] - self.start[0], self.end[1] - self.start[1]
        if not hypot(down, across) >= SHORTEST_PX:
            raise InputError(
                f"The two points are less than {SHORTEST_PX:.0f} pixels apart, which is too short for a reliable "
                "scale. The scale was not changed; choose points further apart."
            )
        ratio = 1.0 if own is None else own.y_mm / own.x_mm
        x_mm = self.length_mm / hypot(ratio * down, across)
        if not all(isfinite(size) and SMALLEST_MM <= size <= LARGEST_MM for size in (x_mm, ratio * x_mm)):
            raise InputError(
                f"{self.length_mm:g} mm between these points cannot be right for an ultrasound picture. "
                "The scale was not changed; give the length in millimetres."
            )
        return Spacing(ratio * x_mm, x_mm, BY_HAND)


def objection(own: Spacing | None) -> str:
    """What must be confirmed before a scale by hand replaces the file's own; empty where it has none."""
    if own is None:
        return ""
    return (
        f"This image has a scale of its own ({own.y_mm:.4g} × {own.x_mm:.4g} mm a pixel, {own.source}). "
        "Measured lengths and areas will follow your line instead. Replace it?"
    )


def alike(frame: Frame, frames: Iterable[Frame]) -> tuple[str, ...]:
    """Ids of the other frames that a scale by hand may be used for: same folder, same size, no scale of their own.

    None whose pixels are not square. A frame that was scaled by hand in another act than ``frame`` keeps that scale.
    """
    folder, size = PurePath(frame.path).parent, (frame.height, frame.width)
    return tuple(
        other.id
        for other in frames
        if other.id != frame.id
        and PurePath(other.path).parent == folder
        and (other.height, other.width) == size
        and NOT_SQUARE not in other.note
        and (other.spacing is None or (other.spacing.source == BY_HAND and other.spacing == frame.spacing))
    )
