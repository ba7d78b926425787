"""The scale of a DICOM picture, only where it is sound; where it is not, a sentence says why.

Ultrasound: SequenceOfUltrasoundRegions (0018,6011), of the file or of a frame. A region shows space if both its axes
are lengths in cm (PhysicalUnits 3) and it has two dimensions of space (RegionSpatialFormat 1). Spacing in mm is
10 · |PhysicalDelta|, and holds within its region. No scale is taken at all if

- a region is incomplete, or does not lie within the picture (pixels were resized and tags were not);
- all regions together lie in the upper left quarter (pixels were enlarged and tags were not);
- a scale contradicts PixelSpacing or PixelAspectRatio;
- regions of space differ in scale, and not just one of those scales belongs to tissue (RegionDataType 1), or its
  regions overlap one of another scale.

Where no scale is taken and PixelAspectRatio says that pixels are not square, the sentence says that, too.

Other modalities: PixelSpacing, in the frame, shared, or at the top. ImagerPixelSpacing is not a size in the body, and
is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from pydicom import Dataset

from napari_adasam.domain.calibration import FROM_REGION, NOT_SQUARE
from napari_adasam.domain.records import Spacing

CENTIMETRES = 3
TWO_DIMENSIONS = 1
TISSUE = 1
AGREE = 0.01
"""Two scales agree if they differ by no more than this share."""
SMALLEST_MM, LARGEST_MM = 0.001, 10.0
"""Sizes of a pixel that an ultrasound picture can have."""
BY_HAND = " Set the scale by hand if you know it."
PIXELS_ONLY = f"figures are in pixels only.{BY_HAND}"
COMPARE = "The scale does not come from an ultrasound region; compare it with the ruler in the picture."
Box = tuple[int, int, int, int]
"""(y0, x0, y1, x1) in pixels, the ends outside."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What the header says about one frame: its spacing, the part of it that this holds for, and a sentence."""

    spacing: Spacing | None = None
    box: Box | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Region:
    """One ultrasound region: its corners in pixels, and its spacing in mm, ``None`` where it is no picture of space."""

    x0: int
    y0: int
    x1: int
    y1: int
    spacing: Spacing | None
    tissue: bool

    def fits(self, height: int, width: int) -> bool:
        """Whether it lies within the picture; scanners that count one too far are allowed for."""
        return 0 <= self.x0 < self.x1 <= width and 0 <= self.y0 < self.y1 <= height

    def overlaps(self, other: Region) -> bool:
        """Whether the two share pixels; a common border is none."""
        return self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1


def calibrate(dataset: Dataset, frames: int = 1) -> tuple[Scale, ...]:
    """The scale of all frames (one item), or of each frame where they differ."""
    groups = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    if len(groups) != frames:
        groups = groups[:1] if frames == 1 else []
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    scales = [_scale(dataset, shared, group) for group in groups] or [_scale(dataset, shared, Dataset())]
    if not _is_square(dataset):
        scales = [scale if scale.spacing is not None else _not_square(scale) for scale in scales]
    return tuple(scales) if any(scale != scales[0] for scale in scales) else (scales[0],)


def _scale(dataset: Dataset, shared: Dataset, group: Dataset) -> Scale:
    """Of one frame; what stands in its own group goes before what is shared, and that before the file's own."""
    other = _measures(group) or _measures(shared) or _pixel_spacing(dataset)
    for place in (group, shared, dataset):
        if regions := place.get("SequenceOfUltrasoundRegions"):
            return _from_regions(dataset, list(regions), other)
    return Scale(other, None, COMPARE if other is not None and dataset.get("Modality") == "US" else "")


def _from_regions(dataset: Dataset, items: Sequence[Dataset], other: Spacing | None) -> Scale:
    height, width = int(dataset.Rows), int(dataset.Columns)
    known = [region for item in items if (region := _region(item)) is not None]
    misfit = _misfit(known, len(items), height, width)
    if misfit:
        return Scale(note=f"The header's scale does not fit its picture{misfit}, so it is not used: {PIXELS_ONLY}")
    spatial = [region for region in known if region.spacing is not None]
    if not spatial:
        return Scale()
    chosen = _picture(spatial)
    if not chosen:
        return Scale(note=f"The picture's regions have different scales, so none is used: {PIXELS_ONLY}")
    spacing = chosen[0].spacing
    assert spacing is not None
    if (other is not None and not _agree(spacing, other)) or not _fits_aspect(dataset, spacing):
        return Scale(note=f"Two scales in the header contradict each other, so neither is used: {PIXELS_ONLY}")
    box = _around(chosen, height, width)
    partly = "" if len(chosen) == len(spatial) else (
        f"The scale holds from {box[1]}, {box[0]} to {box[3]}, {box[2]} px (x, y); another part of the picture has "
        "another scale."
    )  # fmt: skip
    return Scale(spacing, box, partly)


