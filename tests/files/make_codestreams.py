"""Packs the frames that no library of the tests can write: ``python tests/files/make_codestreams.py``, once, no test.

Needs imagecodecs (2026.3.6: libjpeg-turbo 3.1.3 and OpenJPH 0.26.3). Writes ``codestreams.zip`` beside it: for each
kind of :data:`KINDS`, the pictures of :mod:`specimens` as ``KIND/NUMBER``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import imagecodecs
import numpy as np
from specimens import COLOURS, COUNT, DEEP, TWELVE

KINDS: dict[str, tuple[list[np.ndarray], Callable[[np.ndarray], bytes]]] = {
    "jpeg-12-bit": (TWELVE, lambda pixels: imagecodecs.jpeg8_encode(pixels, level=97, bitspersample=12)),
    "htj2k-lossless": (DEEP, lambda pixels: imagecodecs.htj2k_encode(pixels, reversible=True)),
    "htj2k-rpcl": (COLOURS, lambda pixels: imagecodecs.htj2k_encode(pixels, reversible=True, rgb=True, tlm=True)),
    "htj2k": (COLOURS, lambda pixels: imagecodecs.htj2k_encode(pixels, level=0.005, rgb=True)),
}


def main() -> None:
    with ZipFile(Path(__file__).with_name("codestreams.zip"), "w", ZIP_DEFLATED) as file:
        for kind, (pictures, pack) in KINDS.items():
            for number in range(COUNT):
                file.writestr(ZipInfo(f"{kind}/{number}"), bytes(pack(pictures[number])))


if __name__ == "__main__":
    main()
