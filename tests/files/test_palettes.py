"""Pictures whose values are places in a table of colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from dicom_pictures import picture, saved
from pictures import GREY8
from pydicom import dcmwrite
from pydicom.uid import ExplicitVRBigEndian

from napari_adasam.files.readers import open_file

COLOURS = ("Red", "Green", "Blue")


def tables(entries: int, greatest: int) -> np.ndarray:
    """(3, entries) values of red, green and blue, up to the greatest."""
    return np.random.default_rng(0).integers(0, greatest, (3, entries), endpoint=True)


def palette(values: np.ndarray, bits: int, first: int, kind: str) -> dict[str, Any]:
    tags: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, table in zip(COLOURS, values, strict=True):
        packed = table.astype(kind).tobytes()
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [values.shape[1], first, bits]
        tags[f"{name}PaletteColorLookupTableData"] = packed + bytes(len(packed) % 2)
    return tags


def shown(path: Path, stored: np.ndarray, tags: dict[str, Any]) -> np.ndarray:
    return open_file(saved(path, picture(stored, **tags))).read(0)


@pytest.mark.parametrize(
    "table",
    [
        (256, 16, 65535, "<u2", 8),
        (256, 8, 255, "u1", 0),
        (256, 8, 255, "<u2", 0),
        (256, 16, 255, "<u2", 0),
        (256, 8, 65535, "<u2", 8),
        (255, 8, 255, "u1", 0),
        (256, 12, 4095, "<u2", 4),
    ],
    ids=["16 bits", "8 bits", "8 bits in words", "8 bits said to be 16", "16 said to be 8", "odd", "12 bits"],
)
@pytest.mark.parametrize("first", [0, 20])
def test_colours_of_a_dicom_palette(tmp_path: Path, first: int, table: tuple[int, int, int, str, int]) -> None:
    entries, bits, greatest, kind, shift = table
    values = tables(entries, greatest)
    places = np.clip(GREY8.astype(int) - first, 0, entries - 1)
    pixels = shown(tmp_path / "a.dcm", GREY8, palette(values, bits, first, kind))
    assert np.array_equal(pixels, np.moveaxis(values[:, places] >> shift, 0, -1))


def test_a_dicom_palette_may_have_more_colours_than_its_values_have_steps(tmp_path: Path) -> None:
    stored = (np.arange(40 * 30) * 3).astype(np.uint16).reshape(40, 30)
    values = tables(4096, 255)
    pixels = shown(tmp_path / "a.dcm", stored, palette(values, 8, 0, "u1"))
    assert np.array_equal(pixels, np.moveaxis(values[:, stored], 0, -1))


def test_a_dicom_palette_of_a_signed_picture_may_begin_below_0(tmp_path: Path) -> None:
    places = GREY8 // 2
    stored = (places.astype(np.int16) - 100).astype(np.int8)
    values = tables(256, 65535)
    tags = palette(values, 16, 0, "<u2")
    for name in COLOURS:
        del tags[f"{name}PaletteColorLookupTableDescriptor"]
    dataset = picture(stored, **tags)
    for name in COLOURS:
        dataset.add_new(f"{name}PaletteColorLookupTableDescriptor", "SS", [256, -100, 16])
    pixels = open_file(saved(tmp_path / "a.dcm", dataset)).read(0)
    assert np.array_equal(pixels, np.moveaxis(values[:, places] >> 8, 0, -1))


def test_a_dicom_palette_may_be_written_as_numbers(tmp_path: Path) -> None:
    values = tables(256, 65535)
    dataset = picture(GREY8, **palette(values, 16, 0, "<u2"))
    for name, table in zip(COLOURS, values, strict=True):
        dataset.add_new(f"{name}PaletteColorLookupTableData", "US", table.tolist())
    pixels = open_file(saved(tmp_path / "a.dcm", dataset)).read(0)
    assert np.array_equal(pixels, np.moveaxis(values[:, GREY8] >> 8, 0, -1))


def test_a_dicom_palette_in_big_endian(tmp_path: Path) -> None:
    values = tables(256, 65535)
    dataset = picture(GREY8, **palette(values, 16, 0, ">u2"))
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dcmwrite(tmp_path / "a.dcm", dataset, enforce_file_format=True)
    pixels = open_file(tmp_path / "a.dcm").read(0)
    assert np.array_equal(pixels, np.moveaxis(values[:, GREY8] >> 8, 0, -1))


@pytest.mark.parametrize("step", [1, 257], ids=["as bytes", "as words"])
def test_colours_of_a_tiff_palette(tmp_path: Path, step: int) -> None:
    colours = (tables(256, 255) * step).astype(np.uint16)
    tifffile.imwrite(tmp_path / "p.tif", GREY8, photometric="palette", colormap=colours)
    expected = np.moveaxis(colours[:, GREY8] // step, 0, -1)
    assert np.array_equal(open_file(tmp_path / "p.tif").read(0), expected)
