"""Which of the decoders that pydicom knows unpacks a picture, and colours as a screen has them.

Left to itself pydicom takes the first decoder that is installed. Then a frame could look a little different on two
computers, and JPEG would take four times as long as it need.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, uid
from pydicom.pixels.decoders.base import get_decoder

DECODERS = {
    uid.JPEGBaseline8Bit: "pillow",
    uid.JPEGExtended12Bit: "pillow",
    uid.JPEGLossless: "gdcm",
    uid.JPEGLosslessSV1: "gdcm",
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEG2000Lossless: "pylibjpeg",
    uid.JPEG2000: "pylibjpeg",
    uid.RLELossless: "pydicom",
}
"""pydicom's name of the decoder; where there is none here, pydicom has only one itself."""
TWELVE_BITS = "pylibjpeg-libjpeg"
"""The only decoder of 12-bit JPEG; its licence is the GPL, so that a user installs it by choice."""


def why_not(dataset: Dataset) -> str | None:
    """Why the picture cannot be unpacked here, as the end of a sentence; ``None`` where it can."""
    syntax = uid.UID(dataset.file_meta.TransferSyntaxUID)
    try:
        unpacks = get_decoder(syntax).is_available
    except NotImplementedError:
        unpacks = False
    if not unpacks:
        name = "a private kind" if syntax.is_private else syntax.name
        return f"is compressed as {name}, which cannot be unpacked here; save it uncompressed."
    if _has_twelve_bits(dataset) and find_spec("libjpeg") is None:
        return (
            f"is compressed as 12-bit JPEG, which needs a package under the GPL: pip install {TWELVE_BITS}. Or save it "
            "uncompressed."
        )
    return None


def decoded(
    dataset: Dataset, source: BinaryIO | bytes, index: int, options: dict[str, Any]
) -> tuple[NDArray[Any], str]:
    """Values of one frame, and how their colours are coded; YCbCr from JPEG as RGB.

    Parameters
    ----------
    options
        What pydicom's decoder is to know of the picture.

    Raises
    ------
    RuntimeError, NotImplementedError
        If the decoder cannot do it; what is damaged also raises as each decoder likes.
    """
    syntax = uid.UID(dataset.file_meta.TransferSyntaxUID)
    plugin = "pylibjpeg" if _has_twelve_bits(dataset) else DECODERS.get(syntax, "")
    by_pillow = plugin == "pillow" and dataset.SamplesPerPixel == 3
    values, facts = get_decoder(syntax).as_array(source, index=index, decoding_plugin=plugin, raw=by_pillow, **options)
    colours = str(facts["photometric_interpretation"])
    if by_pillow and colours.startswith("YBR_FULL"):
        height, width = values.shape[:2]
        return np.asarray(Image.frombytes("YCbCr", (width, height), values.tobytes()).convert("RGB")), "RGB"
    return values, colours


def _has_twelve_bits(dataset: Dataset) -> bool:
    return dataset.file_meta.TransferSyntaxUID == uid.JPEGExtended12Bit and int(dataset.BitsStored) > 8
