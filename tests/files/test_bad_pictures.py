from __future__ import annotations

import errno
import os
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures import COLOUR, GREY8, save, sentence
from PIL import Image

from napari_adasam.domain.errors import InputError
from napari_adasam.files.readers import open_file, open_paths


def test_not_an_image(tmp_path: Path) -> None:
    for ending in (".png", ".tif", ".dcm", ".jpg"):
        path = tmp_path / f"letter{ending}"
        path.write_bytes(b"Dear doctor, " * 100)
        assert sentence(path).startswith(f"letter{ending} is not a")


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif"])
def test_truncated_file(tmp_path: Path, ending: str) -> None:
    whole = tmp_path / f"whole{ending}"
    noise = np.random.default_rng(0).integers(0, 255, (200, 200)).astype(np.uint8)
    save(whole, noise) if ending != ".tif" else tifffile.imwrite(whole, noise)
    cut = tmp_path / f"cut{ending}"
    cut.write_bytes(whole.read_bytes()[:-3000])
    assert sentence(cut) == f"cut{ending} is damaged or cut short, and was left out; copy it again from where it came."


def test_a_telephone_s_photo_with_a_film_behind_it_is_read(tmp_path: Path) -> None:
    path = save(tmp_path / "photo.jpg", GREY8, quality=95)
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0\0\0\x18ftypmp42" + bytes(200_000))
    with Image.open(path) as image:
        assert np.array_equal(open_file(path).read(0), np.asarray(image))
    path.write_bytes(whole[:-300])
    assert "damaged or cut short" in sentence(path)


def test_the_end_of_a_preview_is_not_the_end_of_a_photo(tmp_path: Path) -> None:
    small = save(tmp_path / "small.jpg", GREY8).read_bytes()
    preview = b"\xff\xe1" + (len(small) + 2).to_bytes(2) + small
    whole = save(tmp_path / "photo.jpg", GREY8, quality=95).read_bytes()
    (tmp_path / "photo.jpg").write_bytes(whole[:2] + preview + whole[2:])
    assert open_file(tmp_path / "photo.jpg").read(0).shape == GREY8.shape
    (tmp_path / "photo.jpg").write_bytes(whole[:2] + preview + whole[2:-300])
    assert "damaged or cut short" in sentence(tmp_path / "photo.jpg")


def test_truncated_stack_names_the_file(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 255, (20, 64, 64)).astype(np.uint8)
    for name, options in (("plain", {}), ("imagej", {"imagej": True}), ("packed", {"compression": "zlib"})):
        whole = tmp_path / f"{name}.tif"
        tifffile.imwrite(whole, stack, photometric="minisblack", **options)  # type: ignore[arg-type]
        whole.write_bytes(whole.read_bytes()[:-5000])
        assert "cut short" in sentence(whole)


def test_empty_file_empty_folder_missing_path_and_unknown_ending(tmp_path: Path) -> None:
    (tmp_path / "none.png").touch()
    assert "is empty (0 bytes)" in sentence(tmp_path / "none.png")
    (tmp_path / "folder").mkdir()
    assert sentence(tmp_path / "folder").endswith(
        "holds no pictures; PNG, JPEG, TIFF, DICOM, NIfTI, AVI and MP4 are read."
    )
    assert "does not exist" in sentence(tmp_path / "gone.png")
    (tmp_path / "clip.wmv").write_bytes(b"video")
    assert (
        sentence(tmp_path / "clip.wmv")
        == "clip.wmv is of a kind that is not read; PNG, JPEG, TIFF, DICOM, NIfTI, AVI and MP4 are."
    )


def test_too_small(tmp_path: Path) -> None:
    dot = save(tmp_path / "dot.png", np.zeros((1, 1), np.uint8))
    assert sentence(dot) == "dot.png is too small (1 × 1 px); an image needs sides of at least 16 px."
    tifffile.imwrite(tmp_path / "dot.tif", np.zeros((1, 1), np.uint8))
    assert "too small (1 × 1 px)" in sentence(tmp_path / "dot.tif")
    assert "too small (40 × 15 px)" in sentence(save(tmp_path / "thin.png", GREY8[:, :15]))
    assert open_file(save(tmp_path / "least.png", GREY8[:16, :16])).read(0).shape == (16, 16)


