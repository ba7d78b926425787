"""DICOM files that are deflated as a whole, made into plain ones in memory, up to a limit."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset, read_preamble
from pydicom.filewriter import write_file_meta_info
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from napari_adasam.domain.errors import InputError
from napari_adasam.files.unpacking import BoundedFile, inflate

MOST_INFLATED = 256_000_000
"""A deflated file is in memory whole: one that unpacks to more bytes is not read."""
META_GROUP = 2


def inflated(path: Path) -> bytes | None:
    """The file as one that is not deflated; ``None`` if it is not deflated.

    Raises
    ------
    InputError
        If it unpacks to more than the limit.
    InvalidDicomError
        If it is no DICOM file.
    """
    with BoundedFile(path) as file:
        read_preamble(file, False)
        meta = FileMetaDataset(read_dataset(file, False, True, stop_when=_behind_meta))
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return None
        packed = file.read()
    try:
        content = inflate(packed, MOST_INFLATED)
    except OverflowError as error:
        raise InputError(
            f"{path.name} unpacks to more than {MOST_INFLATED // 1_000_000} million bytes; save it without deflate."
        ) from error
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header = DicomBytesIO()
    header.is_little_endian, header.is_implicit_VR = True, False
    write_file_meta_info(header, meta)
    return b"".join((bytes(128), b"DICM", header.getvalue(), content))


def _behind_meta(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag.group != META_GROUP
