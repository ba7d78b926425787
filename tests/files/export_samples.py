"""Frames, annotations and files for the tests of the exporters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from dicom_pictures import picture, region, saved
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import generate_uid

from napari_adasam.domain.records import Annotation, Frame, MaskOrigin, Spacing
from napari_adasam.domain.structures import MUSCLE_PRESET, Structure
from napari_adasam.files.exports import ExportOptions, ExportReport, export
from napari_adasam.files.readers import Clip, open_file

KEY = bytes(range(32))
STRUCTURES = (*MUSCLE_PRESET, Structure(5, "Fäscia 筋膜"))
SPACING = Spacing(0.08, 0.05, "by hand")


def labels_of(seed: int, height: int = 40, width: int = 30) -> NDArray[np.uint8]:
    """Parts, holes and single pixels of the values 0, 1, 2 and 5; every third seed has nothing."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((height, width), np.uint8)
    if seed % 3 != 2:
        labels[5:20, 4:25] = 1
        labels[9:13, 8:12] = 0
        labels[25:27, 2:28] = labels[30:32, 2:28] = 2
        labels[0, 0] = labels[-1, -1] = 5
        labels[rng.random(labels.shape) < 0.02] = 5
    return labels


def annotation(frame: Frame, labels: NDArray[np.uint8]) -> Annotation:
    origins = {1: MaskOrigin.CORRECTED, 2: MaskOrigin.DRAWN, 5: MaskOrigin.SUGGESTED}
    return Annotation(frame.id, labels, origins, {1: 0.25}, 3.5, "m1")


def plain_frame(key: str, spacing: Spacing | None = SPACING, **fields: Any) -> Frame:
    return Frame(key, f"/exams/{key}.png", 0, 40, 30, key, spacing, **fields)


def write(
    folder: Path, taken: list[Frame], formats: tuple[str, ...], **options: Any
) -> tuple[ExportReport, dict[str, NDArray[np.uint8]]]:
    """Export frames with labels of their own; gives the labels by frame id too."""
    labels = {frame.id: labels_of(number, frame.height, frame.width) for number, frame in enumerate(taken)}
    annotations = {frame.id: annotation(frame, labels[frame.id]) for frame in taken}
    return export(annotations, taken, STRUCTURES, folder, ExportOptions(formats, **options)), labels


def us_dicom(path: Path, frames: int = 1, **tags: Any) -> Clip:
    """An ultrasound DICOM with identifiers and a region of 0.08 × 0.05 mm a pixel, opened."""
    pixels = np.arange(frames * 40 * 30, dtype=np.uint32).reshape(frames, 40, 30).astype(np.uint8)
    kind = "1.2.840.10008.5.1.4.1.1.3.1" if frames > 1 else "1.2.840.10008.5.1.4.1.1.6.1"
    own = {"SOPClassUID": kind, "SOPInstanceUID": generate_uid(), "StudyInstanceUID": generate_uid()}
    own |= {"SeriesInstanceUID": generate_uid(), "SequenceOfUltrasoundRegions": [region()]}
    dataset = picture(pixels if frames > 1 else pixels[0], frames, **(own | tags))
    dataset.file_meta.MediaStorageSOPClassUID = kind
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return open_file(saved(path, dataset))


def png_facts(path: Path) -> dict[str, Any]:
    with Image.open(path) as image:
        found: dict[str, Any] = json.loads(image.text["napari-adasam"])
    return found
