"""Figures over all frames of a clip or a volume: volume in mm³, and thickness from frame to frame.

Which frames count: accepted ones; and, told apart, with them those whose outlines were propagated and that nobody has
accepted yet. Frames in work, suggested or skipped never do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from napari_adasam.domain.measures import area, scale_within, thickness, thickness_between_parts
from napari_adasam.domain.records import Along, Frame, Labels, Spacing, Stack
from napari_adasam.domain.structures import Structure

IN_TIME = "The frames of a clip follow each other in time, so they have no volume."
NOT_TOLD = (
    "The file does not say whether its frames lie side by side or follow each other in time, so there is no volume."
)
NO_PIXEL_SIZE = "The size of a pixel is not known, so there is no volume."
NO_DISTANCE = "The file does not say how far apart its slices are, so there is no volume."
BEYOND_SCALE = "It reaches out of the part of the picture that the scale holds for, so its volume is not known."


class Counted(StrEnum):
    """Why a frame counts."""

    ACCEPTED = "accepted"
    PROPAGATED = "propagated"


BOTH = "accepted and propagated"
"""Figures over frames of both kinds are called so; those over accepted ones alone, ``"accepted"``."""


@dataclass(frozen=True, slots=True)
class StructureFigures:
    """One structure on one frame.

    Parameters
    ----------
    area
        In mm², or px² where ``scaled`` is not set; 0 where it is absent.
    thickness
        The mean one (between its parts for a structure of several), in mm or px; ``None`` where there is none.
    """

    area: float
    thickness: float | None
    scaled: bool


@dataclass(frozen=True, slots=True)
class FrameFigures:
    """One frame that counts: its place in the file, and by value the structures that it tells of."""

    frame: Frame
    counted: Counted
    structures: Mapping[int, StructureFigures]

    @property
    def index(self) -> int:
        """The frame's number in its file, from 0."""
        return self.frame.index


@dataclass(frozen=True, slots=True)
class Spread:
    """Thickness over the frames of a stack: the frames' mean, and the greatest and the least with their frames."""

    mean: float
    greatest: float
    greatest_at: Frame
    least: float
    least_at: Frame
    unit: str


@dataclass(frozen=True, slots=True)
class StackMeasure:
    """One structure over one stack.

    Parameters
    ----------
    moment
        Which volume of a file with depth and time, from 0; 0 otherwise.
    counted
        ``"accepted"`` or :data:`BOTH`.
    frames, measured, present
        How many there are, how many of them count, and on how many of those the structure is.
    volume_mm3
        ``None`` where it is not known; ``why`` says why.
    thickness
        ``None`` where no frame that counts has one.
    """

    structure: int
    moment: int
    counted: str
    frames: int
    measured: int
    present: int
    volume_mm3: float | None
    why: str
    thickness: Spread | None


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The mean thickness on one frame; ``at`` is in the axis's unit, see :func:`axis_of`."""

    frame: Frame
    at: float
    value: float
    counted: Counted


@dataclass(frozen=True, slots=True)
class Curve:
    """The thickness of one structure from frame to frame, in mm or px."""

    structure: int
    unit: str
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True, slots=True)
class StackReport:
    """All figures over one file.

    Parameters
    ----------
    frame
        The first one that counts.
    counted
        Ids of all that count.
    axis
        What the curves run along.
    """

    frame: Frame
    counted: frozenset[str]
    axis: str
    measures: tuple[StackMeasure, ...]
    curves: tuple[Curve, ...]


def no_volume(frame: Frame) -> str:
    """Why the frames of a file have no volume, whatever is outlined; empty if they may have one."""
    stack = frame.stack
    if stack is None or stack.along is not Along.DEPTH:
        return NOT_TOLD if stack is not None and stack.along is Along.UNKNOWN else IN_TIME
    if frame.spacing is None:
        return NO_PIXEL_SIZE
    return "" if stack.step_mm is not None else NO_DISTANCE


def slice_step(frame: Frame) -> float | None:
    """From a slice to the next in mm; ``None`` where the frames of a file have no volume."""
    return None if frame.stack is None or no_volume(frame) else frame.stack.step_mm


def figures_of(
    frame: Frame,
    labels: Labels,
    structures: Sequence[Structure],
    counted: Counted,
    part: tuple[int, int, int, int] | None,
) -> FrameFigures:
    """Measure one frame; ``labels`` (height, width), ``part`` of the picture that its scale holds for."""
    found = {one.value: _structure(labels, one, scale_within(labels, one.value, frame.spacing, part))
             for one in structures}  # fmt: skip
    return FrameFigures(frame, counted, found)


def _structure(labels: Labels, structure: Structure, spacing: Spacing | None) -> StructureFigures:
    size = area(labels, structure.value, spacing).value
    thick = thickness_between_parts if structure.several_parts else thickness
    figures = thick(labels, structure.value, spacing) if size else ()
    mean = next((figure.value for figure in figures if figure.name.endswith(" mean")), None)
    return StructureFigures(size, mean, spacing is not None)


