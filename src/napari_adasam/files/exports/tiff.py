"""Masks as TIFF that ImageJ opens at scale: a file a frame, or one file a stack where the frames come from one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from os import SEEK_END
from pathlib import Path
from typing import IO, Any

import numpy as np
import tifffile

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.packing import PackedLabels
from napari_adasam.domain.records import Along, Frame, Labels, Spacing
from napari_adasam.domain.structures import Structure
from napari_adasam.files.exports.naming import as_path, unique_names
from napari_adasam.files.exports.options import Item
from napari_adasam.files.exports.plan import Plan
from napari_adasam.files.exports.png import facts_json
from napari_adasam.files.staging import Staging

TIFF = (".tif", ".tiff")


class TiffFiles:
    """Writes frames as they come, and each stack with its last accepted frame; its other pages are 0."""

    def __init__(self, staging: Staging, plan: Plan) -> None:
        self._staging = staging
        paged = {frame.id: frame for frame in plan.sources if is_page(frame)}
        self._pages: dict[str, list[str]] = {}
        for frame in paged.values():
            self._pages.setdefault(frame.path, []).append(frame.id)
        flat = [(frame.id, plan.names[frame.id]) for frame in plan.sources if frame.id not in paged]
        stems = {frame.path: plan.file_stem(frame) for frame in paged.values()}
        self._names = unique_names([*flat, *stems.items()])
        self._stacks: dict[Path, dict[int, PackedLabels]] = {}

    def add(self, item: Item) -> None:
        """Take one frame."""
        if item.frame.id not in self._pages.get(str(item.source), ()):
            content = mask_tiff(item.annotation.labels, item.frame.spacing, item.structures)
            self._staging.write(f"masks/{self._names[item.frame.id]}.tif", content)
            return
        pages = self._stacks.setdefault(item.source, {})
        pages[item.frame.index] = PackedLabels.of(item.annotation.labels)
        if len(pages) == len(self._pages[str(item.source)]):
            with self._staging.open(f"masks/{self._names[str(item.source)]}.tif") as file:
                write_stack(file, self._stacks.pop(item.source), item.frame, item.structures)

    def finish(self) -> None:
        """Nothing is left to do: every stack was written with its last frame."""


def is_page(frame: Frame) -> bool:
    """Whether a frame is a page of a TIFF of several, which its mask goes back to. Raises InputError if it is gone."""
    if frame.id == frame.file_id or not frame.path.lower().endswith(TIFF):
        return False
    if frame.stack is None:
        raise InputError(
            f"{as_path(frame.path).name} cannot be read, so its masks cannot be put back into a stack; put it back."
        )
    return True


def mask_tiff(labels: Labels, spacing: Spacing | None = None, structures: Sequence[Structure] = ()) -> bytes:
    """The ImageJ TIFF file of a label image (height, width) uint8, with pixels per mm where the scale is known.

    The structures' names stand in what ImageJ shows as "Info".
    """
    file = BytesIO()
    metadata = {"axes": "YX", **_facts(int(labels.max(initial=0)), spacing, structures)}
    tifffile.imwrite(file, labels, imagej=True, metadata=metadata, resolution=_resolution(spacing), compression="zlib")
    return file.getvalue()


def write_stack(
    file: IO[bytes], pages: Mapping[int, PackedLabels], frame: Frame, structures: Sequence[Structure]
) -> None:
    """Write the label images of a stack, one a page of its source, in the source's order; those not given are 0.

    Depth, time or neither, and the distance of slices, are those of the source, told by any ``frame`` of it. The file
    is read and written.
    """
    assert frame.stack is not None
    stack, shape = frame.stack, (frame.height, frame.width)
    greatest = max(int(labels.open().max(initial=0)) for labels in pages.values())
    metadata = {"axes": "ZYX" if stack.along is Along.DEPTH else "TYX", **_facts(greatest, frame.spacing, structures)}
    if stack.step_mm is not None and frame.spacing is not None:
        metadata["spacing"] = stack.step_mm
    empty = np.zeros(shape, np.uint8)

    def each() -> Iterator[Labels]:
        for index in range(stack.count):
            yield pages[index].open() if index in pages else empty

    tifffile.imwrite(
        file,
        each(),
        shape=(stack.count, *shape),
        dtype=np.uint8,
        imagej=True,
        metadata=metadata,
        resolution=_resolution(frame.spacing),
        compression="zlib",
    )
    if stack.along is Along.UNKNOWN:
        _take_moments_back(file)


def _take_moments_back(file: IO[bytes]) -> None:
    """Let ImageJ's words only say how many frames there are: whether they are moments is not known of the source."""
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        tag = tiff.pages.first.tags["ImageDescription"]
        file.seek(tag.valueoffset)
        words = file.read(tag.valuebytecount)
        file.seek(tag.valueoffset)
        file.write(words.replace(b"\nframes=", b"\nimages="))
        file.seek(0, SEEK_END)


def _facts(greatest: int, spacing: Spacing | None, structures: Sequence[Structure]) -> dict[str, Any]:
    known = {} if spacing is None else {"unit": "mm"}
    return {"min": 0.0, "max": float(max(greatest, 1)), "Info": facts_json(structures, spacing), **known}


def _resolution(spacing: Spacing | None) -> tuple[float, float] | None:
    return None if spacing is None else (1 / spacing.x_mm, 1 / spacing.y_mm)