def _misfit(known: Sequence[Region], promised: int, height: int, width: int) -> str | None:
    """How the regions show that they are not this picture's: ``None`` if they do not, else words in brackets."""
    for region in known:
        if not region.fits(height, width):
            return f" (it reaches to {region.y1} × {region.x1} px of {height} × {width} px)"
    if not known or len(known) < promised:
        return " (it is incomplete)"
    reach = max(region.y1 for region in known), max(region.x1 for region in known)
    if 2 * reach[0] < height and 2 * reach[1] < width:
        return f" (it covers only {reach[0]} × {reach[1]} px of {height} × {width} px, as if the picture was enlarged)"
    return None


def _picture(spatial: Sequence[Region]) -> list[Region]:
    """The regions of the one scale that is clearly the picture's; none where that is not clear."""
    for candidates in (spatial, [region for region in spatial if region.tissue]):
        if not candidates or not all(_same(candidates[0], region) for region in candidates):
            continue
        others = [region for region in spatial if not _same(candidates[0], region)]
        chosen = [region for region in spatial if region not in others]
        return [] if any(one.overlaps(other) for one in chosen for other in others) else chosen
    return []


def _around(regions: Sequence[Region], height: int, width: int) -> Box:
    """The smallest box around the regions; their last row and column count as inside."""
    y0, x0 = min(region.y0 for region in regions), min(region.x0 for region in regions)
    y1, x1 = max(region.y1 for region in regions), max(region.x1 for region in regions)
    return y0, x0, min(y1 + 1, height), min(x1 + 1, width)


def _region(item: Dataset) -> Region | None:
    """Read one region; ``None`` if it is incomplete."""
    try:
        x0, y0, x1, y1 = (int(item[f"RegionLocation{corner}"].value) for corner in ("MinX0", "MinY0", "MaxX1", "MaxY1"))
        units = (int(item.PhysicalUnitsXDirection), int(item.PhysicalUnitsYDirection))
        spatial = units == (CENTIMETRES, CENTIMETRES) and int(item.RegionSpatialFormat) == TWO_DIMENSIONS
        spacing = (
            _spacing(10 * abs(item.PhysicalDeltaY), 10 * abs(item.PhysicalDeltaX), FROM_REGION) if spatial else None
        )
        tissue = int(item.get("RegionDataType") or 0) == TISSUE
    except (KeyError, AttributeError, TypeError, ValueError, OverflowError):
        return None
    return None if spatial and spacing is None else Region(x0, y0, x1, y1, spacing, tissue)


def _measures(group: Dataset) -> Spacing | None:
    sequence = group.get("PixelMeasuresSequence")
    return _pixel_spacing(sequence[0]) if sequence else None


def _pixel_spacing(dataset: Dataset) -> Spacing | None:
    value: Any = dataset.get("PixelSpacing")
    try:
        return _spacing(float(value[0]), float(value[1]), "DICOM pixel spacing") if value else None
    except (TypeError, ValueError, IndexError):
        return None


def _fits_aspect(dataset: Dataset, spacing: Spacing) -> bool:
    """Whether PixelAspectRatio (vertical, horizontal), if there is one, is that of the spacing."""
    value: Any = dataset.get("PixelAspectRatio")
    try:
        vertical, horizontal = (float(part) for part in value) if value else (spacing.y_mm, spacing.x_mm)
        return abs(vertical * spacing.x_mm / (horizontal * spacing.y_mm) - 1) <= AGREE
    except (TypeError, ValueError, ZeroDivisionError):
        return False


def _is_square(dataset: Dataset) -> bool:
    """Whether PixelAspectRatio says nothing else; one that makes no sense says nothing."""
    value: Any = dataset.get("PixelAspectRatio")
    try:
        vertical, horizontal = (float(part) for part in value) if value else (1.0, 1.0)
    except (TypeError, ValueError):
        return True
    return not (vertical > 0 and horizontal > 0) or abs(vertical / horizontal - 1) <= AGREE


def _not_square(scale: Scale) -> Scale:
    return replace(scale, note=f"{scale.note.removesuffix(BY_HAND)} {NOT_SQUARE}".strip())


def _spacing(y_mm: float, x_mm: float, source: str) -> Spacing | None:
    sound = all(isfinite(size) and SMALLEST_MM <= size <= LARGEST_MM for size in (y_mm, x_mm))
    return Spacing(float(y_mm), float(x_mm), source) if sound else None


def _same(one: Region, other: Region) -> bool:
    return one.spacing is not None and other.spacing is not None and _agree(one.spacing, other.spacing)


def _agree(one: Spacing, other: Spacing) -> bool:
    return abs(one.y_mm / other.y_mm - 1) <= AGREE and abs(one.x_mm / other.x_mm - 1) <= AGREE
