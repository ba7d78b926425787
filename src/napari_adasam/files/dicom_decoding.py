"""Compressed pictures in DICOM: one decoder for each compression, the same on every computer.

Left to itself pydicom takes the first decoder that is installed, which need not be the fastest by far. Of those that it
knows for lossless and 12-bit JPEG, one is under the GPL, and one ends the program where a file is damaged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from imagecodecs import jpeg8_decode
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, uid
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder

DECODERS = {
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEG2000Lossless: "pylibjpeg",
    uid.JPEG2000: "pylibjpeg",
    uid.RLELossless: "pydicom",
}
"""pydicom's name of the decoder; where there is none here, pydicom has only one itself."""
LOSSLESS_JPEG = (uid.JPEGLossless, uid.JPEGLosslessSV1)
JPEG = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, *LOSSLESS_JPEG)
"""For libjpeg-turbo."""
JPEG_LS = (uid.JPEGLSLossless, uid.JPEGLSNearLossless)
END_OF_IMAGE, PADDING = b"\xff\xd9", 16
"""Where the mark is missing, decoders of JPEG-LS go on for ever, and others fill the rest with grey."""
START_OF_SCAN, FILLING = 0xDA, 0xFF
SAYS_COLOURS = {0xE0: b"JFIF\x00", 0xEE: b"Adobe"}
"""A JPEG with one of these marks says itself how its colours are coded: with JFIF's, as YCbCr."""


def can_decode(syntax: uid.UID) -> bool:
    """Whether pictures that are compressed, or laid out, in this way can be read."""
    try:
        return syntax in JPEG or get_decoder(syntax).is_available
    except NotImplementedError:
        return False


def bits_below(dataset: Dataset) -> int:
    """How many bits below each value are none of it, which files of before 2011 may have; others say 0 by their tags.

    Pictures that are compressed by more than their runs have none: what packs them takes the values alone.
    """
    syntax = uid.UID(dataset.file_meta.TransferSyntaxUID)
    stored, high = int(dataset.BitsStored), int(dataset.get("HighBit") or 0)
    plain = not syntax.is_encapsulated or syntax == uid.RLELossless
    return max(0, high + 1 - stored) if plain and high < int(dataset.BitsAllocated) else 0


def decoded(dataset: Dataset, frame: bytes, options: dict[str, Any]) -> tuple[NDArray[Any], str]:
    """Values of one compressed frame, and how their colours are coded; YCbCr from JPEG as RGB.

    Parameters
    ----------
    options
        What pydicom's decoder is to know of the picture.

    Raises
    ------
    EOFError
        If the end of a JPEG is missing.
    RuntimeError, NotImplementedError
        If the decoder cannot do it; what is damaged also raises as each decoder likes.
    """
    syntax = uid.UID(dataset.file_meta.TransferSyntaxUID)
    if syntax in JPEG + JPEG_LS and frame.rfind(END_OF_IMAGE) < len(frame) - PADDING:
        raise EOFError("cut short")
    if syntax in JPEG:
        return _by_libjpeg_turbo(dataset, frame)
    # The decoder gets this frame alone, or it would look for it among all of them again.
    alone = options | {"number_of_frames": 1, "extended_offsets": None}
    source = encapsulate([frame], has_bot=False)
    values, facts = get_decoder(syntax).as_array(source, index=0, decoding_plugin=DECODERS.get(syntax, ""), **alone)
    return values, str(facts["photometric_interpretation"])


def _by_libjpeg_turbo(dataset: Dataset, frame: bytes) -> tuple[NDArray[Any], str]:
    colours = str(dataset.PhotometricInterpretation)
    coded: str | None = {"RGB": "RGB", "YBR_FULL": "YCBCR", "YBR_FULL_422": "YCBCR"}.get(colours)
    lossless = dataset.file_meta.TransferSyntaxUID in LOSSLESS_JPEG
    if not lossless and _says_colours(frame):
        coded = None
    # Of lossless pictures libjpeg-turbo does not turn the colours.
    shown = coded if lossless else "RGB" if int(dataset.SamplesPerPixel) > 1 else None
    values = np.asarray(jpeg8_decode(frame, colorspace=coded, outcolorspace=shown))
    if shown == "YCBCR":
        values, shown = np.asarray(Image.fromarray(values, "YCbCr").convert("RGB")), "RGB"
    if int(dataset.PixelRepresentation) == 1:
        unused = 8 * values.dtype.itemsize - int(dataset.BitsStored)
        values = (values << unused).view(f"i{values.dtype.itemsize}") >> unused
    return values, shown or colours


def _says_colours(frame: bytes) -> bool:
    """Whether JFIF's or Adobe's mark stands before the picture; one within a preview does not count."""
    at = 2
    while at + 4 <= len(frame) and frame[at] == FILLING and frame[at + 1] != START_OF_SCAN:
        mark, length = frame[at + 1], int.from_bytes(frame[at + 2 : at + 4])
        if mark in SAYS_COLOURS and frame.startswith(SAYS_COLOURS[mark], at + 4):
            return True
        at += 1 if mark == FILLING else 2 + length
    return False
