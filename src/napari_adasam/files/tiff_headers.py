"""Scale and frame times from the headers of ImageJ and OME; the resolution of other TIFFs is most often a printer's."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any
from xml.etree import ElementTree

import tifffile

from napari_adasam.domain.records import Along, Spacing, Stack

MM_PER_UNIT = {
    "nm": 1e-6, "micron": 1e-3, "microns": 1e-3, "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "micrometer": 1e-3, "mm": 1.0,
    "millimeter": 1.0, "cm": 10.0, "centimeter": 10.0, "m": 1000.0, "inch": 25.4, "in": 25.4,
}  # fmt: skip
LONGEST_STEP_MM = 100.0
SECONDS_PER_UNIT = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "µs": 1e-6, "min": 60.0}


def spacing_of(tiff: tifffile.TiffFile, page: Any) -> Spacing | None:
    """Size of a pixel where ImageJ or OME give one with a unit of length."""
    try:
        sizes = _ome_sizes(tiff.ome_metadata) if tiff.is_ome else _imagej_sizes(tiff, page)
        return Spacing(sizes[0], sizes[1], "TIFF header") if sizes else None
    except (ValueError, TypeError, KeyError, ZeroDivisionError, OverflowError, ElementTree.ParseError):
        return None


def of_one_scale(tiff: tifffile.TiffFile) -> bool:
    """Whether the scale of the first series is that of the others, too: only OME can give each its own."""
    try:
        every = _plain_ome(tiff.ome_metadata).iterfind(".//Pixels") if tiff.is_ome else ()
        return len({_sizes_of(element) for element in every}) <= 1
    except (ValueError, TypeError, KeyError, ElementTree.ParseError):
        return False


def times_of(tiff: tifffile.TiffFile, frames: int) -> tuple[float | None, ...]:
    """Seconds of each frame since the first, where all frames are moments of one series; else empty."""
    try:
        step = _ome_step(tiff.ome_metadata, frames) if tiff.is_ome else _imagej_step(tiff, frames)
    except (ValueError, TypeError, KeyError, ElementTree.ParseError):
        return ()
    return tuple(index * step for index in range(frames)) if isfinite(step) and step > 0 and frames > 1 else ()


def stack_of(tiff: tifffile.TiffFile, frames: int) -> Stack:
    """Whether the frames are slices or moments, and how far apart slices are, where ImageJ or OME say so."""
    try:
        along, step = _ome_depth(tiff.ome_metadata, frames) if tiff.is_ome else _imagej_depth(tiff, frames)
    except (ValueError, TypeError, KeyError, ElementTree.ParseError):
        along, step = Along.UNKNOWN, 0.0
    slices = frames if along is Along.DEPTH else 1
    if not (isfinite(step) and 0 < step < LONGEST_STEP_MM):
        return Stack(frames, along, slices)
    return Stack(frames, along, slices, step, "TIFF header")


def _imagej_depth(tiff: tifffile.TiffFile, frames: int) -> tuple[Along, float]:
    """What the frames are, and the distance of slices in mm; 0 where it is not known."""
    facts = (tiff.imagej_metadata or {}) if tiff.is_imagej else {}
    if int(facts.get("frames", 1)) == frames:
        return Along.TIME, 0.0
    if int(facts.get("slices", 1)) != frames:
        return Along.UNKNOWN, 0.0
    unit = _plain(facts.get("zunit", facts.get("unit", "")))
    return Along.DEPTH, abs(float(facts.get("spacing", 0.0))) * MM_PER_UNIT.get(unit, 0.0)


def _ome_depth(xml: str | None, frames: int) -> tuple[Along, float]:
    """The same from OME's PhysicalSizeZ; its unit is µm where none is given."""
    element = _ome_pixels(xml)
    if element is None:
        return Along.UNKNOWN, 0.0
    if int(element.attrib["SizeT"]) == frames:
        return Along.TIME, 0.0
    if int(element.attrib["SizeZ"]) != frames:
        return Along.UNKNOWN, 0.0
    unit = element.attrib.get("PhysicalSizeZUnit", "µm").lower()
    return Along.DEPTH, float(element.attrib.get("PhysicalSizeZ", 0.0)) * MM_PER_UNIT.get(unit, 0.0)


def _imagej_sizes(tiff: tifffile.TiffFile, page: Any) -> tuple[float, float] | None:
    """(height, width) of a pixel in mm from ImageJ's units and the page's resolution."""
    if not tiff.is_imagej or not tiff.imagej_metadata:
        return None
    unit = tiff.imagej_metadata.get("unit", "")
    units = (tiff.imagej_metadata.get("yunit", unit), unit)
    per_unit = [page.tags[name].value for name in ("YResolution", "XResolution")]
    y, x = (
        MM_PER_UNIT[_plain(name)] * below / above for name, (above, below) in zip(units, per_unit, strict=True)
    )  # fmt: skip
    return y, x


def _plain(unit: Any) -> str:
    return str(unit).replace("\\u00B5", "µ").strip().lower()


def _imagej_step(tiff: tifffile.TiffFile, frames: int) -> float:
    facts = tiff.imagej_metadata or {}
    if int(facts.get("frames", 1)) != frames or "finterval" not in facts:
        return 0.0
    return float(facts["finterval"]) * SECONDS_PER_UNIT[str(facts.get("tunit", "s"))]


def _ome_pixels(xml: str | None) -> ElementTree.Element | None:
    return _plain_ome(xml).find(".//Pixels")


def _plain_ome(xml: str | None) -> ElementTree.Element:
    return ElementTree.fromstring(re.sub(r"\sxmlns=\"[^\"]+\"", "", xml or "<OME/>"))


def _ome_sizes(xml: str | None) -> tuple[float, float] | None:
    """(height, width) of a pixel in mm from OME's PhysicalSize; its unit is µm where none is given."""
    element = _ome_pixels(xml)
    return None if element is None else _sizes_of(element)


def _sizes_of(element: ElementTree.Element) -> tuple[float, float] | None:
    if "PhysicalSizeX" not in element.attrib or "PhysicalSizeY" not in element.attrib:
        return None
    y, x = (
        float(element.attrib[f"PhysicalSize{axis}"])
        * MM_PER_UNIT[element.attrib.get(f"PhysicalSize{axis}Unit", "µm").lower()]
        for axis in "YX"
    )
    return y, x


def _ome_step(xml: str | None, frames: int) -> float:
    element = _ome_pixels(xml)
    if element is None or int(element.attrib["SizeT"]) != frames:
        return 0.0
    unit = element.attrib.get("TimeIncrementUnit", "s")
    return float(element.attrib["TimeIncrement"]) * SECONDS_PER_UNIT[unit]
