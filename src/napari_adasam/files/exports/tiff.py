"""Masks as TIFF that ImageJ opens at scale."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import tifffile

from napari_adasam.domain.records import Labels, Spacing
from napari_adasam.domain.structures import Structure
from napari_adasam.files.exports.png import facts_json


def mask_tiff(labels: Labels, spacing: Spacing | None = None, structures: Sequence[Structure] = ()) -> bytes:
    """The ImageJ TIFF file of a label image (height, width) uint8, with pixels per mm where the scale is known.

    The structures' names stand in what ImageJ shows as "Info".
    """
    metadata: dict[str, Any] = {
        "axes": "YX",
        "min": 0.0,
        "max": float(max(int(labels.max(initial=0)), 1)),
        "Info": facts_json(structures, spacing),
    }
    resolution = None
    if spacing is not None:
        metadata["unit"] = "mm"
        resolution = (1 / spacing.x_mm, 1 / spacing.y_mm)
    file = BytesIO()
    tifffile.imwrite(file, labels, imagej=True, metadata=metadata, resolution=resolution, compression="zlib")
    return file.getvalue()
