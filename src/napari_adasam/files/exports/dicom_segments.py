"""What a DICOM SEG says about each structure: its name, colour, how its masks were made, and coded categories.

Codes are SNOMED CT's as DICOM part 16 lists them (CID 7150 for categories, CID 7151 and those below it for types).
A name that is not in the table is a "Tissue" of the type "Tissue": the segment's label says what it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata

from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from napari_adasam.domain.structures import PALETTE, Structure
from napari_adasam.files.exports.png import rgb

LONGEST_LABEL = 64
PROGRAM = "napari-adasam"
TISSUE = Code("85756007", "SCT", "Tissue")
ANATOMY = Code("123037004", "SCT", "Anatomical Structure")
ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
TYPES: tuple[tuple[str, Code, Code], ...] = (
    ("subcutaneous", TISSUE, Code("71966008", "SCT", "Subcutaneous tissue")),
    ("lesion", ABNORMAL, Code("52988006", "SCT", "Lesion")),
    ("aponeurosis", TISSUE, TISSUE),
    ("fascia", TISSUE, Code("120576005", "SCT", "Fascial layer")),
    ("tendon", ANATOMY, Code("13024002", "SCT", "Tendon")),
    ("muscle", ANATOMY, Code("71616004", "SCT", "Muscle")),
    ("bone", ANATOMY, Code("272673000", "SCT", "Bone")),
    ("head", ANATOMY, Code("69536005", "SCT", "Head")),
)
"""A word of the name, category and type; the first word that fits counts."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: its number in the file, 1 and up, and the structure it stands for."""

    number: int
    structure: Structure
    by_hand: bool


def label_of(structure: Structure) -> str:
    """The name as DICOM can hold it: 64 characters, no backslash and no control characters."""
    return re.sub(r"[\\\x00-\x1f]", "/", structure.name).strip()[:LONGEST_LABEL]


def category_and_type(name: str) -> tuple[Code, Code]:
    """The codes of a structure of this name."""
    words = re.findall(r"\w+", name.casefold())
    return next(((category, kind) for word, category, kind in TYPES if word in words), (TISSUE, TISSUE))


def segment_of(value: int, structures: Sequence[Structure], number: int, by_hand: bool) -> Segment:
    """The segment of a label value; a value without a structure is named by its number."""
    known = next((one for one in structures if one.value == value), Structure(value, f"value {value}"))
    return Segment(number, known, by_hand)


def description(segment: Segment) -> SegmentDescription:
    """The item of the Segment Sequence; the label value stands in its description."""
    category, kind = category_and_type(segment.structure.name)
    made = SegmentAlgorithmTypeValues.MANUAL if segment.by_hand else SegmentAlgorithmTypeValues.SEMIAUTOMATIC
    algorithm = AlgorithmIdentificationSequence(
        name=PROGRAM, version=program_version(), family=codes.DCM.ArtificialIntelligence
    )
    item = SegmentDescription(
        segment_number=segment.number,
        segment_label=label_of(segment.structure),
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type=made,
        algorithm_identification=None if segment.by_hand else algorithm,
        display_color=CIELabColor.from_rgb(*rgb(PALETTE[(segment.structure.value - 1) % len(PALETTE)])),
    )
    item.SegmentDescription = f"label value {segment.structure.value}"
    return item


def program_version() -> str:
    """The version of this program."""
    try:
        return metadata.version(PROGRAM)
    except metadata.PackageNotFoundError:
        return "unknown"
