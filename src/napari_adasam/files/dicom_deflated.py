"""DICOM files that are deflated as a whole, made into plain ones in memory, up to a limit."""

from __future__ import annotations

from pathlib import Path

from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_file_meta_info, read_preamble
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from napari_adasam.domain.errors import InputError
from napari_adasam.files.unpacking import inflate

MOST_INFLATED = 256_000_000
"""A deflated file is in memory whole: one that unpacks to more bytes is not read."""
PREAMBLE = 132
GROUP_LENGTH = 12
"""Bytes of the element that gives the length of the file's meta group."""


def inflated(path: Path) -> bytes | None:
    """The file as one that is not deflated; ``None`` if it is not deflated.

    Raises
    ------
    InputError
        If it unpacks to more than the limit.
    InvalidDicomError
        If it is no DICOM file.
    """
    with path.open("rb") as file:
        read_preamble(file, False)
    meta = read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return None
    with path.open("rb") as file:
        file.seek(PREAMBLE + GROUP_LENGTH + int(meta.FileMetaInformationGroupLength))
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
