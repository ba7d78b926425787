"""DICOM, single frame and cine, through pydicom and its decoders; one frame is read at a time."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.encaps import get_frame, parse_basic_offsets, parse_fragments
from pydicom.errors import InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import as_pixel_options
from pydicom.uid import UID

from napari_adasam.domain.errors import InputError
from napari_adasam.files.calibration import calibrate
from napari_adasam.files.clips import Clip, Header, broken, check_count, check_size, make_clip
from napari_adasam.files.codestreams import codestream_size
from napari_adasam.files.dicom_decoding import bits_below, can_decode, decoded
from napari_adasam.files.dicom_deflated import inflated
from napari_adasam.files.dicom_depth import stack_of
from napari_adasam.files.dicom_marks import BURNED_IN
from napari_adasam.files.dicom_palette import coloured
from napari_adasam.files.dicom_times import frame_times
from napari_adasam.files.scaling import SCALED, Pixels, to_unsigned
from napari_adasam.files.unpacking import BoundedFile

logging.getLogger("pydicom").addHandler(logging.NullHandler())
DEFERRED_BYTES = 65536
"""Values longer than this stay on the disk until they are asked for."""
PIXEL_DATA = 0x7FE00010
GREYS = ("MONOCHROME1", "MONOCHROME2")
COLOURS = ("PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


def open_dicom(path: Path) -> Clip:
    """Open a DICOM picture or cine.

    Raises
    ------
    InputError
        If it is not DICOM, holds no picture, is cut short, too small or too large, or compressed in an unknown way.
    """
    try:
        stamp = _stamp(path)
        with _file(path) as file:
            header, places, shown_as_they_are = _header(path, file)
    except InvalidDicomError as error:
        raise InputError(f"{path.name} is not a DICOM file, whatever its name says; it was left out.") from error
    except InputError:
        raise
    except Exception as error:
        raise InputError(broken(path, error)) from error
    where = Places(stamp, places)
    own = None if shown_as_they_are else (lambda index: _stored(path, where, index)[0])
    return make_clip(path, header, partial(_read, path, where), values=own)


@dataclass(frozen=True, slots=True)
class Places:
    """Where each compressed frame begins, so that none is looked for among all others each time it is read.

    Parameters
    ----------
    stamp
        Of the file when it was looked through: it holds for no other.
    starts
        Bytes at which the parts begin; of use where every frame is one part.
    """

    stamp: tuple[int, int]
    starts: tuple[int, ...]


def _stamp(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


@contextmanager
def _file(path: Path) -> Iterator[BinaryIO]:
    """The file, unpacked in memory where it is deflated as a whole; pydicom's warnings are not for clinicians."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        unpacked = inflated(path)
        with BoundedFile(path) if unpacked is None else BytesIO(unpacked) as file:
            yield file


def _header(path: Path, file: BinaryIO) -> tuple[Header, tuple[int, ...], bool]:
    """What the file says of its frames, where the parts of the compressed pixels begin, and :func:`_as_they_are`."""
    dataset, start = _before_pixels(file)
    if dataset.get("Modality") == "SEG":
        raise InputError(f"{path.name} is a DICOM segmentation, not a picture; open the picture that it belongs to.")
    if start is None:
        if "Rows" in dataset:
            raise EOFError("no pixels behind the header")
        raise InputError(f"{path.name} is a DICOM file without a picture; it was left out.")
    frames = max(1, int(dataset.get("NumberOfFrames") or 1))
    check_count(path, frames)
    _check_kind(path, dataset)
    places = _check_whole(dataset, file, start)
    scales = calibrate(dataset, frames)
    burned_in = "" if dataset.get("BurnedInAnnotation") == "NO" else BURNED_IN
    scaled = SCALED if int(dataset.BitsAllocated) > 16 else ""
    times = frame_times(dataset, frames)
    header = Header(
        frames=frames,
        height=int(dataset.Rows),
        width=int(dataset.Columns),
        spacings=tuple(scale.spacing for scale in scales),
        regions=tuple(scale.box for scale in scales),
        note=" ".join(filter(None, (*dict.fromkeys(scale.note for scale in scales), scaled, burned_in))),
        times=times,
        stack=stack_of(dataset, frames, bool(times)) if frames > 1 else None,
        bits=8 if dataset.PhotometricInterpretation == "PALETTE COLOR" else int(dataset.BitsStored),
    )
    return header, places, _as_they_are(dataset)


