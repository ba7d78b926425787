"""Masks as indexed PNG: pixel values are the structures' values, colours those of the screen."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from napari_adasam.domain.records import Labels
from napari_adasam.domain.structures import PALETTE, Structure


def mask_png(labels: Labels, structures: Sequence[Structure] = ()) -> bytes:
    """The PNG file of a label image (height, width) uint8; background black, values in their structures' colours."""
    colours = {structure.value: structure.color for structure in structures}
    table = [0, 0, 0]
    for value in range(1, 256):
        colour = colours.get(value, PALETTE[(value - 1) % len(PALETTE)])
        table += [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    image = Image.fromarray(labels)
    image.putpalette(table)
    file = BytesIO()
    image.save(file, "PNG", optimize=False)
    return file.getvalue()
