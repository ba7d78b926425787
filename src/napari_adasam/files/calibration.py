"""The scale of a DICOM picture, only where it is sound; where it is not, a sentence says why.

Ultrasound: SequenceOfUltrasoundRegions (0018,6011). A region counts if both its axes are lengths in cm (PhysicalUnits
3), it shows two dimensions of space (RegionSpatialFormat 1), and it lies within the picture. Regions that count must
agree. Spacing in mm is 10 · |PhysicalDelta|. Other modalities: PixelSpacing, in the frame, shared, or at the top.
ImagerPixelSpacing is not a size in the body, and is not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

from pydicom import Dataset

from napari_adasam.domain.records import Spacing
from napari_adasam.files.clips import spread

CENTIMETRES = 3
TWO_DIMENSIONS = 1
AGREE = 0.01
"""Two scales agree if they differ by no more than this share."""
SMALLEST_MM, LARGEST_MM = 0.001, 10.0
"""Sizes of a pixel that an ultrasound picture can have."""
PIXELS_ONLY = "figures are in pixels only. Set the scale by hand if you know it."


@dataclass(frozen=True, slots=True)
class Region:
    """One ultrasound region: its corners in pixels and its spacing in mm, ``None`` where it is no picture of space."""

    x0: int
    y0: int
    x1: int
    y1: int
    spacing: Spacing | None

    def fits(self, height: int, width: int) -> bool:
        """Whether it lies within the picture; scanners that count one too far are allowed for."""
        return 0 <= self.x0 < self.x1 <= width and 0 <= self.y0 < self.y1 <= height


def calibrate(dataset: Dataset) -> tuple[tuple[Spacing | None, ...], str]:
    """Spacing of all frames (one item) or of each, and a sentence where a scale in the header is not trusted."""
    if "SequenceOfUltrasoundRegions" in dataset:
        spacing, note = _from_regions(dataset)
        return (spacing,), note
    spacings = _from_pixel_spacing(dataset)
    if dataset.get("Modality") == "US" and any(spacings):
        return spacings, "The scale does not come from an ultrasound region; compare it with the ruler in the picture."
    return spacings, ""


def _from_regions(dataset: Dataset) -> tuple[Spacing | None, str]:
    height, width = int(dataset.Rows), int(dataset.Columns)
    regions = [_region(item) for item in dataset.SequenceOfUltrasoundRegions]
    known = [region for region in regions if region is not None]
    strays = [region for region in known if not region.fits(height, width)]
    if strays or len(known) < len(regions):
        reach = f" (it reaches to {strays[0].y1} × {strays[0].x1} px of {height} × {width} px)" if strays else ""
        return None, f"The header's scale does not fit its picture{reach}, so it is not used: {PIXELS_ONLY}"
    scales = [region.spacing for region in known if region.spacing is not None]
    if not scales:
        return None, ""
    if not all(_agree(scales[0], scale) for scale in scales):
        return None, f"The picture's regions have different scales, so none is used: {PIXELS_ONLY}"
    other = _pixel_spacing(dataset)
    if other is not None and not _agree(scales[0], other):
        return None, f"Two scales in the header contradict each other, so neither is used: {PIXELS_ONLY}"
    return scales[0], ""


def _region(item: Dataset) -> Region | None:
    """Read one region; ``None`` if it is incomplete."""
    try:
        x0, y0, x1, y1 = (int(item[f"RegionLocation{corner}"].value) for corner in ("MinX0", "MinY0", "MaxX1", "MaxY1"))
        units = (int(item.PhysicalUnitsXDirection), int(item.PhysicalUnitsYDirection))
        spatial = units == (CENTIMETRES, CENTIMETRES) and int(item.RegionSpatialFormat) == TWO_DIMENSIONS
        spacing = (
            _spacing(10 * abs(item.PhysicalDeltaY), 10 * abs(item.PhysicalDeltaX), "DICOM region") if spatial else None
        )
    except (KeyError, AttributeError, TypeError, ValueError):
        return None
    return None if spatial and spacing is None else Region(x0, y0, x1, y1, spacing)


def _from_pixel_spacing(dataset: Dataset) -> tuple[Spacing | None, ...]:
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = dataset.get("SharedFunctionalGroupsSequence") or [Dataset()]
    common = _measures(shared[0]) or _pixel_spacing(dataset)
    if len(per_frame) < 2:
        return ((_measures(per_frame[0]) if per_frame else None) or common,)
    return spread([_measures(group) or common for group in per_frame])


def _measures(group: Dataset) -> Spacing | None:
    sequence = group.get("PixelMeasuresSequence")
    return _pixel_spacing(sequence[0]) if sequence else None


def _pixel_spacing(dataset: Dataset) -> Spacing | None:
    value: Any = dataset.get("PixelSpacing")
    try:
        return _spacing(float(value[0]), float(value[1]), "DICOM pixel spacing") if value else None
    except (TypeError, ValueError, IndexError):
        return None


def _spacing(y_mm: float, x_mm: float, source: str) -> Spacing | None:
    sound = all(isfinite(size) and SMALLEST_MM <= size <= LARGEST_MM for size in (y_mm, x_mm))
    return Spacing(float(y_mm), float(x_mm), source) if sound else None


def _agree(one: Spacing, other: Spacing) -> bool:
    return abs(one.y_mm / other.y_mm - 1) <= AGREE and abs(one.x_mm / other.x_mm - 1) <= AGREE
