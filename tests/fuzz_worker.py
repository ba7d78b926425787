"""The process in which :mod:`fuzz_readers` reads files: a path a line in, a line of JSON out."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
from pathlib import Path

import av
import numpy as np

from napari_adasam.domain.errors import InputError
from napari_adasam.files.labels import ENDINGS, read_labels
from napari_adasam.files.readers import open_file


def read(path: Path) -> str:
    """``pixels``, or the sentence; the same file is read as a label image, too."""
    outcome = "pixels"
    try:
        clip = open_file(path)
        last = len(clip.frames) - 1
        for index in dict.fromkeys((0, 1, last // 2, last, 0)):
            if index > last:
                continue
            frame = clip.frames[index]
            pixels = clip.read(index)
            assert pixels.shape in ((frame.height, frame.width), (frame.height, frame.width, 3)), pixels.shape
            assert pixels.dtype in (np.uint8, np.uint16), pixels.dtype
            assert frame.spacing is None or 0 < frame.spacing.y_mm < 100
    except InputError as error:
        if _out_of_memory(error):
            raise MemoryError(str(error)) from error
        text = str(error)
        assert path.name in text or str(path) in text, text
        assert text.endswith("."), text
        assert "\n" not in text, text
        outcome = text
    if path.name.endswith(ENDINGS):
        try:
            read_labels(path)
        except InputError as error:
            if _out_of_memory(error):
                raise MemoryError(str(error)) from error
    return outcome


def _out_of_memory(error: BaseException | None) -> bool:
    while error is not None:
        # FFmpeg says so of every size that it refuses, too.
        if isinstance(error, MemoryError) and not isinstance(error, av.error.FFmpegError):
            return True
        error = error.__cause__
    return False


def answer(path: Path) -> dict[str, object]:
    begun = time.process_time()
    try:
        outcome, detail = ("pixels", "") if (text := read(path)) == "pixels" else ("sentence", text)
    except MemoryError:
        outcome, detail = "memory", traceback.format_exc(limit=-6)
    except BaseException:  # noqa: BLE001
        outcome, detail = "traceback", traceback.format_exc(limit=-6)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"outcome": outcome, "detail": detail, "peak_mib": peak, "cpu_s": round(time.process_time() - begun, 2)}


def main() -> None:
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # some decoders print
    for line in sys.stdin:
        out.write(f"{json.dumps(answer(Path(line.rstrip())))}\n")
        out.flush()


if __name__ == "__main__":
    main()
