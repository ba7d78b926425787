"""The formats, each as something that takes frames one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from napari_adasam.files.exports.coco import FILE as COCO_FILE
from napari_adasam.files.exports.coco import CocoFile
from napari_adasam.files.exports.dicom_source import comes_from_dicom
from napari_adasam.files.exports.naming import unique_names
from napari_adasam.files.exports.nifti import NiftiFiles
from napari_adasam.files.exports.options import Item
from napari_adasam.files.exports.overlay import overlay_png
from napari_adasam.files.exports.plan import Plan
from napari_adasam.files.exports.png import mask_png
from napari_adasam.files.exports.rows import FILE as TABLE_FILE
from napari_adasam.files.exports.rows import TableFile
from napari_adasam.files.exports.table import scaled_part
from napari_adasam.files.exports.tiff import TiffFiles
from napari_adasam.files.staging import Staging


class Output(Protocol):
    """One format that is being written."""

    def add(self, item: Item) -> None:
        """Take one frame."""

    def finish(self) -> None:
        """Write what is left, after the last frame."""


@dataclass(frozen=True, slots=True)
class FileEach:
    """A format with a file a frame: its folder, its ending, and what makes the content."""

    staging: Staging
    folder: str
    ending: str
    make: Callable[[Item], bytes]

    def add(self, item: Item) -> None:
        """Write the frame's file."""
        self.staging.write(f"{self.folder}/{item.name}{self.ending}", self.make(item))

    def finish(self) -> None:
        """Nothing is left to do."""


def open_output(name: str, plan: Plan, staging: Staging, files: ExitStack) -> Output:
    """The writer of one format; what it opens is closed with ``files``."""
    if name == "coco":
        return CocoFile(files.enter_context(staging.open(COCO_FILE)), plan.structures)
    if name == "csv":
        return TableFile(files.enter_context(staging.open(TABLE_FILE)), plan)
    if name == "nifti":
        return NiftiFiles(staging, plan)
    if name == "tiff":
        return TiffFiles(staging, plan)
    if name == "dicom-seg":
        return _dicom_seg(plan, staging)
    each: dict[str, tuple[str, str, Callable[[Item], bytes]]] = {
        "png": ("masks", ".png", lambda item: mask_png(item.annotation.labels, item.structures, item.frame.spacing)),
        "overlay": ("overlays", ".png", lambda item: _overlay(item, plan)),
    }
    return FileEach(staging, *each[name])


def _overlay(item: Item, plan: Plan) -> bytes:
    assert plan.pixels is not None  # make_plan refuses
    pixels = plan.pixels(item.frame)
    scan = plan.scan(item.frame) if plan.scan is not None and plan.extras.blank_outside else None
    if scan is not None:
        pixels = np.where(scan if pixels.ndim == 2 else scan[..., None], pixels, np.zeros((), pixels.dtype))
    frame = item.frame
    return overlay_png(pixels, item.annotation.labels, item.structures, frame.spacing, scaled_part(frame))


def _dicom_seg(plan: Plan, staging: Staging) -> Output:
    from napari_adasam.files.exports.dicom_seg import DicomSegFiles  # needs an extra, and takes a second to import

    paths = {path: comes_from_dicom(path) for path in dict.fromkeys(frame.path for frame in plan.sources)}
    counts = Counter(Path(frame.path) for frame in plan.sources if paths[frame.path])
    names = unique_names({one.path: plan.file_stem(one) for one in plan.sources if paths[one.path]}.items())
    return DicomSegFiles(staging, counts, {Path(path): name for path, name in names.items()}, plan.key)
