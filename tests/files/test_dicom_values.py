"""Grey values of DICOM files as they are measured, where others are shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_pictures import picture, saved
from pictures import GREY

from napari_adasam.files.readers import open_file

SIGNED = (GREY.astype(np.int16) - 600).reshape(40, 30)


@pytest.mark.parametrize("kind", [np.int16, np.int32], ids=["16 bits", "32 bits"])
def test_values_below_0_are_measured_as_the_file_has_them(tmp_path: Path, kind: type[np.generic]) -> None:
    clip = open_file(saved(tmp_path / "a.dcm", picture(SIGNED.astype(kind))))
    assert np.array_equal(clip.levels(0), SIGNED)
    assert clip.read(0).dtype == np.uint16


def test_large_values_are_measured_as_the_file_has_them(tmp_path: Path) -> None:
    values = np.stack([GREY * 5000, GREY * 2500])
    clip = open_file(saved(tmp_path / "a.dcm", picture(values, 2)))
    assert all(np.array_equal(clip.levels(index), values[index]) for index in range(2))


def test_where_white_is_zero_brightness_is_measured(tmp_path: Path) -> None:
    grey = GREY.astype(np.uint16)
    dataset = picture(grey, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(open_file(saved(tmp_path / "a.dcm", dataset)).levels(0), 65535 - grey)
