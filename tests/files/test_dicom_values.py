"""Grey values of DICOM files as they are measured, where others are shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_pictures import picture, saved
from pictures import GREY
from pydicom.uid import RLELossless

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


def test_where_white_is_zero_it_is_the_white_of_the_bits_that_are_stored(tmp_path: Path) -> None:
    grey = GREY.astype(np.uint16)
    dataset = picture(grey, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    assert np.array_equal(open_file(saved(tmp_path / "a.dcm", dataset)).read(0), 4095 - grey)


def test_frames_of_a_packed_file_that_was_saved_again_are_found_where_they_are_now(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (3, *GREY.shape), dtype=np.uint8)
    black, packed = picture(np.zeros_like(noise), 3), picture(noise, 3)
    for dataset in (black, packed):
        dataset.compress(RLELossless)
    clip = open_file(saved(tmp_path / "cine.dcm", black))
    saved(tmp_path / "cine.dcm", packed)
    assert np.array_equal(np.stack([clip.read(index) for index in range(3)]), noise)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "RLE"])
@pytest.mark.parametrize("junk", [0, 7], ids=["empty", "used"])
def test_bits_below_the_values_are_left_out(tmp_path: Path, packed: bool, junk: int) -> None:
    values = (GREY * 3).astype(np.uint16)
    dataset = picture((values << 4) | junk, BitsStored=12, HighBit=15)
    if packed:
        dataset.compress(RLELossless)
    clip = open_file(saved(tmp_path / "a.dcm", dataset))
    assert np.array_equal(clip.read(0), values)
    assert clip.frames[0].bits == 12
    assert clip.grey(0).max() == 224  # 255 · 3597 / 4095


def test_bits_below_values_of_either_sign_are_left_out(tmp_path: Path) -> None:
    clip = open_file(saved(tmp_path / "a.dcm", picture(SIGNED << 4, BitsStored=12, HighBit=15)))
    assert np.array_equal(clip.levels(0), SIGNED)
    assert np.array_equal(clip.read(0), SIGNED + 2048), "shown from 0 on, as so many bits can be"


@pytest.mark.parametrize("high", [0, 6, 20])
def test_a_highest_bit_that_cannot_be_is_not_heeded(tmp_path: Path, high: int) -> None:
    clip = open_file(saved(tmp_path / "a.dcm", picture(GREY.astype(np.uint16), HighBit=high)))
    assert np.array_equal(clip.read(0), GREY)
