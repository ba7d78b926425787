"""The files of accepted masks: each is named by what it shows, and in which size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_adasam.files.masks import read_mask, write_mask


def test_masks_of_the_same_values_in_another_size_are_other_masks(tmp_path: Path) -> None:
    """As where nothing is outlined on an upright picture and on a broad one."""
    names = [write_mask(tmp_path, np.zeros(shape, np.uint8)) for shape in ((40, 30), (30, 40), (1200, 1), (40, 30))]
    assert [read_mask(tmp_path, name).shape for name in names] == [(40, 30), (30, 40), (1200, 1), (40, 30)]
    assert len(list(tmp_path.iterdir())) == 3
