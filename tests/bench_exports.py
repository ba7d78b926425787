"""How long an export of many masks takes, and how much memory: ``python tests/bench_exports.py``.

Each format is exported in a process of its own, from annotations that are packed as in a session. Masks are 600 × 800
pixels with two structures of irregular outline. DICOM SEG comes from one cine of all frames; overlays and the table
draw or measure on grey pictures that are made up when they are asked for. The memory is the process's greatest
resident size, for a tenth of the masks and for all of them: what grows with the number of masks shows in the two.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

from napari_adasam.domain.export_formats import FORMATS
from napari_adasam.domain.packing import PackedAnnotation, PackedAnnotations
from napari_adasam.domain.records import Annotation, Frame, MaskOrigin, Spacing
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.files.clips import content_id
from napari_adasam.files.exports import ExportOptions, export

HEIGHT, WIDTH = 600, 800
SPACING = Spacing(0.08, 0.08, "by hand")


def labels(seed: int, number: int) -> NDArray[np.uint8]:
    """A belly between two wavy borders, and the borders themselves."""
    rng = np.random.default_rng((seed, number))
    steps = np.cumsum(rng.normal(0, 0.8, (2, WIDTH)), axis=1)
    upper, lower = 180 + steps[0], 380 + steps[1]
    rows = np.arange(HEIGHT)[:, None]
    found = ((rows > upper) & (rows < lower)).astype(np.uint8)
    found[(abs(rows - upper) < 5) | (abs(rows - lower) < 5)] = 2
    return found


def cine(path: Path, frames: int) -> Path:
    """An uncompressed grey cine, written a frame at a time."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = UltrasoundMultiFrameImageStorage, generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.Modality = generate_uid(), generate_uid(), "US"
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = HEIGHT, WIDTH, frames
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    with tempfile.TemporaryFile() as pixels:
        for number in range(frames):
            pixels.write(np.full((HEIGHT, WIDTH), number % 251, np.uint8).tobytes())
        pixels.seek(0)
        dataset.PixelData = pixels
        dataset["PixelData"].VR = "OB"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(path, enforce_file_format=True)
    return path


def annotated(frames: list[Frame], seed: int) -> Iterator[tuple[str, PackedAnnotation]]:
    for number, frame in enumerate(frames):
        origins = {1: MaskOrigin.CORRECTED, 2: MaskOrigin.DRAWN}
        made = Annotation(frame.id, labels(seed, number), origins, {1: 0.1, 2: 1.0}, 10.0, "m")
        yield frame.id, PackedAnnotation.of(made)


def measure(name: str, masks: int, seed: int) -> dict[str, Any]:
    """Export once in this process."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "cine.dcm")
        key = content_id(cine(source, masks)) if name == "dicom-seg" else "0" * 16
        frames = [
            Frame(f"{key}-{number}", str(source), number, HEIGHT, WIDTH, f"cine_{number:04d}", SPACING)
            for number in range(masks)
        ]
        annotations = PackedAnnotations(dict(annotated(frames, seed)))
        grey = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
        options = ExportOptions((name,), pixels=lambda frame: grey)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began, used = time.perf_counter(), time.process_time()
        report = export(annotations, frames, MUSCLE_PRESET, Path(folder, "out"), options)
        return {
            "format": name,
            "masks": masks,
            "seconds": round(time.perf_counter() - began, 1),
            "cpu_seconds": round(time.process_time() - used, 1),
            "mb": round(sum(path.stat().st_size for path in report.files) / 1e6, 1),
            "memory_before_mb": before // 1024,
            "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--masks", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", choices=FORMATS, help="in this process; all, each in one of its own, if not given")
    options = parser.parse_args()
    if options.format:
        print(json.dumps(measure(options.format, options.masks, options.seed)))  # noqa: T201
        return
    for name in FORMATS:
        for masks in (max(1, options.masks // 10), options.masks):
            command = [sys.executable, __file__, "--format", name, "--masks", str(masks), "--seed", str(options.seed)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