def report(figures: Sequence[FrameFigures], structures: Sequence[Structure]) -> StackReport:
    """All figures over the frames of one file that count, one or more."""
    ordered = sorted(figures, key=lambda one: one.index)
    first = ordered[0].frame
    stack = first.stack or Stack(len(ordered))
    slices = stack.slices if stack.along is Along.DEPTH else stack.count
    measures = [
        measure
        for moment in sorted({one.index // slices for one in ordered})
        for structure in structures
        for measure in _measures([one for one in ordered if one.index // slices == moment], structure.value, slices)
    ]
    axis, places = axis_of(ordered)
    curves = (_curve(ordered, places, structure.value) for structure in structures)
    counted = frozenset(one.frame.id for one in ordered)
    return StackReport(first, counted, axis, tuple(measures), tuple(one for one in curves if one.points))


def axis_of(figures: Sequence[FrameFigures]) -> tuple[str, list[float]]:
    """What frames run along, with its unit, and where each lies: seconds, mm of depth, or the frames' numbers."""
    stack, times = figures[0].frame.stack, [one.frame.time_s for one in figures]
    timed = [time for time in times if time is not None]
    if len(timed) == len(times) and (stack is None or stack.along is not Along.DEPTH):
        return "time, s", timed
    if stack is not None and stack.step_mm is not None and stack.slices == stack.count:
        return "depth, mm", [one.index * stack.step_mm for one in figures]
    return "frame", [float(one.index) for one in figures]


def _measures(moment: Sequence[FrameFigures], value: int, slices: int) -> list[StackMeasure]:
    """Over the accepted frames of one moment; and with the propagated ones, where there are some.

    Frames that say nothing of the structure do not count.
    """
    telling = [one for one in moment if value in one.structures]
    accepted = [one for one in telling if one.counted is Counted.ACCEPTED]
    found = [_measure(accepted, value, slices, str(Counted.ACCEPTED), moment[0])]
    return found if len(accepted) == len(telling) else [*found, _measure(telling, value, slices, BOTH, moment[0])]


def _measure(
    figures: Sequence[FrameFigures], value: int, slices: int, counted: str, any_frame: FrameFigures
) -> StackMeasure:
    present = [one for one in figures if one.structures[value].area]
    volume, why = _volume(figures, value, slices, counted, any_frame.frame)
    return StackMeasure(
        value,
        any_frame.index // slices,
        counted,
        slices,
        len(figures),
        len(present),
        volume,
        why,
        _spread(figures, value),
    )


def _volume(
    figures: Sequence[FrameFigures], value: int, slices: int, counted: str, frame: Frame
) -> tuple[float | None, str]:
    """Σ area × distance of the slices (Cavalieri), in mm³; not where a slice within or beside the structure is missing.

    Each slice stands for a slab as thick as the distance. Slices farther off that do not count are taken to be without
    the structure.
    """
    step = slice_step(frame)
    if step is None:
        return None, no_volume(frame)
    known = {one.index % slices: one.structures[value] for one in figures}
    present = sorted(at for at, one in known.items() if one.area)
    if not present:
        if len(known) == slices:
            return 0.0, ""
        return None, f"It is on no {counted} slice, and {slices - len(known)} of {slices} slices do not count."
    needed = range(max(0, present[0] - 1), min(slices, present[-1] + 2))
    missing = [at for at in needed if at not in known]
    if missing:
        first = frame.index // slices * slices + missing[0]
        many = f"{len(missing)} slices, first {first:04d}," if len(missing) > 1 else f"Slice {first:04d}"
        return None, f"{many} in or beside it {'are' if len(missing) > 1 else 'is'} not {counted.replace('and', 'or')}."
    if not all(known[at].scaled for at in present):
        return None, BEYOND_SCALE
    return sum(known[at].area for at in present) * step, ""


def _thicknesses(figures: Sequence[FrameFigures], value: int) -> tuple[str, list[tuple[FrameFigures, float]]]:
    """In mm where one of the thicknesses has a scale, and of those with a scale only; else in px."""
    found = [(one, one.structures[value]) for one in figures if value in one.structures]
    there = [(one, its.thickness, its.scaled) for one, its in found if its.thickness is not None]
    in_mm = any(scaled for _, _, scaled in there)
    return "mm" if in_mm else "px", [(one, thick) for one, thick, scaled in there if scaled is in_mm]


def _spread(figures: Sequence[FrameFigures], value: int) -> Spread | None:
    unit, found = _thicknesses(figures, value)
    if not found:
        return None
    greatest, least = max(found, key=lambda pair: pair[1]), min(found, key=lambda pair: pair[1])
    mean = sum(thick for _, thick in found) / len(found)
    return Spread(mean, greatest[1], greatest[0].frame, least[1], least[0].frame, unit)


def _curve(figures: Sequence[FrameFigures], places: Sequence[float], value: int) -> Curve:
    unit, found = _thicknesses(figures, value)
    at = {one.index: place for one, place in zip(figures, places, strict=True)}
    return Curve(value, unit, tuple(CurvePoint(one.frame, at[one.index], thick, one.counted) for one, thick in found))