def test_large_image_is_read(tmp_path: Path) -> None:
    large = np.zeros((5000, 5000), np.uint8)
    large[4999, 4998] = 7
    clip = open_file(save(tmp_path / "large.png", large, compress_level=1))
    assert (clip.frames[0].height, clip.frames[0].width) == (5000, 5000)
    assert clip.read(0)[4999, 4998] == 7


def png_claiming(height: int, width: int) -> bytes:
    """A small file whose header promises a huge picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [9_440, 12_000, 60_000])
def test_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, side: int) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png_claiming(side, side))
    tracemalloc.start()
    assert "bomb.png claims to be" in sentence(bomb)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_one_broken_file_does_not_stop_the_others(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"good{number}.png", np.roll(GREY8, number))
    (tmp_path / "good1b.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    result = open_paths([tmp_path])
    assert len(result.clips) == 3
    assert len(result.problems) == 1
    assert "good1b.png" in result.problems[0]


def test_file_that_goes_away_or_changes_after_opening(tmp_path: Path) -> None:
    clip = open_file(save(tmp_path / "a.png", GREY8))
    save(tmp_path / "a.png", GREY8[:20])
    with pytest.raises(
        InputError, match=r"a\.png has changed since it was opened \(now 20 × 30 px, 40 × 30 px before\)"
    ):
        clip.read(0)
    os.remove(tmp_path / "a.png")
    with pytest.raises(InputError, match="is not there any more"):
        clip.read(0)


def make_png(path: Path) -> None:
    save(path, COLOUR)


def make_jpeg(path: Path) -> None:
    save(path, COLOUR)


def make_tiff(path: Path) -> None:
    tifffile.imwrite(path, np.stack([GREY8, GREY8 + 1]), imagej=True, metadata={"unit": "mm"}, resolution=(9, 9))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("make", "ending"), [(make_png, "png"), (make_jpeg, "jpg"), (make_tiff, "tif")])
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damaged_bytes_end_in_a_sentence_or_in_pixels(
    tmp_path: Path, make: Callable[[Path], None], ending: str, data: st.DataObject
) -> None:
    whole = tmp_path / f"whole.{ending}"
    if not whole.exists():
        make(whole)
    content = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / f"damaged.{ending}"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    problem = None
    try:
        clip = open_file(path)
        for frame in clip.frames[:3]:
            pixels = clip.read(frame.index)
            assert pixels.shape[:2] == (frame.height, frame.width)
            assert pixels.dtype in (np.uint8, np.uint16)
    except InputError as error:
        problem = str(error)
    assert problem is None or f"damaged.{ending}" in problem


@pytest.mark.parametrize("locked", [".", "exams/knee"])
def test_a_folder_that_may_not_be_looked_into_is_named(
    locked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "exams" / "knee").mkdir(parents=True)
    save(tmp_path / "exams" / "scan.png", GREY8)
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path) == tmp_path / locked:
            raise PermissionError(errno.EACCES, "not for you", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    result = open_paths([tmp_path])
    assert [clip.path.name for clip in result.clips] == ([] if locked == "." else ["scan.png"])
    (problem,) = result.problems
    assert problem.startswith(f"{(tmp_path / locked).name} may not be read by this user")


def test_pictures_of_kinds_that_are_not_read_are_counted_in_a_folder(tmp_path: Path) -> None:
    save(tmp_path / "scan.png", GREY8)
    for name in ("a.bmp", "b.GIF", "deeper/c.bmp", "notes.txt", ".d.bmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"picture")
    result = open_paths([tmp_path])
    assert len(result.clips) == 1
    assert result.problems == (
        f"3 pictures of a kind that is not read (.bmp, .gif) left out of {tmp_path}; "
        "PNG, JPEG, TIFF, DICOM, NIfTI, AVI and MP4 are read.",
    )
    assert sentence(tmp_path / "deeper").startswith("1 picture of a kind that is not read (.bmp)")


def test_files_that_may_be_listed_and_not_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "scan.png", GREY8)
    (tmp_path / "no-ending").write_bytes(bytes(200))
    stat = os.stat

    def refuse(path: object, *given: object, **named: object) -> os.stat_result:
        if str(path).startswith(f"{tmp_path}{os.sep}"):
            raise PermissionError(errno.EACCES, "not for you")
        return stat(path, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", refuse)
    assert "scan.png may not be read by this user" in sentence(tmp_path)
