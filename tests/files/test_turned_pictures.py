"""Pictures that are stored in another position than their file wants them to be seen in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import tifffile
from pictures import COLOUR, GREY8
from PIL import Image, ImageOps

from napari_adasam.files.labels import read_labels
from napari_adasam.files.readers import open_file

ORIENTATION = 0x0112
SMOOTH = np.add.outer(np.arange(40) * 4, np.arange(30)).astype(np.uint8)


def jpeg(path: Path, orientation: int, pixels: np.ndarray = SMOOTH) -> Path:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_is_turned_as_its_camera_says(tmp_path: Path, orientation: int) -> None:
    path = jpeg(tmp_path / "photo.jpg", orientation)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    clip = open_file(path)
    frame = clip.frames[0]
    assert (frame.height, frame.width) == expected.shape == ((40, 30) if orientation < 5 else (30, 40))
    assert np.array_equal(clip.read(0), expected)
    assert clip.grey(0).shape == expected.shape


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # of Pillow
@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08", b"Exif\0\0" + bytes(range(40))], ids=len)
def test_damaged_words_of_the_camera_do_not_keep_a_jpeg_from_being_read(tmp_path: Path, exif: bytes) -> None:
    Image.fromarray(SMOOTH).save(tmp_path / "photo.jpg", exif=exif, quality=95)
    assert np.abs(open_file(tmp_path / "photo.jpg").read(0).astype(int) - SMOOTH).max() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("packing", [None, "tiff_lzw", "jpeg"])
def test_a_tiff_is_read_as_it_is_stored_however_it_is_packed(
    tmp_path: Path, packing: str | None, orientation: int
) -> None:
    path = tmp_path / "scan.tif"
    tags: dict[str, Any] = {"tiffinfo": {ORIENTATION: orientation}, "compression": packing}
    smooth = np.stack([SMOOTH, SMOOTH // 2, 255 - SMOOTH], axis=-1)
    Image.fromarray(smooth).save(path, **tags, **({"quality": 95} if packing == "jpeg" else {}))
    clip = open_file(path)
    assert (clip.frames[0].height, clip.frames[0].width) == (40, 30)
    assert np.abs(clip.read(0).astype(int) - smooth).max() <= (20 if packing == "jpeg" else 0)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_fax_and_its_labels_are_read_as_they_are_stored(tmp_path: Path, orientation: int) -> None:
    path, ink = tmp_path / "fax.tif", GREY8 > 127
    Image.fromarray(ink).save(path, compression="group4", tiffinfo={ORIENTATION: orientation})
    assert np.array_equal(open_file(path).read(0), ink * np.uint8(255))
    assert np.array_equal(read_labels(path), ink)


def test_a_page_of_a_turned_stack_is_read_as_it_is_stored(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "stack.tif", np.stack([COLOUR, COLOUR[::-1]]), photometric="rgb", extratags=[(274, "H", 1, 6, True)]
    )
    assert np.array_equal(open_file(tmp_path / "stack.tif").read(1), COLOUR[::-1])


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_video_is_turned_as_its_telephone_says(tmp_path: Path, degrees: int) -> None:
    stored = np.kron(np.arange(12, dtype=np.uint8).reshape(3, 4) * 20, np.ones((16, 16), np.uint8))
    with av.open(str(tmp_path / "v.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(degrees)
        for shift in (0, 5, 10):
            frame = av.VideoFrame.from_ndarray(np.stack([stored + np.uint8(shift)] * 3, axis=-1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    clip = open_file(tmp_path / "v.mp4")
    shown = np.rot90(stored, degrees // 90)
    assert (clip.frames[0].height, clip.frames[0].width) == shown.shape
    for index in (2, 0, 1):
        assert np.abs(clip.read(index)[..., 0].astype(int) - shown - 5 * index).max() <= 4
