"""NIfTI (.nii, .nii.gz): headers through nibabel, one frame's bytes at a time.

The array is (i, j, k, t) with i fastest. A frame is one slice across k, its columns along i and its rows along j, as
stored: nothing is turned round or resampled, so that a mask goes back to the voxels it was drawn on. Where k is not
an axis of the picture's (a single row of voxels along i or j), the frame lies across that axis instead. Frames run
through the slices first, then through time.

The bytes of a frame lie together, so a frame is one read. A packed file is run through once when it is opened, and
read from the nearest of 64 places after that (:mod:`napari_adasam.files.unpacking`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import BytesIO
from math import isfinite, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.lazily import Lazily
from napari_adasam.domain.records import Along, Geometry, Spacing, Stack
from napari_adasam.files.clips import Clip, Header, broken, check_count, check_size, make_clip
from napari_adasam.files.levels import Levels
from napari_adasam.files.scaling import SCALED_ALIKE, Ends, Pixels, ends_of, to_unsigned
from napari_adasam.files.unpacking import GzipIndex, beginning_of_gzip

if TYPE_CHECKING:
    import nibabel
else:
    nibabel = Lazily("nibabel")

ENDINGS = (".nii", ".nii.gz")
HEADERS = {348: "Nifti1Header", 540: "Nifti2Header"}
MARKS = (b"n+1\0", b"n+2\0")
MOST_PACKED = 1 << 30
"""A .nii.gz that unpacks to more bytes is not read: every look at it would mean unpacking much of it."""
MM_PER_UNIT = {"mm": 1.0, "meter": 1000.0, "micron": 0.001}
SECONDS_PER_UNIT = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
UNIT_BITS = 63
"""Of the header's xyzt_units: three for length, three for time."""
AGREE = 0.01
SHORTEST_STEP_MM, LONGEST_STEP_MM = 0.001, 100.0
"""Distances that slices can have."""
NO_UNIT = "The header gives sizes without a unit, so they are not used: figures are in pixels only."
ABSURD = "The header's sizes cannot be those of a picture, so they are not used: figures are in pixels only."
CONTRADICTION = "The header's two scales contradict each other, so neither is used: figures are in pixels only."


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """An opened NIfTI file.

    Parameters
    ----------
    height, width, frames
        Of the frames that it is read as.
    kind
        Type of a stored value, with its byte order; three or four bytes for colour.
    slope, intercept
        What stored values are multiplied by, and what is added; 1 and 0 for none.
    """

    path: Path
    height: int
    width: int
    frames: int
    kind: np.dtype[Any]
    slope: float
    intercept: float
    geometry: Geometry
    read_bytes: Callable[[int, int], bytes] = field(repr=False)
    offset: int

    @property
    def scaled(self) -> bool:
        """Whether stored values mean others."""
        return (self.slope, self.intercept) != (1.0, 0.0)

    @property
    def as_they_are(self) -> bool:
        """Whether its values are shown as they are, and not scaled from the smallest to the greatest."""
        return self.kind.kind == "V" or (not self.scaled and self.kind.base in (np.uint8, np.uint16))

    def pixels(self, index: int, ends: Ends | None) -> Pixels:
        """One frame as uint8 or uint16, see :func:`to_unsigned`."""
        return to_unsigned(self.values(index), ends)

    def values(self, index: int) -> NDArray[Any]:
        """Values of one frame, (height, width) or (height, width, 3), as the file means them."""
        length = self.height * self.width * self.kind.itemsize
        stored = np.frombuffer(self.read_bytes(self.offset + index * length, length), self.kind)
        frame = stored.reshape(self.height, self.width)
        if self.kind.names:
            return np.stack([frame[name] for name in self.kind.names[:3]], axis=-1)
        if self.scaled:
            return frame.astype(np.float32) * np.float32(self.slope) + np.float32(self.intercept)
        return frame.astype(self.kind.newbyteorder("="))


