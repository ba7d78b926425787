"""What a DICOM SEG takes from the file whose pictures it outlines: references, patient and study, place in space."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.lazily import Lazily
from napari_adasam.files.clips import broken
from napari_adasam.files.dicom_marks import ENDINGS, is_dicom
from napari_adasam.files.exports.naming import pseudonym

if TYPE_CHECKING:
    import pydicom
    from pydicom import Dataset
else:
    pydicom = Lazily("pydicom")

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".nii", ".gz", ".avi", ".mp4")
DEFERRED_BYTES = 65536
TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
    "StudyTime", "ReferringPhysicianName",
)  # fmt: skip
"""What a SEG must have, though it may be empty."""
PLACES = ("FrameOfReferenceUID", "PositionReferenceIndicator")
MULTI = ("NumberOfFrames", "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
METHOD = "napari-adasam: patient and study emptied; not certified"


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """The header of one DICOM file."""

    path: Path
    header: Dataset = field(repr=False)

    @property
    def frames(self) -> int:
        """How many pictures it holds."""
        return max(1, int(self.header.get("NumberOfFrames") or 1))

    @property
    def multi_frame(self) -> bool:
        """Whether its pictures are referred to by number."""
        return "NumberOfFrames" in self.header

    def place(self, index: int) -> Dataset:
        """The functional groups that say where in space a picture lies; empty where the file does not say it.

        Both position and orientation, or neither: one without the other places nothing.
        """
        found = pydicom.Dataset()
        for name, attribute in (
            ("PlanePositionSequence", "ImagePositionPatient"),
            ("PlaneOrientationSequence", "ImageOrientationPatient"),
        ):
            holder = next((one[name].value[0] for one in self._groups(index) if one.get(name)), None)
            if holder is None and not self.multi_frame:
                holder = self.header
            if holder is not None and holder.get(attribute):
                item = pydicom.Dataset()  # with nothing else that may stand beside it
                setattr(item, attribute, holder[attribute].value)
                setattr(found, name, [item])
        return found if len(found) == 2 and "FrameOfReferenceUID" in self.header else pydicom.Dataset()

    def thickness(self, index: int) -> float:
        """Thickness of a picture's plane in mm; 0 where the file does not say it."""
        for holder in self._groups(index):
            if holder.get("PixelMeasuresSequence"):
                return float(holder.PixelMeasuresSequence[0].get("SliceThickness") or 0)
        return float(self.header.get("SliceThickness") or 0)

    def _groups(self, index: int) -> list[Dataset]:
        per_frame: Sequence[Dataset] = self.header.get("PerFrameFunctionalGroupsSequence") or []
        shared: Sequence[Dataset] = self.header.get("SharedFunctionalGroupsSequence") or []
        return [*per_frame[index : index + 1], *shared[:1]]


def comes_from_dicom(path: str) -> bool:
    """Whether a frame's file is DICOM; files without a telling ending are looked into."""
    suffix = Path(path).suffix.lower()
    return suffix in ENDINGS or (suffix not in PICTURE_ENDINGS and is_dicom(Path(path)))


def read_source(path: Path) -> Source:
    """Read the header of a DICOM file. Raises InputError if it is gone, broken, or has no identifiers to refer to."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, stop_before_pixels=True, defer_size=DEFERRED_BYTES)
            missing = [name for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
                       if not header.get(name)]  # fmt: skip
    except Exception as error:
        raise InputError(broken(path, error)) from error
    if missing:
        raise InputError(f"{path.name} has no {missing[0]}, without which a DICOM SEG cannot refer to it.")
    return Source(path, header)


def pattern(source: Source, key: bytes) -> Dataset:
    """The header that a SEG of one picture can be made from: single-frame, without a place in space.

    With a key it has nothing of patient and study but a pseudonym and the identifiers (UIDs) that references need.
    The class is that of ultrasound whatever the source's is, because retired classes have no rules to look up.
    """
    found = source.header
    if key:
        made = pydicom.Dataset()
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "Rows", "Columns", "Modality"):
            setattr(made, name, found.get(name))
        alias = pseudonym(key, _person(found))
        made.PatientName, made.PatientID = f"subject^{alias}", f"subject_{alias}"
        made.PatientIdentityRemoved = "YES"
        made.DeidentificationMethod = METHOD
        made.LongitudinalTemporalInformationModified = "REMOVED"
    else:
        made = deepcopy(found)
        for name in (*MULTI, *PLACES, "ImagePositionPatient", "ImageOrientationPatient"):
            if name in made:
                delattr(made, name)
    for name in ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        if name in found:
            made[name] = found[name]
    for name in TYPE_2:
        if made.get(name) is None:
            setattr(made, name, "")
    made.SOPClassUID = pydicom.uid.UltrasoundImageStorage
    return made


def _person(header: Dataset) -> str:
    """What tells one participant from another, for the pseudonym: the same one in all of their files."""
    return str(header.get("PatientID") or header.get("PatientName") or header.StudyInstanceUID)
