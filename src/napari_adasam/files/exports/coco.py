"""Masks as COCO instances in one JSON file: run lengths, so that holes and parts are exact.

The run lengths of a mask count its pixels down the columns, background first, and are written in COCO's compressed
form (Lin et al. 2014, "Microsoft COCO"): from the third on as differences to the count before the last, in groups of
five bits with a sixth for "more follow", each plus 48 as an ASCII character.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from napari_adasam.domain.records import Mask
from napari_adasam.domain.structures import Structure
from napari_adasam.files.exports.options import Item

FILE = "coco.json"


class CocoFile:
    """Writes the file as the frames come; only the list of images is kept until the end."""

    def __init__(self, file: IO[bytes], structures: Sequence[Structure]) -> None:
        self._file = file
        self._images: list[dict[str, Any]] = []
        self._names = {structure.value: structure.name for structure in structures}
        self._count = 0
        file.write(b'{"info": {"description": "napari-adasam"},\n"annotations": [')

    def add(self, item: Item) -> None:
        """Add one frame: an annotation for each structure that is there."""
        labels, frame = item.annotation.labels, item.frame
        spacing = frame.spacing
        self._images.append(
            {
                "id": len(self._images) + 1,
                "file_name": frame.path or item.name,
                "frame": frame.index,
                "name": item.name,
                "height": frame.height,
                "width": frame.width,
                "pixel_size_mm": None if spacing is None else [spacing.y_mm, spacing.x_mm],
                "scale_source": "none" if spacing is None else spacing.source,
            }
        )
        for value in (int(one) for one in np.unique(labels) if one):
            self._names.setdefault(value, f"value {value}")
            self._count += 1
            one = _annotation(labels == value, self._count, len(self._images), value)
            self._file.write((",\n" if self._count > 1 else "\n").encode() + _json(one))

    def finish(self) -> None:
        """Write the images and categories, and end the file."""
        names = [{"id": value, "name": name, "supercategory": ""} for value, name in sorted(self._names.items())]
        self._file.write(b'],\n"images": ' + _json(self._images) + b',\n"categories": ' + _json(names) + b"}\n")


def run_lengths(mask: Mask) -> list[int]:
    """Lengths of the runs of a mask (height, width), down the columns, the first one of background (it may be 0)."""
    flat = np.concatenate([[False], mask.ravel(order="F"), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff(np.concatenate([[0], edges, [mask.size]]))
    return [int(count) for count in (counts if counts[-1] else counts[:-1])]


def compressed(counts: Sequence[int]) -> str:
    """Run lengths in COCO's compressed form."""
    text = []
    for place, count in enumerate(counts):
        rest = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            bits, rest = rest & 0x1F, rest >> 5
            more = rest != (-1 if bits & 0x10 else 0)
            text.append(chr((bits | 0x20 if more else bits) + 48))
    return "".join(text)


def _annotation(mask: Mask, number: int, image: int, value: int) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    return {
        "id": number,
        "image_id": image,
        "category_id": value,
        "segmentation": {"size": [height, width], "counts": compressed(run_lengths(mask))},
        "area": int(mask.sum()),
        "bbox": [int(columns[0]), int(rows[0]), int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1],
        "iscrowd": 0,
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
