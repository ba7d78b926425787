"""What is asked of an export, and one frame on its way through it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_adasam.domain.export_formats import EVERYDAY
from napari_adasam.domain.packing import LabelImage
from napari_adasam.domain.records import Annotation, Frame, Mask
from napari_adasam.domain.structures import Structure
from napari_adasam.files.exports.provenance import Provenance
from napari_adasam.files.exports.table import check_erosion

OnProgress = Callable[[int, int, str], None]
ReadPixels = Callable[[Frame], NDArray[Any]]
ReadOwnValues = Callable[[Frame], NDArray[Any] | None]
FindScan = Callable[[Frame], Mask | None]


@dataclass(frozen=True, slots=True)
class Extras:
    """What a person can ask of an export besides formats and frames.

    Parameters
    ----------
    blank_outside
        Whether overlays are black outside the scan sector, where the scanner writes.
    erosion_mm
        So much along the border of a structure does not enter its echo intensity. Without a scale nothing is left out.
    table
        The user's CSV with a row a file (:func:`~napari_adasam.files.exports.table.read_file_table`).
    """

    blank_outside: bool = False
    erosion_mm: float = 0.0
    table: Path | None = None

    def __post_init__(self) -> None:
        check_erosion(self.erosion_mm)


NO_EXTRAS = Extras()


@dataclass(frozen=True, slots=True, eq=False)
class ExportOptions:
    """How to export.

    Parameters
    ----------
    formats
        Some of :data:`~napari_adasam.domain.export_formats.FORMATS`; provenance.json is always written.
    frames
        Ids of the frames that are wanted; ``None`` for all accepted ones.
    key
        Name frames by pseudonyms made with this key, and leave out all that comes from names; empty: by their names.
    pixels
        Gives the picture of a frame, (height, width) or (height, width, 3), uint8 or uint16; for overlays and echo
        intensity. Raises InputError if it cannot be read.
    own_values
        Gives a picture's values as its file means them, where ``pixels`` are scaled, else ``None``; for echo intensity.
    scan
        Gives the part of a frame's picture that is scanned, (height, width) bool, ``None`` for all of it: the rest
        does not enter echo intensity. Raises InputError if it cannot be told.
    propagated
        Frame id to labels that came from a key frame, of frames that nobody has accepted or changed: they enter figures
        over clips and volumes, told apart, and nothing else.
    progress
        Told (done, total, what) before each frame.
    """

    formats: Collection[str] = EVERYDAY
    frames: Collection[str] | None = None
    key: bytes = field(default=b"", repr=False)
    pixels: ReadPixels | None = None
    own_values: ReadOwnValues = lambda _frame: None
    scan: FindScan | None = None
    extras: Extras = NO_EXTRAS
    propagated: Mapping[str, LabelImage] = field(default_factory=dict, repr=False)
    progress: OnProgress | None = None
    provenance: Provenance = field(default_factory=Provenance)

    @property
    def deidentify(self) -> bool:
        """Whether frames get pseudonyms."""
        return bool(self.key)


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One accepted frame as the formats get it.

    Parameters
    ----------
    frame
        As it is called in the export: without path if names are left out.
    source
        The file that it comes from.
    name
        Of its files, without ending.
    structures
        Of the session.
    """

    frame: Frame
    source: Path
    name: str
    annotation: Annotation
    structures: tuple[Structure, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an export is."""

    done: int
    total: int
    what: str


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written: the files in their order, and how many frames."""

    folder: Path
    files: tuple[Path, ...]
    frames: int