def open_nifti(path: Path) -> Clip:
    """Open a NIfTI file of two to four dimensions; pixels are read later, frame by frame.

    Raises
    ------
    InputError
        If it is not NIfTI, is cut short, too small or too large, or holds values that are no picture.
    """
    volume, header = _open(path)
    facts = _facts(volume, header)
    try:
        ends_at = None if volume.as_they_are else (lambda index: ends_of(volume.values(index)))
        frame_bytes = volume.height * volume.width * volume.kind.itemsize
        levels = Levels(volume.pixels, ends_at, volume.frames, frame_bytes)
    except InputError:
        raise
    except Exception as error:
        raise InputError(broken(path, error)) from error
    own = None if volume.as_they_are else volume.values
    facts = replace(facts, note=levels.noted(facts.note))
    return make_clip(path, facts, levels.pixels, levels.white_of_all(), own)


def _facts(volume: Volume, header: Any) -> Header:
    spacing, note = _spacing(header, volume.geometry)
    whole = volume.kind.kind in "iuV" and not volume.scaled
    if not volume.as_they_are:
        note = f"{note} {SCALED_ALIKE}".strip()
    return Header(
        frames=volume.frames,
        height=volume.height,
        width=volume.width,
        spacings=(spacing,),
        note=note,
        times=_times(header, volume),
        bits=(8 if volume.kind.names else 8 * volume.kind.itemsize) if whole else None,
        geometry=volume.geometry,
        stack=_stack(header, volume, spacing),
    )


def open_volume(path: Path) -> Volume:
    """The file's frames as stored values. Raises InputError like :func:`open_nifti`."""
    return _open(path)[0]


def _open(path: Path) -> tuple[Volume, Any]:
    try:
        header = _read_header(path)
        return _volume(path, header), header
    except InputError:
        raise
    except Exception as error:
        raise InputError(broken(path, error)) from error


def _read_header(path: Path) -> Any:
    packed = path.name.lower().endswith(".gz")
    try:
        if packed:
            start = beginning_of_gzip(path, max(HEADERS))
        else:
            with path.open("rb") as file:
                start = file.read(max(HEADERS))
    except zlib.error:
        start = b""
    order, length = _header_length(start)
    if length is None:
        raise InputError(f"{path.name} is not a NIfTI file of one piece, or its beginning is damaged; it was left out.")
    if len(start) < length:
        raise EOFError("cut short")
    return getattr(nibabel, HEADERS[length]).from_fileobj(BytesIO(start[:length]), order, check=False)


def _header_length(start: bytes) -> tuple[str, int | None]:
    """Byte order and length of the header that begins here; ``None`` if it is none, or one of a .hdr/.img pair."""
    for sign, order in (("<", "little"), (">", "big")):
        length = int.from_bytes(start[:4], "little" if order == "little" else "big")
        mark = start[344:348] if length == 348 else start[4:8]
        if length in HEADERS and mark in MARKS:
            return sign, length
    return "<", None


def _volume(path: Path, header: Any) -> Volume:
    shape = tuple(int(side) for side in header.get_data_shape())
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    kind = np.dtype(header.get_data_dtype())
    if not 2 <= len(shape) <= 4 or min(shape) < 1 or kind.kind not in "iufV" or kind.itemsize > 8:
        raise InputError(f"{path.name} holds {kind} data of {len(shape)} dimensions, not pictures; it was left out.")
    rows, columns = _picture_axes(shape)
    height, width = shape[rows], shape[columns]
    frames = prod(shape) // (height * width)
    check_size(path, height, width, kind.itemsize)
    check_count(path, frames)
    slope, intercept = (value if value is not None else default for value, default in zip(
        header.get_slope_inter(), (1.0, 0.0), strict=True
    ))  # fmt: skip
    affine = np.asarray(header.get_best_affine(), float)
    offset = float(header["vox_offset"])
    if not (np.isfinite(affine).all() and isfinite(slope) and isfinite(intercept) and isfinite(offset) and offset >= 0):
        raise ValueError("header with figures that are none")
    units, step = int(header["xyzt_units"]) & UNIT_BITS, float(header["pixdim"][4])
    geometry = Geometry(tuple(tuple(map(float, row)) for row in affine), shape, rows, columns, units, step)
    end = int(offset) + frames * height * width * kind.itemsize
    return Volume(
        path, height, width, frames, kind, float(slope), float(intercept), geometry, _source(path, end), int(offset)
    )


