"""Masks as DICOM SEG: one file for each source file, with all its accepted frames, one plane a frame and structure.

A structure that nobody was asked for on a frame has no plane of it.

highdicom makes the file of one frame with everything that the standard asks for. It refuses cines, which have no place
in space, so the other planes are added here: each refers to its frame's number in the source, and is indexed by
segment and by its place in the stack. The planes' bits go through a file, so that a long cine needs no memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from highdicom import UID
from highdicom.seg import Segmentation, SegmentationTypeValues
from pydicom import Dataset
from pydicom.dataset import FileDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import format_number_as_ds

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.packing import PackedLabels
from napari_adasam.domain.records import Frame, MaskOrigin
from napari_adasam.domain.structures import Structure
from napari_adasam.files.clips import content_id
from napari_adasam.files.exports.dicom_seg_values import emptied, unfit_keywords
from napari_adasam.files.exports.dicom_segments import PROGRAM, Segment, description, program_version, segment_of
from napari_adasam.files.exports.dicom_source import Source, pattern, read_source
from napari_adasam.files.exports.options import Item
from napari_adasam.files.staging import Staging

SERIES_NUMBER = 900
THIN_MM = 0.001
"""Where the source gives no thickness of its planes. Readers insist on one, and a thin one makes no false volume."""
FRAME_CONTENT, IN_STACK_POSITION = 0x00209111, 0x00209057


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """One accepted frame of a source, its labels packed."""

    frame: Frame
    labels: PackedLabels
    origins: Mapping[int, MaskOrigin]

    def tells_of(self, value: int) -> bool:
        """Whether a structure is there or was asked for (:meth:`Annotation.tells_of`); of others nothing is known."""
        return not self.origins or value in self.origins or bool((self.labels.open() == value).any())


class DicomSegFiles:
    """Gathers the frames of each DICOM source, packed, and writes its file when the last one has come.

    Parameters
    ----------
    counts
        Source file to how many of its frames will come.
    names
        Source file to the name of its SEG, without ending.
    key
        See :class:`~napari_adasam.files.exports.options.ExportOptions`.
    """

    def __init__(self, staging: Staging, counts: Mapping[Path, int], names: Mapping[Path, str], key: bytes) -> None:
        self._staging = staging
        self._counts = counts
        self._names = names
        self._key = key
        self._waiting: dict[Path, list[Plane]] = {}

    def add(self, item: Item) -> None:
        """Take one frame; those that do not come from DICOM are passed over. Raises InputError or StorageError."""
        if item.source not in self._counts:
            return
        waiting = self._waiting.setdefault(item.source, [])
        waiting.append(Plane(item.frame, PackedLabels.of(item.annotation.labels), item.annotation.origins))
        if len(waiting) == self._counts[item.source]:
            planes = sorted(self._waiting.pop(item.source), key=lambda plane: plane.frame.index)
            self._write(item.source, planes, item.structures)

    def finish(self) -> None:
        """Nothing is left to do: every file was written with its last frame."""

    def _write(self, path: Path, planes: Sequence[Plane], structures: Sequence[Structure]) -> None:
        source = _checked_source(path, planes)
        values = [segment.structure.value for segment in _segments(planes, structures)]
        with self._staging.scratch() as bits, self._staging.open(f"dicom-seg/{self._names[path]}.dcm") as file:
            write_bits(bits, planes, values)
            try:
                _save(segmentation(source, planes, structures, self._key), bits, file)
            except (OSError, MemoryError):
                raise
            except Exception as error:  # noqa: BLE001 - highdicom and pydicom have many kinds
                why = ", ".join(unfit_keywords(source.header, str(error))) or type(error).__name__
                raise InputError(
                    f"The header of {path.name} cannot be carried over into a DICOM SEG ({why}). "
                    "Export it in another format."
                ) from None  # the error may quote a patient's data


def segmentation(source: Source, planes: Sequence[Plane], structures: Sequence[Structure], key: bytes) -> FileDataset:
    """The SEG of a source without its pixels; planes by segment first, then in the order of ``planes``."""
    segments = _segments(planes, structures)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pydicom and highdicom, about values in the source's header
        one = _of_one_frame(emptied(pattern(source, key)), segments)
    made = FileDataset("", one, file_meta=one.file_meta, preamble=bytes(128))
    _refer(made, source)
    _index_by_stack(made)
    places = [source.place(plane.frame.index) for plane in planes]
    placed = all(len(place) for place in places)
    if placed:
        made.FrameOfReferenceUID = source.header.FrameOfReferenceUID
        made.PositionReferenceIndicator = "" if key else source.header.get("PositionReferenceIndicator", "")
    else:
        made.PatientOrientation = ""
    mould = made.PerFrameFunctionalGroupsSequence[0]
    shared = Dataset()
    measures = _measures(source, planes)
    if measures and all(one == measures[0] for one in measures):
        shared.PixelMeasuresSequence = [measures[0]]
    made.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for at, number in _told(planes, [segment.structure.value for segment in segments]):
        group = _group(mould, source, segments[at].number, number + 1, planes[number].frame.index)
        if measures and "PixelMeasuresSequence" not in shared:
            group.PixelMeasuresSequence = [measures[number]]
        if placed:
            group.update(places[number])
        groups.append(group)
    made.PerFrameFunctionalGroupsSequence = Items(groups)
    made.NumberOfFrames = len(groups)
    return made


def _save(seg: Dataset, bits: IO[bytes], file: IO[bytes]) -> None:
    """Write the SEG with its pixels, which are copied from ``bits`` in pieces."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seg.PixelData = bits
        seg["PixelData"].VR = "OB"
        seg.save_as(file, enforce_file_format=True)


