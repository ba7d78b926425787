"""One small valid file of every kind that is read, with what has to come out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import av
import nibabel
import numpy as np
import tifffile
from dicom_pictures import picture, region, saved
from jpeg_lossless import encoded
from PIL import Image
from pydicom import dcmwrite, uid
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items

HEIGHT, WIDTH = 48, 64
COUNT = 6
DIGIT = 8
DICOM_SCALE = (0.08, 0.05)
Pictures = Sequence[np.ndarray]


@dataclass(frozen=True)
class Specimen:
    """``tolerance``: mean difference in grey values, for lossy kinds. ``times``: seconds, empty for unknown."""

    ending: str
    write: Callable[[Path], object]
    pictures: Pictures
    tolerance: float = 0.0
    spacing: tuple[float, float] | None = None
    source: str = ""
    times: tuple[float, ...] = ()
    bits: int | None = 8

    def save(self, folder: Path, name: str) -> Path:
        path = folder / f"{name}{self.ending}"
        self.write(path)
        return path


def grey(number: int, kind: Any = np.uint8) -> np.ndarray:
    """A slope with the frame's number in it, as six squares that are white for 1 and black for 0."""
    pixels = np.add.outer(np.arange(HEIGHT) * 2.0, np.arange(WIDTH)) + 20
    for place in range(6):
        square = slice(20, 20 + DIGIT), slice(8 + DIGIT * place, 8 + DIGIT * (place + 1))
        pixels[square] = 255 if number >> place & 1 else 0
    return (pixels * (np.iinfo(kind).max // 255)).astype(kind)


def number_of(pixels: np.ndarray, bits: int | None = None) -> int:
    """The number that a picture of so many bits a value carries; of its type's where that is not given."""
    plain = pixels if pixels.ndim == 2 else pixels[..., 0]
    full = 2**bits - 1 if bits else np.iinfo(pixels.dtype).max
    return sum((plain[24, 12 + DIGIT * place] > full / 2) << place for place in range(6))


def colour(number: int, kind: Any = np.uint8) -> np.ndarray:
    slope = grey(number, kind)
    return np.stack([slope, slope // 2, np.iinfo(kind).max - slope], axis=-1)


GREYS = [grey(number) for number in range(COUNT)]
DEEP = [grey(number, np.uint16) for number in range(COUNT)]
TWELVE = [pixels >> 4 for pixels in DEEP]
COLOURS = [colour(number) for number in range(COUNT)]
TIMES = tuple(number * 0.04 for number in range(COUNT))


# -- PNG and JPEG ----------------------------------------------------------------------------------------------------


def _animated(path: Path) -> None:
    first, *rest = [Image.fromarray(one) for one in GREYS]
    first.save(path, save_all=True, append_images=rest)


def _raster(pixels: np.ndarray, **options: Any) -> Callable[[Path], object]:
    return lambda path: Image.fromarray(pixels).save(path, **options)


# -- TIFF ------------------------------------------------------------------------------------------------------------


def _tiff(pictures: Pictures, **options: Any) -> Callable[[Path], object]:
    return lambda path: tifffile.imwrite(path, np.stack(pictures) if len(pictures) > 1 else pictures[0], **options)


def _tiff_by_pillow(pictures: Pictures, compression: str) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        first, *rest = [Image.fromarray(one) for one in pictures]
        first.save(path, save_all=True, append_images=rest, compression=compression)

    return write


IMAGEJ = {"unit": "mm", "finterval": 0.04, "axes": "TYX"}
OME = {
    "PhysicalSizeX": 50.0, "PhysicalSizeY": 0.08, "PhysicalSizeYUnit": "mm", "axes": "TYX",
    "TimeIncrement": 40.0, "TimeIncrementUnit": "ms",
}  # fmt: skip


# -- DICOM -----------------------------------------------------------------------------------------------------------


def _dataset(pictures: Pictures, **tags: Any) -> Any:
    pixels = np.stack(pictures) if len(pictures) > 1 else pictures[0]
    known = {
        "SequenceOfUltrasoundRegions": Items([region(RegionLocationMaxX1=WIDTH - 1, RegionLocationMaxY1=HEIGHT - 1)])
    }
    if len(pictures) > 1:
        known["FrameTime"] = 40.0
    return picture(pixels, frames=len(pictures), **known | tags)


def _dicom(pictures: Pictures, syntax: str = uid.ExplicitVRLittleEndian, **tags: Any) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        dataset = _dataset(pictures, **tags)
        dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == uid.ExplicitVRBigEndian and dataset.BitsAllocated == 16:
            dataset.PixelData = np.stack(pictures).byteswap().tobytes()
        dcmwrite(path, dataset, enforce_file_format=True)

    return write


def _packed(pictures: Pictures, syntax: str, **options: Any) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        dataset = _dataset(pictures)
        pixels = np.stack(pictures) if len(pictures) > 1 else pictures[0]
        dataset.compress(syntax, pixels, generate_instance_uid=False, **options)
        saved(path, dataset)

    return write


def _encapsulated(frames: Sequence[bytes], pictures: Pictures, syntax: str, **tags: Any) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        dataset = _dataset(pictures, **tags)
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = encapsulate(list(frames))
        dataset["PixelData"].VR = "OB"
        saved(path, dataset)

    return write


def _packed_once(kind: str, pictures: Pictures, syntax: str, **tags: Any) -> Callable[[Path], object]:
    """Frames that make_codestreams.py has packed."""

    def write(path: Path) -> None:
        with ZipFile(Path(__file__).with_name("codestreams.zip")) as file:
            frames = [file.read(f"{kind}/{number}") for number in range(COUNT)]
        _encapsulated(frames, pictures, syntax, **tags)(path)

    return write


def _jpeg(pixels: np.ndarray, start_of_frame: int = 0xC0, **options: Any) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95, **options)
    return file.getvalue().replace(b"\xff\xc0", bytes([0xFF, start_of_frame]), 1)


def _ybr(pixels: np.ndarray) -> np.ndarray:
    """BT.601, full range: what YBR_FULL means."""
    red, green, blue = np.moveaxis(pixels.astype(float), -1, 0)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    return (
        np.stack([y, (blue - y) / 1.772 + 128, (red - y) / 1.402 + 128], axis=-1).round().clip(0, 255).astype(np.uint8)
    )


def _ybr_422(path: Path) -> None:
    dataset = _dataset([COLOURS[1]], PhotometricInterpretation="YBR_FULL_422")
    ybr = _ybr(COLOURS[1])
    pairs = np.stack([ybr[:, 0::2, 0], ybr[:, 1::2, 0], ybr[:, 0::2, 1], ybr[:, 0::2, 2]], axis=-1)
    dataset.PixelData = pairs.tobytes()
    saved(path, dataset)


def _palette(path: Path) -> None:
    table = np.arange(256, dtype=np.uint16)
    tags: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, values in (("Red", table), ("Green", table // 2), ("Blue", 255 - table)):
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        tags[f"{name}PaletteColorLookupTableData"] = (values << 8).astype("<u2").tobytes()
    saved(path, _dataset(GREYS, **tags))


# -- NIfTI -----------------------------------------------------------------------------------------------------------

AFFINE = np.array([[0, -0.05, 0, 3], [0.08, 0, 0, 4], [0, 0, 2, 5], [0, 0, 0, 1]], float)[:, [1, 0, 2, 3]]


def nifti(
    pictures: Pictures, shape: tuple[int, ...] = (), maker: Any = nibabel.Nifti1Image
) -> Callable[[Path], object]:
    """Frames (rows, columns) as an array (i = columns, j = rows, k, t), 0.08 × 0.05 mm, 40 ms a moment."""

    def write(path: Path) -> None:
        array = np.stack([one.T for one in pictures], axis=-1)
        array = array.reshape(WIDTH, HEIGHT, *shape, order="F") if shape else array[..., 0]
        image = maker(array, AFFINE)
        image.header.set_xyzt_units("mm", "msec")
        if array.ndim == 4:
            image.header.set_zooms((*image.header.get_zooms()[:3], 40.0))
        nibabel.save(image, path)

    return write


def _nifti_colour(path: Path) -> None:
    kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    array = np.ascontiguousarray(COLOURS[1]).view(kind)[..., 0].T
    image = nibabel.Nifti1Image(array[:, :, None], AFFINE)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)


# -- video -----------------------------------------------------------------------------------------------------------


def video(
    pictures: Pictures, codec: str, form: str, times: Sequence[int] = (), **options: str
) -> Callable[[Path], object]:
    """25 frames a second, or each at its own time in units of 10 ms."""

    def write(path: Path) -> None:
        unit = Fraction(1, 100) if times else Fraction(1, 25)
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream(codec, rate=25)
            stream.height, stream.width = pictures[0].shape[:2]
            stream.pix_fmt, stream.options = form, options
            stream.codec_context.time_base = unit
            for number, pixels in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(pixels, format="gray" if pixels.ndim == 2 else "rgb24")
                frame.pts, frame.time_base = times[number] if times else number, unit
                container.mux(stream.encode(frame))
            container.mux(stream.encode())

    return write


LONG = [colour(number) for number in range(50)]
UNEVEN = tuple(3 * number + (number % 3 == 0) for number in range(50))
UNEVEN_TIMES = tuple((time - UNEVEN[0]) / 100 for time in UNEVEN)
LONG_TIMES = tuple(number * 0.04 for number in range(50))

_dicom_of = partial(Specimen, ".dcm", spacing=DICOM_SCALE, source="DICOM region")
_cine_of = partial(_dicom_of, times=TIMES)
_nifti_of = partial(Specimen, spacing=DICOM_SCALE, source="NIfTI header")
_jpegs = [_jpeg(one) for one in COLOURS]
_tiff_of = partial(Specimen, ".tif")
_scaled_tiff = partial(_tiff_of, spacing=DICOM_SCALE, source="TIFF header", times=TIMES)

SPECIMENS: dict[str, Specimen] = {
    "png-grey": Specimen(".png", _raster(GREYS[1]), GREYS[1:2]),
    "png-16-bit": Specimen(".png", _raster(DEEP[1]), DEEP[1:2], bits=16),
    "png-colour": Specimen(".png", _raster(COLOURS[1]), COLOURS[1:2]),
    "png-animated": Specimen(".png", _animated, GREYS),
    "jpeg-grey": Specimen(".jpg", _raster(GREYS[1], quality=95), GREYS[1:2], 3),
    "jpeg-colour": Specimen(".jpg", _raster(COLOURS[1], quality=95), COLOURS[1:2], 6),
    "tiff-plain": _tiff_of(_tiff(GREYS, photometric="minisblack"), GREYS),
    "tiff-big": _tiff_of(_tiff(DEEP, photometric="minisblack", bigtiff=True), DEEP, bits=16),
    "tiff-deflate": _tiff_of(_tiff(COLOURS, photometric="rgb", compression="zlib"), COLOURS),
    "tiff-lzw": _tiff_of(_tiff_by_pillow(GREYS, "tiff_lzw"), GREYS),
    "tiff-packbits": _tiff_of(_tiff_by_pillow(COLOURS, "packbits"), COLOURS),
    "tiff-jpeg": _tiff_of(_tiff_by_pillow(COLOURS[1:2], "jpeg"), COLOURS[1:2], 12),
    "tiff-tiled": _tiff_of(_tiff(GREYS[1:2], tile=(16, 16), compression="zlib"), GREYS[1:2]),
    "tiff-white-is-zero": _tiff_of(_tiff([255 - GREYS[1]], photometric="miniswhite"), GREYS[1:2]),
    "tiff-imagej": _scaled_tiff(
        _tiff(GREYS, imagej=True, resolution=(20, 12.5), metadata=IMAGEJ), GREYS
    ),
    "tiff-ome": _scaled_tiff(_tiff(DEEP, ome=True, photometric="minisblack", metadata=OME), DEEP, bits=16),
    "dicom-explicit-little": _cine_of(_dicom(GREYS), GREYS),
    "dicom-implicit-little": _cine_of(_dicom(DEEP, uid.ImplicitVRLittleEndian), DEEP, bits=16),
    "dicom-explicit-big": _cine_of(_dicom(DEEP, uid.ExplicitVRBigEndian), DEEP, bits=16),
    "dicom-deflated": _cine_of(_dicom(COLOURS, uid.DeflatedExplicitVRLittleEndian), COLOURS),
    "dicom-rle": _cine_of(_packed(COLOURS, uid.RLELossless), COLOURS),
    "dicom-jpeg-baseline": _cine_of(
        _encapsulated(_jpegs, COLOURS, uid.JPEGBaseline8Bit, PhotometricInterpretation="YBR_FULL_422"), COLOURS, 6
    ),
    "dicom-jpeg-extended": _cine_of(
        _encapsulated([_jpeg(one, 0xC1) for one in GREYS], GREYS, uid.JPEGExtended12Bit), GREYS, 3
    ),
    "dicom-jpeg-extended-12-bit": _cine_of(
        _packed_once("jpeg-12-bit", TWELVE, uid.JPEGExtended12Bit, BitsStored=12, HighBit=11), TWELVE, 3, bits=12
    ),
    "dicom-jpeg-lossless": _cine_of(
        _encapsulated([encoded(one) for one in DEEP], DEEP, uid.JPEGLossless), DEEP, bits=16
    ),
    "dicom-jpeg-lossless-sv1": _cine_of(
        _encapsulated([encoded(one) for one in GREYS], GREYS, uid.JPEGLosslessSV1), GREYS
    ),
    "dicom-jpeg-ls": _cine_of(_packed(GREYS, uid.JPEGLSLossless), GREYS),
    "dicom-jpeg-ls-near": _cine_of(_packed(GREYS, uid.JPEGLSNearLossless, jls_error=3), GREYS, 3),
    "dicom-jpeg-2000-lossless": _cine_of(_packed(COLOURS, uid.JPEG2000Lossless), COLOURS),
    "dicom-jpeg-2000": _cine_of(_packed(GREYS, uid.JPEG2000, j2k_cr=[4]), GREYS, 3),
    "dicom-htj2k-lossless": _cine_of(_packed_once("htj2k-lossless", DEEP, uid.HTJ2KLossless), DEEP, bits=16),
    "dicom-htj2k-rpcl": _cine_of(
        _packed_once("htj2k-rpcl", COLOURS, uid.HTJ2KLosslessRPCL, PhotometricInterpretation="YBR_RCT"), COLOURS
    ),
    "dicom-htj2k": _cine_of(
        _packed_once("htj2k", COLOURS, uid.HTJ2K, PhotometricInterpretation="YBR_ICT"), COLOURS, 3
    ),
    "dicom-white-is-zero": _dicom_of(_dicom([255 - GREYS[1]], PhotometricInterpretation="MONOCHROME1"), GREYS[1:2]),
    "dicom-palette": _cine_of(_palette, COLOURS),
    "dicom-rgb-planar": _dicom_of(
        _dicom([COLOURS[1]], PlanarConfiguration=1, PixelData=np.moveaxis(COLOURS[1], -1, 0).tobytes()), COLOURS[1:2]
    ),
    "dicom-ybr-full": _dicom_of(
        _dicom([_ybr(COLOURS[1])], PhotometricInterpretation="YBR_FULL"), COLOURS[1:2], 2
    ),
    "dicom-ybr-full-422": _dicom_of(_ybr_422, COLOURS[1:2], 6),
    "nifti-2d": _nifti_of(".nii", nifti(GREYS[1:2]), GREYS[1:2]),
    "nifti-3d": _nifti_of(".nii", nifti(DEEP, (COUNT,)), DEEP, bits=16),
    "nifti-4d-packed": _nifti_of(
        ".nii.gz", nifti(GREYS, (2, 3)), GREYS, times=(0.0, 0.0, 0.04, 0.04, 0.08, 0.08)
    ),
    "nifti-2": _nifti_of(".nii.gz", nifti(GREYS, (1, COUNT), nibabel.Nifti2Image), GREYS, times=TIMES),
    "nifti-colour": _nifti_of(".nii", _nifti_colour, COLOURS[1:2]),
    "avi-motion-jpeg": Specimen(".avi", video(LONG, "mjpeg", "yuvj420p", qscale="2"), LONG, 15, times=LONG_TIMES),
    "avi-raw": Specimen(".avi", video(GREYS, "rawvideo", "gray"), GREYS, times=TIMES),
    "avi-mpeg4": Specimen(".avi", video(LONG, "mpeg4", "yuv420p", bf="2", g="12"), LONG, 25, times=LONG_TIMES),
    "mp4-h264": Specimen(".mp4", video(LONG, "libx264", "yuv420p", bf="3", g="16"), LONG, 15, times=LONG_TIMES),
    "mp4-uneven": Specimen(".mp4", video(LONG, "libx264", "yuv420p", UNEVEN, g="16"), LONG, 15, times=UNEVEN_TIMES),
}  # fmt: skip