def _picture_axes(shape: tuple[int, ...]) -> tuple[int, int]:
    """(rows, columns): j and i, unless one of them is a single voxel and k is not."""
    if len(shape) > 2 and shape[2] > 1 and 1 in shape[:2]:
        return (2, 1) if shape[0] == 1 else (2, 0)
    return 1, 0


def _source(path: Path, end: int) -> Callable[[int, int], bytes]:
    if path.name.lower().endswith(".gz"):
        if end > MOST_PACKED:
            raise InputError(
                f"{path.name} unpacks to {end >> 20} MiB, too much to read packed; unpack it to .nii and open that."
            )
        return GzipIndex.of(path, end).read
    if path.stat().st_size < end:
        raise EOFError("cut short")

    def read(start: int, length: int) -> bytes:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(length)

    return read


def _spacing(header: Any, geometry: Geometry) -> tuple[Spacing | None, str]:
    """In mm from the header's sizes, if they have a unit of length and its affine agrees; else why not."""
    try:
        mm = MM_PER_UNIT[header.get_xyzt_units()[0]]
    except KeyError:
        return None, NO_UNIT
    zooms = [float(size) for size in header.get_zooms()]
    affine = np.array(geometry.affine)
    for axis in (geometry.rows, geometry.columns):
        steps = float(np.linalg.norm(affine[:3, axis]))
        if int(header["sform_code"]) > 0 and not abs(steps - zooms[axis]) <= AGREE * zooms[axis]:
            return None, CONTRADICTION
    try:
        return Spacing(mm * zooms[geometry.rows], mm * zooms[geometry.columns], "NIfTI header"), ""
    except ValueError:
        return None, ABSURD


def _stack(header: Any, volume: Volume, spacing: Spacing | None) -> Stack:
    """The distance of slices is that of their planes: |a · n| for the affine's step a and the planes' normal n."""
    shape = volume.geometry.shape
    through = next(axis for axis in range(3) if axis not in (volume.geometry.rows, volume.geometry.columns))
    slices = shape[through] if len(shape) > through else 1
    if slices < 2:
        return Stack(volume.frames, Along.TIME)
    axes = np.array(volume.geometry.affine)[:3, :3]
    normal = np.cross(axes[:, volume.geometry.rows], axes[:, volume.geometry.columns])
    length = float(np.linalg.norm(normal))
    zoom = float(header.get_zooms()[through])
    whole = float(np.linalg.norm(axes[:, through]))
    if spacing is None or not length or not abs(whole - zoom) <= AGREE * zoom:
        return Stack(volume.frames, Along.DEPTH, slices)
    step = MM_PER_UNIT[header.get_xyzt_units()[0]] * abs(float(axes[:, through] @ normal)) / length
    known = step if SHORTEST_STEP_MM <= step <= LONGEST_STEP_MM else None
    return Stack(volume.frames, Along.DEPTH, slices, known, spacing.source if known else "")


def _times(header: Any, volume: Volume) -> tuple[float | None, ...]:
    """Seconds of each frame in a file with time; all slices of one moment have the same."""
    shape = volume.geometry.shape
    if len(shape) < 4 or shape[3] < 2:
        return ()
    try:
        step = float(header.get_zooms()[3]) * SECONDS_PER_UNIT[header.get_xyzt_units()[1]]
    except (KeyError, nibabel.spatialimages.HeaderDataError):
        return ()
    if not (isfinite(step) and step > 0):
        return ()
    slices = volume.frames // shape[3]
    return tuple(index // slices * step for index in range(volume.frames))
