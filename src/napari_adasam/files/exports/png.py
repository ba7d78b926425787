"""Masks as indexed PNG: pixel values are the structures' values, colours those of the screen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO

from PIL import Image, PngImagePlugin

from napari_adasam.domain.records import Labels, Spacing
from napari_adasam.domain.structures import PALETTE, Structure

TEXT = "napari-adasam"
"""The text field with names and scale."""


def mask_png(labels: Labels, structures: Sequence[Structure] = (), spacing: Spacing | None = None) -> bytes:
    """The PNG file of a label image (height, width) uint8; background black, values in their structures' colours.

    Names and scale stand in a text field (:func:`facts_json`), because PNG has none of its own for them.
    """
    colours = {structure.value: structure.color for structure in structures}
    table = [0, 0, 0]
    for value in range(1, 256):
        table += rgb(colours.get(value, PALETTE[(value - 1) % len(PALETTE)]))
    image = Image.fromarray(labels)
    image.putpalette(table)
    info = PngImagePlugin.PngInfo()
    info.add_itxt(TEXT, facts_json(structures, spacing))
    file = BytesIO()
    image.save(file, "PNG", optimize=False, pnginfo=info)
    return file.getvalue()


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of "#rrggbb"."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return red, green, blue


def facts_json(structures: Sequence[Structure], spacing: Spacing | None) -> str:
    """Names and scale as one line: ``{"structures": {"1": …}, "pixel_size_mm": [y, x] or null, "scale_source": …}``."""
    facts = {
        "structures": {str(structure.value): structure.name for structure in structures},
        "pixel_size_mm": None if spacing is None else [spacing.y_mm, spacing.x_mm],
        "scale_source": "none" if spacing is None else spacing.source,
    }
    return json.dumps(facts, ensure_ascii=False)
