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
    uid.JPEGBaseline8Bit: "pillow",
    uid.JPEGExtended12Bit: "pillow",
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEG2000Lossless: "pylibjpeg",
    uid.JPEG2000: "pylibjpeg",
    uid.RLELossless: "pydicom",
}
"""pydicom's name of the decoder; where there is none here, pydicom has only one itself."""
LOSSLESS_JPEG = (uid.JPEGLossless, uid.JPEGLosslessSV1)
END_OF_IMAGE = b"\xff\xd9"


def can_decode(syntax: uid.UID) -> bool:
    """Whether pictures that are compressed, or laid out, in this way can be read."""
    try:
        return syntax in LOSSLESS_JPEG or get_decoder(syntax).is_available
    except NotImplementedError:
        return False


def decoded(dataset: Dataset, frame: bytes, options: dict[str, Any]) -> tuple[NDArray[Any], str]:
    """Values of one compressed frame, and how their colours are coded; YCbCr from JPEG as RGB.

    Parameters
    ----------
    options
        What pydicom's decoder is to know of the picture.

    Raises
    ------
    EOFError
        If the end of a lossless or 12-bit JPEG is missing.
    RuntimeError, NotImplementedError
        If the decoder cannot do it; what is damaged also raises as each decoder likes.
    """
    syntax = uid.UID(dataset.file_meta.TransferSyntaxUID)
    if syntax in LOSSLESS_JPEG or (syntax == uid.JPEGExtended12Bit and int(dataset.BitsStored) > 8):
        return _by_libjpeg_turbo(dataset, frame)
    plugin = DECODERS.get(syntax, "")
    to_rgb = plugin == "pillow" and str(dataset.PhotometricInterpretation).startswith("YBR_FULL")
    # The decoder gets this frame alone, or it would look for it among all of them again.
    alone = options | {"number_of_frames": 1, "extended_offsets": None}
    source = encapsulate([frame], has_bot=False)
    values, facts = get_decoder(syntax).as_array(source, index=0, decoding_plugin=plugin, raw=to_rgb, **alone)
    if to_rgb:
        height, width = values.shape[:2]
        return np.asarray(Image.frombytes("YCbCr", (width, height), values.tobytes()).convert("RGB")), "RGB"
    return values, str(facts["photometric_interpretation"])


def _by_libjpeg_turbo(dataset: Dataset, frame: bytes) -> tuple[NDArray[Any], str]:
    if not frame.rstrip(b"\0").endswith(END_OF_IMAGE):
        raise EOFError("cut short")
    colours = str(dataset.PhotometricInterpretation)
    coded = {"RGB": "RGB", "YBR_FULL": "YCBCR", "YBR_FULL_422": "YCBCR"}.get(colours)
    values = np.asarray(jpeg8_decode(frame, colorspace=coded, outcolorspace=coded))
    if coded == "YCBCR":
        values, colours = np.asarray(Image.fromarray(values, "YCbCr").convert("RGB")), "RGB"
    if int(dataset.PixelRepresentation) == 1:
        unused = 8 * values.dtype.itemsize - int(dataset.BitsStored)
        values = (values << unused).view(f"i{values.dtype.itemsize}") >> unused
    return values, colours
