"""Masks as TIFF that ImageJ opens at scale."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import tifffile

from napari_adasam.domain.records import Labels, Spacing


def mask_tiff(labels: Labels, spacing: Spacing | None = None) -> bytes:
    """The ImageJ TIFF file of a label image (height, width) uint8, with pixels per mm where the scale is known."""
    metadata: dict[str, Any] = {"axes": "YX", "min": 0.0, "max": float(max(int(labels.max(initial=0)), 1))}
    resolution = None
    if spacing is not None:
        metadata["unit"] = "mm"
        resolution = (1 / spacing.x_mm, 1 / spacing.y_mm)
    file = BytesIO()
    tifffile.imwrite(file, labels, imagej=True, metadata=metadata, resolution=resolution, compression="zlib")
    return file.getvalue()