def _as_they_are(dataset: Dataset) -> bool:
    """Whether what is shown are the values of the file, or turned round; not so where they are below 0, or large."""
    below_0_or_large = dataset.get("PixelRepresentation") == 1 or int(dataset.BitsAllocated) > 16
    return not (below_0_or_large and dataset.PhotometricInterpretation == "MONOCHROME2")


def _before_pixels(file: BinaryIO) -> tuple[Dataset, int | None]:
    """Everything before the pixels, and the byte at which these begin; ``None`` if there are none."""
    dataset = dcmread(file, stop_before_pixels=True, defer_size=None)
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    order = "little" if syntax.is_little_endian else "big"
    mark = file.read(4)
    tag = int.from_bytes(mark[:2], order) << 16 | int.from_bytes(mark[2:], order)  # type: ignore[arg-type]
    if tag != PIXEL_DATA or len(mark) < 4:
        return dataset, None
    file.seek(4 if syntax.is_implicit_VR else 8, 1)
    return dataset, file.tell()


def _check_kind(path: Path, dataset: Dataset) -> None:
    """Raise InputError where the picture is too large, or in a form that is not read."""
    pixel = int(dataset.SamplesPerPixel) * max(1, int(dataset.BitsAllocated) // 8)
    check_size(path, int(dataset.Rows), int(dataset.Columns), pixel)
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    if not can_decode(syntax):
        raise InputError(
            f"{path.name} is compressed as {'a private kind' if syntax.is_private else syntax.name}, which cannot be "
            "unpacked here; save it uncompressed."
        )
    colours = str(dataset.PhotometricInterpretation)
    if colours not in (GREYS if dataset.SamplesPerPixel == 1 and colours != "PALETTE COLOR" else COLOURS):
        raise InputError(f"{path.name} has its colours coded as {colours[:16]}, which is not read; save it as RGB.")


def _check_whole(dataset: Dataset, file: BinaryIO, start: int) -> tuple[int, ...]:
    """Raise where pixels are missing: uncompressed ones by their length, compressed ones by the number of parts.

    Returns where the compressed parts begin.
    """
    frames = max(1, int(dataset.get("NumberOfFrames") or 1))
    file.seek(0, 2)
    there = file.tell() - start
    if not UID(dataset.file_meta.TransferSyntaxUID).is_encapsulated:
        bits = int(dataset.Rows) * int(dataset.Columns) * int(dataset.SamplesPerPixel) * int(dataset.BitsAllocated)
        if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
            bits = bits * 2 // 3
        if bits * frames // 8 > there:
            raise EOFError("cut short")
        return ()
    file.seek(start)
    parse_basic_offsets(file)
    count, offsets = parse_fragments(file)
    if count < frames:
        raise EOFError("cut short")
    file.seek(offsets[-1] + 4)
    if offsets[-1] + 8 + int.from_bytes(file.read(4), "little") > start + there:
        raise EOFError("cut short")
    return tuple(offsets)


def _read(path: Path, places: Places, index: int) -> Pixels:
    return _to_pixels(*_stored(path, places, index))


def _stored(path: Path, places: Places, index: int) -> tuple[NDArray[Any], Dataset, str]:
    """The values of a frame as they are stored, the file's header, and how their colours are coded now."""
    stamp = _stamp(path)
    dataset, start, options = _layout(path, stamp)
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    try:
        if syntax.is_encapsulated:
            with BoundedFile(path) as file:
                file.seek(start)
                frame = _packed_frame(dataset, file, places.starts if places.stamp == stamp else (), index)
            _check_frame(path, dataset, frame)
            values, colours = decoded(dataset, frame, options)
        else:
            with _file(path) as file:
                file.seek(start)
                values, facts = get_decoder(syntax).as_array(file, index=index, **options)
                colours = str(facts["photometric_interpretation"])
        values = values >> bits_below(dataset) if bits_below(dataset) else values
    except (NotImplementedError, RuntimeError) as error:
        raise InputError(
            f"{path.name} is damaged, or compressed in a way that cannot be unpacked here; save it uncompressed."
        ) from error
    return values, dataset, colours


@lru_cache(maxsize=2)
def _layout(path: Path, stamp: tuple[int, int]) -> tuple[Dataset, int, dict[str, Any]]:
    """The header, where the pixels begin, and what a decoder is told; kept for the frames that are asked for next."""
    with _file(path) as file:
        dataset, start = _before_pixels(file)
        if start is None:
            raise EOFError("no pixels behind the header")
        options = as_pixel_options(dataset, pixel_keyword="PixelData", pixel_vr=_value_kind(dataset, file, start))
        options["bits_stored"] += bits_below(dataset)
    _check_kind(path, dataset)
    return dataset, start, options


def _value_kind(dataset: Dataset, file: BinaryIO, start: int) -> str:
    """OB or OW: how uncompressed bytes were swapped; the file stands behind it where it says so."""
    if dataset.file_meta.TransferSyntaxUID.is_implicit_VR:
        return "OW"
    file.seek(start - 8)
    kind = file.read(2).decode("ascii", "replace")
    file.seek(start)
    return kind


def _packed_frame(dataset: Dataset, file: BinaryIO, starts: tuple[int, ...], index: int) -> bytes:
    """One compressed frame; the file stands where the pixels begin."""
    frames = max(1, int(dataset.get("NumberOfFrames") or 1))
    if len(starts) == frames:
        file.seek(starts[index] + 4)
        return file.read(int.from_bytes(file.read(4), "little"))
    table = dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths")
    return get_frame(file, index, number_of_frames=frames, extended_offsets=None if None in table else table)


def _check_frame(path: Path, dataset: Dataset, frame: bytes) -> None:
    """Raise InputError where the compressed frame has another size than the header says."""
    size = codestream_size(frame)
    if size is not None and size != (int(dataset.Rows), int(dataset.Columns)):
        raise InputError(
            f"{path.name} contradicts itself: its header says {dataset.Rows} × {dataset.Columns} px, its picture "
            f"{size[0]} × {size[1]} px; save it again where it came from."
        )


def _to_pixels(values: NDArray[Any], dataset: Dataset, photometric: str) -> Pixels:
    """Grey as (height, width), colour and palette as (height, width, 3); 16-bit palettes lose their lower byte."""
    if photometric == "PALETTE COLOR":
        return coloured(values, dataset)
    pixels = _shift_signed(values, dataset)
    if dataset.BitsAllocated == 1:
        pixels = np.asarray(pixels * 255, np.uint8)
    if photometric == "MONOCHROME1":
        white = 255 if dataset.BitsAllocated == 1 else (1 << min(16, int(dataset.BitsStored))) - 1
        pixels = np.asarray(white - np.minimum(pixels, white), pixels.dtype)
    return pixels


def _shift_signed(values: NDArray[Any], dataset: Dataset) -> Pixels:
    """Signed values moved up by half their range, so that order and differences stay."""
    if values.dtype.kind == "i" and values.dtype.itemsize <= 2:
        half = 1 << (int(dataset.BitsStored) - 1)
        shifted = np.clip(values.astype(np.int64) + half, 0, 2 * half - 1)
        return shifted.astype(np.uint8 if values.dtype.itemsize == 1 else np.uint16)
    return to_unsigned(values)
