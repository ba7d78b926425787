"""DICOM, single frame and cine, through pydicom and its decoders; one frame is read at a time."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array

from napari_adasam.domain.errors import InputError
from napari_adasam.files.calibration import calibrate
from napari_adasam.files.clips import Clip, Header, Pixels, broken, check_size, make_clip, to_unsigned

ENDINGS = (".dcm", ".dicom", ".ima")
DEFERRED_BYTES = 65536
"""Values longer than this stay on the disk until they are asked for."""
BURNED_IN = "The picture itself may show the patient's name: its header does not say that it is free of it."


def is_dicom(path: Path) -> bool:
    """Whether the file has DICOM's mark, as many without an ending do. A DICOMDIR is only a list of files."""
    if path.name.upper() == "DICOMDIR" or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            file.seek(128)
            return file.read(4) == b"DICM"
    except OSError:
        return False


def open_dicom(path: Path) -> Clip:
    """Open a DICOM picture or cine.

    Raises
    ------
    InputError
        If it is not DICOM, holds no picture, is cut short, too small or too large, or compressed in an unknown way.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(path, defer_size=DEFERRED_BYTES)
            header = _header(path, dataset)
    except InvalidDicomError as error:
        raise InputError(f"{path.name} is not a DICOM file, whatever its name says; it was left out.") from error
    except InputError:
        raise
    except Exception as error:
        raise InputError(broken(path, error)) from error
    return make_clip(path, header, partial(_read, path))


def _header(path: Path, dataset: Dataset) -> Header:
    if "PixelData" not in dataset:
        # pydicom drops compressed pixels whose end is missing, and all that it read with them.
        if "Rows" in dcmread(path, stop_before_pixels=True):
            raise InputError(broken(path, EOFError()))
        raise InputError(f"{path.name} is a DICOM file without a picture; it was left out.")
    if dataset.get("Modality") == "SEG":
        raise InputError(f"{path.name} is a DICOM segmentation, not a picture; open the picture that it belongs to.")
    height, width = int(dataset.Rows), int(dataset.Columns)
    check_size(path, height, width)
    frames = max(1, int(dataset.get("NumberOfFrames") or 1))
    _check_whole(path, dataset, frames)
    spacings, note = calibrate(dataset)
    if dataset.get("BurnedInAnnotation") != "NO":
        note = f"{note} {BURNED_IN}".strip()
    return Header(frames, height, width, spacings, note)


def _check_whole(path: Path, dataset: Dataset, frames: int) -> None:
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_compressed:
        return
    bits = int(dataset.Rows) * int(dataset.Columns) * int(dataset.SamplesPerPixel) * int(dataset.BitsAllocated)
    if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
        bits = bits * 2 // 3
    pixels: Any = dataset.get_item("PixelData", keep_deferred=True)
    if bits * frames // 8 > pixels.length or pixels.value_tell + pixels.length > path.stat().st_size:
        raise InputError(broken(path, EOFError()))


def _read(path: Path, index: int) -> Pixels:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            values = pixel_array(path, index=index)
        except (NotImplementedError, RuntimeError) as error:
            raise InputError(
                f"{path.name} is damaged, or compressed in a way that cannot be unpacked here; save it uncompressed."
            ) from error
        dataset = dcmread(path, stop_before_pixels=True, defer_size=None)
    return _to_pixels(values, dataset)


def _to_pixels(values: NDArray[Any], dataset: Dataset) -> Pixels:
    """Grey as (height, width), colour and palette as (height, width, 3); 16-bit palettes lose their lower byte."""
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    if photometric == "PALETTE COLOR":
        colours = apply_color_lut(values, dataset)
        deep = colours.dtype == np.uint16
        return np.asarray(colours >> 8 if deep else colours, np.uint8)[..., :3]
    pixels = _shift_signed(values, dataset)
    if photometric == "MONOCHROME1":
        white = (1 << int(dataset.BitsStored)) - 1
        pixels = np.asarray(white - np.minimum(pixels, white), pixels.dtype)
    return pixels


def _shift_signed(values: NDArray[Any], dataset: Dataset) -> Pixels:
    """Signed values moved up by half their range, so that order and differences stay."""
    if values.dtype.kind == "i":
        half = 1 << (int(dataset.BitsStored) - 1)
        shifted = np.clip(values.astype(np.int64) + half, 0, 2 * half - 1)
        return shifted.astype(np.uint8 if values.dtype.itemsize == 1 else np.uint16)
    return to_unsigned(values)
