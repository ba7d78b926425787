"""Small pictures for the tests of the readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from napari_adasam.files.readers import open_paths

GREY = np.arange(40 * 30, dtype=np.uint32).reshape(40, 30)
GREY8 = (GREY % 251).astype(np.uint8)
GREY16 = (GREY * 50).astype(np.uint16)
COLOUR = np.stack([GREY8, GREY8[::-1], GREY8[:, ::-1]], axis=-1)


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]
    return path


def sentence(path: Path) -> str:
    """The one problem of a path that cannot be used."""
    result = open_paths([path])
    assert not result.clips
    assert len(result.problems) == 1
    assert "\n" not in result.problems[0]
    assert result.problems[0].endswith(".")
    return result.problems[0]
