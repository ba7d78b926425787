"""The ways in which :mod:`fuzz_readers` damages files."""

from __future__ import annotations

import gzip
import random
import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import tifffile
from pydicom import dcmread, uid
from specimens import GREYS, SPECIMENS, _dataset, _dicom

WORDS = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF0, 65500, 100_000, 1 << 28)
TAGS: dict[str, tuple[Any, ...]] = {
    "Rows": (0, 1, 15, 47, 49, 65535), "Columns": (0, 1, 15, 63, 65, 65535),
    "NumberOfFrames": (0, -1, 5, 7, 100_000, 2_000_000_000), "BitsAllocated": (0, 1, 8, 12, 16, 24, 32, 64),
    "BitsStored": (0, 1, 7, 12, 16, 32), "HighBit": (0, 6, 15), "SamplesPerPixel": (0, 1, 2, 3, 4, 255),
    "PixelRepresentation": (0, 1, 2), "PlanarConfiguration": (0, 1, 2),
    "PhotometricInterpretation": ("MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "YBR_FULL_422", "PALETTE COLOR",
                                  "YBR_RCT", "HSV", ""),
    "FrameTime": (0, -1, 1e300), "PixelSpacing": ([0, 0], [1e-9, 1e9], [-1, -1]), "PixelData": (b"", b"\0" * 10),
}  # fmt: skip
SYNTAXES = (
    uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian, uid.JPEGBaseline8Bit,
    uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless, uid.RLELossless, "1.2.3.4",
)  # fmt: skip


def damaged(content: bytes, name: str, chance: random.Random, seeds: dict[str, bytes]) -> bytes:
    """One to three kinds of damage."""
    if name.startswith("dicom") and chance.random() < 0.3:
        content = _wrong_tags(content, chance)
    elif name.startswith("png") and chance.random() < 0.3:
        content = _wrong_png_head(content, chance)
    elif "nifti" in name and chance.random() < 0.4:
        content = _wrong_fields(content, chance)
    for _ in range(chance.randint(1, 3)):
        content = chance.choice(KINDS)(content, chance, seeds) or b"\0"
    return content


def _place(content: bytes, chance: random.Random) -> int:
    """Anywhere, and more often near the beginning or the end, where the headers are."""
    where = chance.random()
    near = min(len(content), 1024)
    if where < 0.5:
        return chance.randrange(near)
    return len(content) - 1 - chance.randrange(near) if where < 0.7 else chance.randrange(len(content))


def _cut(content: bytes, chance: random.Random, seeds: dict[str, bytes]) -> bytes:
    return content[: chance.randint(1, len(content))]


def _bits(content: bytes, chance: random.Random, seeds: dict[str, bytes]) -> bytes:
    flipped = bytearray(content)
    for _ in range(chance.randint(1, 12)):
        flipped[_place(content, chance)] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def _word(content: bytes, chance: random.Random, seeds: dict[str, bytes]) -> bytes:
    """An absurd number somewhere."""
    written = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        size, order = chance.choice((1, 2, 4, 4, 8)), chance.choice(("little", "big"))
        at = _place(content, chance)
        value = chance.choice(WORDS) & ((1 << 8 * size) - 1)
        written[at : at + size] = value.to_bytes(size, order)[: max(0, len(content) - at)]  # type: ignore[arg-type]
    return bytes(written)


def _hole(content: bytes, chance: random.Random, seeds: dict[str, bytes]) -> bytes:
    """Bytes lost, doubled, or blank."""
    start = _place(content, chance)
    stop = start + chance.randint(1, 200)
    filling = chance.choice((b"", 2 * content[start:stop], bytes(stop - start), chance.randbytes(stop - start)))
    return content[:start] + filling + content[stop:]


def _splice(content: bytes, chance: random.Random, seeds: dict[str, bytes]) -> bytes:
    """The beginning of one file and the end of another."""
    other = seeds[chance.choice(sorted(seeds))]
    return content[: chance.randint(0, len(content))] + other[chance.randrange(len(other)) :]


KINDS = (_cut, _bits, _bits, _word, _word, _hole, _splice)


def _wrong_tags(content: bytes, chance: random.Random) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = dcmread(BytesIO(content))
            for _ in range(chance.randint(1, 3)):
                name = chance.choice(sorted(TAGS))
                if chance.random() < 0.3 and name in dataset:
                    delattr(dataset, name)
                else:
                    setattr(dataset, name, chance.choice(TAGS[name]))
            file = BytesIO()
            dataset.save_as(file)
            written = file.getvalue()
        except Exception:  # noqa: BLE001 - what pydicom will not write stays as it is
            return content
    if chance.random() < 0.3:
        old, new = str(dataset.file_meta.TransferSyntaxUID).encode(), chance.choice(SYNTAXES).encode()
        written = written.replace(old, new.ljust(len(old), b"\0")[: len(old)], 1)
    return written


def _wrong_png_head(content: bytes, chance: random.Random) -> bytes:
    head = bytearray(content[12:29])
    at = chance.choice((4, 8, 12))
    if at == 12:
        head[12:15] = chance.randbytes(3)
    else:
        head[at : at + 4] = chance.choice((0, 1, 63, 65, 9000, 9500, 1 << 20, 0xFFFFFFFF)).to_bytes(4)
    return content[:12] + bytes(head) + zlib.crc32(head).to_bytes(4) + content[33:]


