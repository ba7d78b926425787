"""How long a frame of a 500-frame cine takes, and whether memory stays flat: ``python tests/frame_speed.py [FILE…]``.

Makes 640 × 480 colour cines of speckle (JPEG baseline in DICOM, motion JPEG in AVI, H.264 in MP4, packed NIfTI) in a
temporary folder, reads all frames in order and 100 at random, and prints one line of JSON for each. With ``--window``
(xvfb-run) frames are read and shown by the slider of a real napari of 1366 × 768, each until it is on the screen; and
pictures that need no reading beside them.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "files"))

import nibabel  # noqa: E402
import numpy as np  # noqa: E402
from dicom_pictures import picture, saved  # noqa: E402
from PIL import Image  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.uid import JPEGBaseline8Bit  # noqa: E402
from scipy.ndimage import gaussian_filter  # noqa: E402
from specimens import video  # noqa: E402

from napari_adasam.files.readers import open_file  # noqa: E402

COUNT, HEIGHT, WIDTH = 500, 480, 640
SHOWN = 40
"""So many are shown in a window, in order and at random."""


def frames() -> list[np.ndarray]:
    speckle = gaussian_filter(np.random.default_rng(0).random((HEIGHT, 2 * WIDTH)), 1.5)
    grey = (255 * (speckle - speckle.min()) / np.ptp(speckle)).astype(np.uint8)
    tinted = np.stack([grey, grey, np.minimum(grey, 200)], axis=-1)
    return [tinted[:, shift : shift + WIDTH] for shift in range(COUNT)]


def write_dicom(path: Path, pictures: list[np.ndarray]) -> None:
    packed = []
    for pixels in pictures:
        file = BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=90)
        packed.append(file.getvalue())
    dataset = picture(pictures[0], PhotometricInterpretation="YBR_FULL_422", NumberOfFrames=COUNT, FrameTime=40)
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate(packed, has_bot=False)
    saved(path, dataset)


def write_nifti(path: Path, pictures: list[np.ndarray]) -> None:
    array = np.stack([pixels[..., 0].T for pixels in pictures], axis=-1)[:, :, None, :]
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)


def resident() -> int:
    """Bytes of memory that the process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def measure(path: Path) -> dict[str, object]:
    """Milliseconds of processor time a frame, so that a busy machine does not count; MiB grown since frame 20."""
    begun = time.process_time()
    clip = open_file(path)
    opened = time.process_time() - begun
    order = random.Random(0).choices(range(COUNT), k=100)
    took: dict[str, list[float]] = {"in_order": [], "at_random": []}
    early = 0
    for name, numbers in (("in_order", range(COUNT)), ("at_random", order)):
        for number in numbers:
            begun = time.process_time()
            clip.read(number)
            took[name].append(1000 * (time.process_time() - begun))
            if name == "in_order" and number == 20:
                early = resident()
    grown = (resident() - early) / 2**20
    return {
        "file": path.name, "mib": path.stat().st_size >> 20, "open_ms": round(1000 * opened),
        **{name: percentiles(values) for name, values in took.items()}, "grown_mib": round(grown, 1),
    }  # fmt: skip


def percentiles(values: list[float]) -> dict[str, float]:
    return {f"p{share}": round(float(np.percentile(values, share)), 1) for share in (50, 95, 100)}


class Screen:
    """Waits until what a window has been told is on its screen, and times it."""

    def __init__(self, viewer: Any) -> None:
        self._canvas = viewer.window._qt_viewer.canvas.native
        self._shown = 0
        self._canvas.frameSwapped.connect(self._count)

    def _count(self) -> None:
        self._shown += 1

    def timed(self, act: Callable[[], object]) -> tuple[float, float]:
        """Milliseconds by the clock, and of processor time of all threads, drawing by software included."""
        from qtpy.QtWidgets import QApplication

        QApplication.processEvents()
        before, began, used = self._shown, time.perf_counter(), time.process_time()
        act()
        while self._shown == before:
            QApplication.processEvents()
        return 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - used)

    def figures(self, show: Callable[[int], object]) -> dict[str, Any]:
        """Of some frames in order (from the second one: the first is on the screen), and of some at random."""
        found: dict[str, Any] = {}
        for name, order in (
            ("in_order", range(1, SHOWN + 1)),
            ("at_random", random.Random(0).sample(range(COUNT), SHOWN)),
        ):
            took = [self.timed(partial(show, number)) for number in order]
            found[name] = {
                what: percentiles(list(one)) for what, one in zip(("wall", "cpu"), zip(*took, strict=True), strict=True)
            }
        return found


def from_memory(path: Path) -> dict[str, Any]:
    """napari's own window, with pictures of the same size that need no reading: what showing takes by itself."""
    from napari.viewer import Viewer

    viewer = Viewer(show=True)
    viewer.window.set_geometry(0, 0, 1366, 768)
    viewer.add_image(np.stack(frames()), rgb=True)
    found = Screen(viewer).figures(lambda number: viewer.dims.set_point(0, number))
    viewer.close()
    return {"file": "none", "window": "pictures in memory", **found}


def by_slider(path: Path) -> dict[str, Any]:
    """napari's own window, with the layer of our reader; its slices read in the window's thread."""
    from napari.viewer import Viewer

    viewer = Viewer(show=True)
    viewer.window.set_geometry(0, 0, 1366, 768)
    viewer.open(str(path), plugin="napari-adasam")
    found = Screen(viewer).figures(lambda number: viewer.dims.set_point(0, number))
    viewer.close()
    return {"file": path.name, "window": "slider", **found}


def main() -> None:
    pictures = frames()
    kinds = {
        "cine.dcm": write_dicom,
        "cine.avi": lambda path, these: video(these, "mjpeg", "yuvj420p", qscale="3")(path),
        "cine.mp4": lambda path, these: video(these, "libx264", "yuv420p", preset="veryfast", g="50")(path),
        "cine.nii.gz": write_nifti,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", choices=[[], *kinds])
    parser.add_argument("--window", action="store_true")
    options = parser.parse_args()
    ways = (from_memory, by_slider) if options.window else (measure,)
    with tempfile.TemporaryDirectory() as folder:
        for name in options.files or kinds:
            kinds[name](Path(folder) / name, pictures)
            for way in ways:
                sys.stdout.write(f"{json.dumps(way(Path(folder) / name))}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
