"""Colours of DICOM pictures whose values are places in a table.

pydicom looks them up by itself, but takes the size of an entry for that of a place, and refuses tables that are padded
or of 12 bits. Only tables in segments are left to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import UID

COLOURS = ("Red", "Green", "Blue")
BYTE, WORD = 255, 65535


def coloured(values: NDArray[Any], dataset: Dataset) -> NDArray[np.uint8]:
    """Stored values (height, width) as RGB (height, width, 3); of deeper colours the upper eight bits."""
    if "RedPaletteColorLookupTableData" not in dataset:
        return _upper_byte(apply_color_lut(values, dataset)[..., :3], int(_descriptor(dataset)[2]))
    entries, first, bits = _descriptor(dataset)
    table = np.stack([_entries(dataset, colour, entries) for colour in COLOURS], axis=-1)
    places = np.clip(values.astype(np.int64) - first, 0, len(table) - 1)
    return _upper_byte(table, bits)[places]


def _descriptor(dataset: Dataset) -> tuple[int, int, int]:
    """How many entries there are, the value that the first one is for, and the bits of an entry."""
    entries, first, bits = (int(part) for part in dataset.RedPaletteColorLookupTableDescriptor)
    return entries or WORD + 1, first, bits


def _entries(dataset: Dataset, colour: str, entries: int) -> NDArray[np.uint16]:
    """One column of the table, packed or as numbers; its length says whether packed entries are bytes or words."""
    packed = dataset[f"{colour}PaletteColorLookupTableData"].value
    if not isinstance(packed, bytes):
        return np.asarray(packed, np.uint16)[:entries]
    order = "<" if UID(dataset.file_meta.TransferSyntaxUID).is_little_endian else ">"
    kind = f"{order}u2" if len(packed) >= 2 * entries else "u1"
    return np.frombuffer(packed, kind, entries).astype(np.uint16)


def _upper_byte(colours: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Values of as many bits as they are said to have, or as they need, as bytes.

    Bytes in words stay as they are, whatever is said of them.
    """
    greatest = int(colours.max())
    depth = max(bits, greatest.bit_length()) if greatest > BYTE else 8
    return np.asarray(colours >> (depth - 8 if depth <= 16 else 8), np.uint8)