def _wrong_fields(content: bytes, chance: random.Random) -> bytes:
    """NIfTI: sides, kind of value, place of the values, scale, units."""
    written = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        field = chance.randrange(5)
        if field == 0:
            struct.pack_into("<h", written, 40 + 2 * chance.randrange(8), chance.choice((-1, 0, 1, 2, 5, 3000, 32767)))
        elif field == 1:
            struct.pack_into("<hh", written, 70, chance.choice((0, 1, 2, 4, 16, 32, 64, 128, 512, 1536, 2304)), 16)
        elif field == 2:
            struct.pack_into("<f", written, 108, chance.choice((0.0, -1.0, 1e30, float("nan"), 352.5, 1e6)))
        elif field == 3:
            struct.pack_into("<ff", written, 112, chance.choice((float("nan"), 1e38, 0.0)), chance.choice((1e38, 0.0)))
        else:
            written[123] = chance.randrange(256)
    return bytes(written)


def bombs(folder: Path) -> list[tuple[str, bytes]]:
    """Small files that unpack to much."""
    return [*_gzip_bombs(), *_tiff_bombs(folder), *_dicom_bombs(folder), *_png_bombs()]


def _zeros(millions: int, window: int) -> bytes:
    """So many million zeros, packed."""
    packer = zlib.compressobj(1, zlib.DEFLATED, window)
    return b"".join([packer.compress(bytes(1_000_000)) for _ in range(millions)] + [packer.flush()])


def _gzip_bombs() -> list[tuple[str, bytes]]:
    """A volume as large as its header says, some that are larger, and some whose header is absurd."""
    found = []
    zeros = _zeros(1500, 31)
    for sides in ((64, 64, 30_000), (2000, 2000, 400), (9000, 9000, 8), (32_767, 2000, 60), (32_767, 32_767, 1)):
        header = nibabel.Nifti1Header()
        header.set_data_shape(sides)
        header.set_data_dtype(np.float64 if sides[0] in (2000, 9000) else np.uint8)
        header["vox_offset"], header["magic"] = 352, b"n+1"
        found.append(("bomb.nii.gz", gzip.compress(header.binaryblock + bytes(4)) + zeros))
    return found


def _tiff_bombs(folder: Path) -> list[tuple[str, bytes]]:
    """A strip that unpacks to 2.5 GB, of small pages; and pages that are as large as they say."""
    found = []
    path = folder / "bomb.tif"
    strip = _zeros(2500, 15)
    for side in (64, 9000, 60_000):
        tifffile.imwrite(path, GREYS[0], compression="zlib", photometric="minisblack", metadata=None)
        with tifffile.TiffFile(path, mode="r+") as tiff:
            page: Any = tiff.pages[0]
            for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
                if name in page.tags:
                    page.tags[name].overwrite(side)
            page.tags["StripOffsets"].overwrite(path.stat().st_size)
            page.tags["StripByteCounts"].overwrite(len(strip))
        found.append(("bomb.tif", path.read_bytes() + strip))
    tifffile.imwrite(path, np.zeros((8000, 9000), np.float64), compression="zlib", rowsperstrip=8000)
    return [*found, ("wide.tif", path.read_bytes())]


def _dicom_bombs(folder: Path) -> list[tuple[str, bytes]]:
    found = []
    for rows, count in ((60, 5), (9000, 10), (60, 45)):
        dataset = _dataset([GREYS[0]], Rows=rows, Columns=9000 if rows == 9000 else 64)
        dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        dataset.PixelData = b""
        file = BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        head = file.getvalue()[:-4]
        cut = 132 + 12 + struct.unpack("<I", head[140:144])[0]
        plain = uid.ExplicitVRLittleEndian.encode() + b"\0"
        assert plain in head[:cut]
        packer = zlib.compressobj(1, zlib.DEFLATED, -15)
        body = packer.compress(head[cut:] + struct.pack("<I", count * 50_000_000))
        body += b"".join(packer.compress(bytes(10_000_000)) for _ in range(5 * count)) + packer.flush()
        meta = head[132 + 12 : cut].replace(
            b"UI" + struct.pack("<H", len(plain)) + plain,
            b"UI" + struct.pack("<H", 22) + uid.DeflatedExplicitVRLittleEndian.encode(),
        )
        found.append(("bomb.dcm", head[:140] + struct.pack("<I", len(meta)) + meta + body))
    for name in ("dicom-jpeg-baseline", "dicom-jpeg-lossless-sv1", "dicom-jpeg-ls"):
        found.append((f"{name}.dcm", _claiming(SPECIMENS[name].save(folder, "claim").read_bytes(), 60_000)))
    _dicom(GREYS, NumberOfFrames=2_000_000_000)(folder / "many.dcm")
    return [*found, ("many.dcm", (folder / "many.dcm").read_bytes())]


def _claiming(content: bytes, side: int) -> bytes:
    """Compressed frames that claim to be larger than the header says."""
    for mark in (b"\xff\xc0", b"\xff\xc3", b"\xff\xf7"):
        at = content.find(mark, content.find(b"\xff\xd8"))
        if at > 0:
            content = content[: at + 5] + 2 * side.to_bytes(2) + content[at + 9 :]
    return content


def _png_bombs() -> list[tuple[str, bytes]]:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)

    found = []
    rows = _zeros(400, 15)
    for side, colour in ((9400, 6), (64, 0), (60_000, 2)):
        head = side.to_bytes(4) * 2 + bytes([8, colour, 0, 0, 0])
        text = b"note\0\0" + rows
        found += [
            ("bomb.png", b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in parts))
            for parts in (
                ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b"")),
                ((b"IHDR", head), (b"zTXt", text), (b"IDAT", rows), (b"IEND", b"")),
                ((b"IHDR", head), (b"acTL", (1 << 30).to_bytes(4) + bytes(4)), (b"IDAT", rows), (b"IEND", b"")),
            )
        ]
    return found