def write_bits(file: IO[bytes], planes: Sequence[Plane], values: Sequence[int]) -> None:
    """Write the planes one bit a pixel, lowest bit first, without gaps between planes; padded to an even length."""
    rest = np.zeros(0, np.bool_)
    for at, number in _told(planes, values):
        flat = np.concatenate([rest, (planes[number].labels.open() == values[at]).ravel()])
        whole = len(flat) // 8 * 8
        file.write(np.packbits(flat[:whole], bitorder="little").tobytes())
        rest = flat[whole:]
    file.write(np.packbits(rest, bitorder="little").tobytes())
    if file.tell() % 2:
        file.write(b"\0")
    file.seek(0)


def _told(planes: Sequence[Plane], values: Sequence[int]) -> list[tuple[int, int]]:
    """Places among ``values`` and ``planes`` of the pairs that are written, in the file's order.

    A structure that nobody was asked for on a frame has no plane there: an empty one would say that it is not there.
    """
    every = [(at, number) for at in range(len(values)) for number in range(len(planes))]
    return [(at, number) for at, number in every if planes[number].tells_of(values[at])] or every


def _checked_source(path: Path, planes: Sequence[Plane]) -> Source:
    source, frame = read_source(path), planes[0].frame
    size = (source.header.get("Rows"), source.header.get("Columns"))
    last = planes[-1].frame.index
    fits = size == (frame.height, frame.width) and last < source.frames
    if not fits or content_id(path) != frame.file_id:
        raise InputError(f"{path.name} is another file than when the session was made; put the original back.")
    return source


def _segments(planes: Sequence[Plane], structures: Sequence[Structure]) -> list[Segment]:
    """One for each structure, whether it is there or not, and for each value without one."""
    present = {int(value) for plane in planes for value in np.unique(plane.labels.open())} - {0}
    values = sorted(present | {structure.value for structure in structures})
    by_hand = (MaskOrigin.DRAWN, MaskOrigin.ABSENT)
    return [
        segment_of(value, structures, number, all(plane.origins.get(value, by_hand[0]) in by_hand for plane in planes))
        for number, value in enumerate(values, start=1)
    ]


def _of_one_frame(header: Dataset, segments: Sequence[Segment]) -> Segmentation:
    """A whole SEG of one empty frame."""
    return Segmentation(
        source_images=[header],
        pixel_array=np.zeros((1, int(header.Rows), int(header.Columns)), np.uint8),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[description(segment) for segment in segments],
        series_instance_uid=UID(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer=PROGRAM,
        manufacturer_model_name=PROGRAM,
        software_versions=program_version(),
        device_serial_number="none",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        content_label="MASKS",
        content_description="Masks, accepted by a person",
        series_description="Masks",
        specific_character_set="ISO_IR 192",
        omit_empty_frames=False,
    )


def _refer(made: Dataset, source: Source) -> None:
    """Give the references the source's own class, in place of the one that the pattern had."""
    for item in made.ReferencedSeriesSequence:
        for one in item.ReferencedInstanceSequence:
            one.ReferencedSOPClassUID = source.header.SOPClassUID


def _index_by_stack(made: Dataset) -> None:
    """Planes of a segment are told apart by their place in a stack: a cine has no other dimension that is certain."""
    organization = made.DimensionOrganizationSequence[0].DimensionOrganizationUID
    item = Dataset()
    item.DimensionOrganizationUID = organization
    item.DimensionIndexPointer = IN_STACK_POSITION
    item.FunctionalGroupPointer = FRAME_CONTENT
    item.DimensionDescriptionLabel = "In-Stack Position Number"
    made.DimensionIndexSequence = [made.DimensionIndexSequence[0], item]


def _group(mould: Dataset, source: Source, segment: int, number: int, index: int) -> Dataset:
    """The functional groups of one plane; ``number`` from 1 in the stack, ``index`` from 0 in the source."""
    group = deepcopy(mould)
    content = group.FrameContentSequence[0]
    content.DimensionIndexValues = [segment, number]
    content.StackID = "1"
    content.InStackPositionNumber = number
    picture = group.DerivationImageSequence[0].SourceImageSequence[0]
    picture.ReferencedSOPClassUID = source.header.SOPClassUID
    if source.multi_frame:
        picture.ReferencedFrameNumber = index + 1
    identification = Dataset()
    identification.ReferencedSegmentNumber = segment
    group.SegmentIdentificationSequence = [identification]
    return group


def _measures(source: Source, planes: Sequence[Plane]) -> list[Dataset]:
    """Pixel measures of every plane; none at all unless the scale of all is known."""
    found = []
    for plane in planes:
        spacing = plane.frame.spacing
        if spacing is None:
            return []
        item = Dataset()
        item.SliceThickness = format_number_as_ds(source.thickness(plane.frame.index) or THIN_MM)
        item.PixelSpacing = [format_number_as_ds(spacing.y_mm), format_number_as_ds(spacing.x_mm)]
        found.append(item)
    return found
