"""How long a frame of a 500-frame cine takes, and whether memory stays flat: ``python tests/frame_speed.py``.

Makes 640 × 480 colour cines of speckle (JPEG baseline in DICOM, motion JPEG in AVI, H.264 in MP4, packed NIfTI) in a
temporary folder, reads all frames in order and 100 at random, and prints one line of JSON for each.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import tempfile
import time
from functools import partial
from io import BytesIO
from pathlib import Path

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
    figures = {
        name: {f"p{share}": round(float(np.percentile(values, share)), 1) for share in (50, 95, 100)}
        for name, values in took.items()
    }
    return {
        "file": path.name, "mib": path.stat().st_size >> 20, "open_ms": round(1000 * opened), **figures,
        "grown_mib": round(grown, 1),
    }  # fmt: skip


def main() -> None:
    pictures = frames()
    kinds = {
        "cine.dcm": write_dicom,
        "cine.avi": lambda path, these: video(these, "mjpeg", "yuvj420p", qscale="3")(path),
        "cine.mp4": lambda path, these: video(these, "libx264", "yuv420p", preset="veryfast", g="50")(path),
        "cine.nii.gz": write_nifti,
    }
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or kinds:
            partial(kinds[name], Path(folder) / name)(pictures)
            sys.stdout.write(f"{json.dumps(measure(Path(folder) / name))}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
