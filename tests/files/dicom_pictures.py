"""Small DICOM files for the tests of the reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage, generate_uid

GREY = (np.arange(40 * 30) % 251).astype(np.uint8).reshape(40, 30)


def region(**changes: Any) -> Dataset:
    """A sound two-dimensional region of 0.08 × 0.05 mm a pixel over the whole of a 40 × 30 picture."""
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType = 1, 1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.RegionLocationMinX0, item.RegionLocationMinY0 = 0, 0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = 29, 39
    item.PhysicalDeltaX, item.PhysicalDeltaY = 0.005, 0.008
    for name, value in changes.items():
        delattr(item, name) if value is None else setattr(item, name, value)
    return item


def picture(pixels: np.ndarray | None = GREY, frames: int = 1, **tags: Any) -> FileDataset:
    """An ultrasound DICOM of (height, width), (height, width, 3), or frames of these."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = UltrasoundImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.Modality = "US"
    dataset.PatientName = "Nobody^At^All"
    if pixels is not None:
        shape = pixels.shape[1:] if frames > 1 else pixels.shape
        dataset.Rows, dataset.Columns = shape[:2]
        dataset.SamplesPerPixel = 3 if len(shape) == 3 else 1
        dataset.PhotometricInterpretation = "RGB" if len(shape) == 3 else "MONOCHROME2"
        if len(shape) == 3:
            dataset.PlanarConfiguration = 0
        dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
        if frames > 1:
            dataset.NumberOfFrames = frames
        dataset.PixelData = pixels.tobytes()
        dataset["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    for name, value in tags.items():
        setattr(dataset, name, value)
    return dataset


def saved(path: Path, dataset: FileDataset) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path
