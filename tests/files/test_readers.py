from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pictures import COLOUR, GREY8, GREY16, save
from PIL import Image

from napari_adasam.domain.records import Annotation
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.files.clips import natural_key
from napari_adasam.files.exports import ExportOptions, export
from napari_adasam.files.readers import open_file, open_paths


@pytest.mark.parametrize("pixels", [GREY8, COLOUR, GREY16], ids=["grey", "colour", "16 bit"])
def test_png_gives_back_what_was_saved(tmp_path: Path, pixels: np.ndarray) -> None:
    clip = open_file(save(tmp_path / "scan.png", pixels))
    assert clip.read(0).dtype == pixels.dtype
    assert np.array_equal(clip.read(0), pixels)
    frame = clip.frames[0]
    assert (frame.height, frame.width, frame.index, frame.stem) == (40, 30, 0, "scan")
    assert frame.spacing is None


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    pixels=arrays(np.uint8, st.tuples(st.integers(16, 40), st.integers(16, 40)))
    | arrays(np.uint16, st.tuples(st.integers(16, 40), st.integers(16, 40)))
    | arrays(np.uint8, st.tuples(st.integers(16, 40), st.integers(16, 40), st.just(3))),
    ending=st.sampled_from([".png", ".tif"]),
)
def test_lossless_formats_round_trip(tmp_path: Path, pixels: np.ndarray, ending: str) -> None:
    path = tmp_path / f"any{ending}"
    Image.fromarray(pixels).save(path) if ending == ".png" else tifffile.imwrite(path, pixels)
    assert np.array_equal(open_file(path).read(0), pixels)


def test_frame_id_is_the_hash_of_the_bytes_wherever_the_file_lies(tmp_path: Path) -> None:
    first = save(tmp_path / "a.png", GREY8)
    (tmp_path / "other").mkdir()
    second = tmp_path / "other" / "b.png"
    second.write_bytes(first.read_bytes())
    expected = hashlib.sha256(first.read_bytes()).hexdigest()[:16]
    assert open_file(first).frames[0].id == open_file(second).frames[0].id == expected


@pytest.mark.parametrize("mode", ["1", "LA", "P", "RGBA", "CMYK", "YCbCr"])
def test_other_modes_become_grey_or_rgb(tmp_path: Path, mode: str) -> None:
    slow = np.add.outer(np.arange(40) * 3, np.arange(30) * 2)
    image = Image.fromarray(np.stack([slow, 200 - slow, slow // 2], axis=-1).astype(np.uint8)).convert(mode)
    path = tmp_path / f"scan{'.jpg' if mode in ('CMYK', 'YCbCr') else '.png'}"
    image.save(path)
    pixels = open_file(path).read(0)
    grey = mode in ("1", "LA")
    assert pixels.shape == ((40, 30) if grey else (40, 30, 3))
    assert pixels.dtype == np.uint8
    expected = np.asarray(image.convert("L" if grey else "RGB"), float)
    assert np.abs(pixels - expected).mean() < (12 if path.suffix == ".jpg" else 0.5)


def test_transparency_does_not_change_colours(tmp_path: Path) -> None:
    see_through = np.dstack([COLOUR, np.zeros((40, 30), np.uint8)])
    assert np.array_equal(open_file(save(tmp_path / "a.png", see_through)).read(0), COLOUR)


def test_palette_with_transparent_colours_gives_no_warning(tmp_path: Path) -> None:
    image = Image.fromarray(COLOUR).convert("P")
    image.save(tmp_path / "p.png", transparency=bytes(range(200)))
    assert open_file(tmp_path / "p.png").read(0).shape == (40, 30, 3)


def test_animated_png_is_a_clip(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.roll(GREY8, shift, axis=0)) for shift in range(3)]
    frames[0].save(tmp_path / "beat.png", save_all=True, append_images=frames[1:])
    clip = open_file(tmp_path / "beat.png")
    assert [frame.stem for frame in clip.frames] == ["beat_0000", "beat_0001", "beat_0002"]
    assert len({frame.id for frame in clip.frames}) == 3
    for index in (2, 0, 1):
        assert np.array_equal(clip.read(index), np.roll(GREY8, index, axis=0))


def test_jpeg_is_close_to_the_picture(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint8)
    clip = open_file(save(tmp_path / "scan.jpeg", smooth, quality=95))
    assert clip.read(0).shape == (64, 80)
    assert np.abs(clip.read(0).astype(int) - smooth).mean() < 3


def test_folder_is_read_in_natural_order_with_subfolders(tmp_path: Path) -> None:
    for name in ("img10", "img2", "IMG1"):
        save(tmp_path / f"{name}.png", np.roll(GREY8, len(name)))
    (tmp_path / "visit 2").mkdir()
    save(tmp_path / "visit 2" / "img2.png", GREY8)
    (tmp_path / "notes.txt").write_text("of no interest")
    save(tmp_path / ".hidden.png", GREY8)
    result = open_paths([tmp_path])
    assert result.problems == ()
    assert [clip.path.name for clip in result.clips] == ["IMG1.png", "img2.png", "img10.png", "img2.png"]
    stems = [clip.frames[0].stem for clip in result.clips]
    assert stems == ["IMG1", "img2", "img10", "img2_2"]


def test_links_to_folders_are_followed_once_each_and_in_no_circle(tmp_path: Path) -> None:
    exams, elsewhere = tmp_path / "exams", tmp_path / "elsewhere"
    for number, folder in enumerate((exams / "visit 1", elsewhere / "visit 2")):
        folder.mkdir(parents=True)
        save(folder / "scan.png", np.roll(GREY8, number))
    (exams / "2024").symlink_to(elsewhere)
    (exams / "latest").symlink_to(exams / "visit 1")
    (elsewhere / "all").symlink_to(exams)
    (elsewhere / "visit 2" / "again").symlink_to(elsewhere)
    result = open_paths([exams])
    assert result.problems == ()
    assert [clip.path.relative_to(exams).as_posix() for clip in result.clips] == [
        "2024/visit 2/scan.png",
        "visit 1/scan.png",
    ]


def test_links_that_cannot_be_followed_are_told(tmp_path: Path) -> None:
    """One upwards could lead to all of the disk; one to a disk that is not connected leads nowhere."""
    exams = tmp_path / "exams"
    exams.mkdir()
    save(exams / "scan.png", GREY8)
    (exams / "up").symlink_to(tmp_path)
    (exams / "stick").symlink_to(tmp_path / "not connected")
    result = open_paths([exams])
    assert [clip.path.name for clip in result.clips] == ["scan.png"]
    assert result.problems == (
        f"{exams / 'up'} is a link to a folder above the one that you opened, so it was left out; to have the images "
        "there, open that folder.",
        f"{exams / 'stick'} left out: what it links to is not there. Connect its disk, and open {exams} again.",
    )
    (exams / "stick 2").symlink_to(tmp_path / "not connected")
    assert " and 1 more left out: what they link to is not there." in open_paths([exams]).problems[-1]


def test_labels_of_a_data_set_and_saved_sessions_are_not_opened_as_pictures(tmp_path: Path) -> None:
    for name in ("images", "labels", "session"):
        (tmp_path / name).mkdir()
        save(tmp_path / name / "a.png", GREY8)
    (tmp_path / "session" / "session.sqlite").write_bytes(b"x")
    assert [clip.path.parent.name for clip in open_paths([tmp_path]).clips] == ["images"]


def test_what_was_exported_is_not_opened_as_pictures(tmp_path: Path) -> None:
    """Neither from a folder of its own nor from beside the pictures, which stay pictures."""
    save(tmp_path / "a.png", GREY8)
    frames = [frame for clip in open_paths([tmp_path]).clips for frame in clip.frames]
    labels = (GREY8 > 100).astype(np.uint8)
    accepted = {one.id: Annotation(one.id, labels, {}, {}, 1.0, "") for one in frames}
    for folder in (tmp_path / "export", tmp_path):
        export(accepted, frames, MUSCLE_PRESET, folder, ExportOptions(formats=("png", "tiff")))
        (folder / "overlays").mkdir()
        save(folder / "overlays" / "a.png", GREY8)
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "provenance.json").write_text('{"versions": {"another": "1"}}')
    (tmp_path / "others" / "masks").mkdir()
    save(tmp_path / "others" / "masks" / "b.png", GREY8)
    result = open_paths([tmp_path])
    assert result.problems == ()
    assert [clip.path.name for clip in result.clips] == ["a.png", "b.png"]


@given(st.lists(st.text("aB0129_ é²", max_size=6), max_size=8))
def test_natural_order_is_an_order(names: list[str]) -> None:
    ordered = sorted(names, key=natural_key)
    backwards = list(ordered)
    backwards.reverse()
    assert sorted(backwards, key=natural_key) == ordered
    assert [natural_key(name) for name in ordered] == sorted(natural_key(name) for name in names)


def test_numbers_count_as_numbers() -> None:
    assert sorted(["f10", "f9", "F1", "f01b"], key=natural_key) == ["F1", "f01b", "f9", "f10"]


def test_real_muscle_images_are_all_read(shared_data: Path) -> None:
    result = open_paths([shared_data / "muscle" / "images"])
    assert len(result.clips) == 349
    assert result.problems == ()
    assert len({clip.frames[0].stem for clip in result.clips}) == 349
    frame = result.clips[0].frames[0]
    assert result.clips[0].read(0).shape[:2] == (frame.height, frame.width)


def deep_png(path: Path, values: np.ndarray) -> Path:
    """A PNG of 16 bits: grey and transparency (height, width, 2), or colour with or without it."""
    kind = {2: 4, 3: 2, 4: 6}[values.shape[2]]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def test_16_bit_grey_with_transparency_keeps_its_bits(tmp_path: Path) -> None:
    clip = open_file(deep_png(tmp_path / "a.png", np.stack([GREY16, 65535 - GREY16], axis=-1)))
    assert np.array_equal(clip.read(0), GREY16)
    assert clip.read(0).dtype == np.uint16
    assert clip.frames[0].bits == 16


@pytest.mark.parametrize("transparency", [False, True])
def test_16_bit_colour_keeps_its_bits(transparency: bool, tmp_path: Path) -> None:
    colours = np.stack([GREY16, GREY16 // 2, 65535 - GREY16], axis=-1)
    values = np.dstack([colours, GREY16]) if transparency else colours
    clip = open_file(deep_png(tmp_path / "a.png", values))
    assert np.array_equal(clip.read(0), colours)
    assert clip.read(0).dtype == np.uint16
    assert clip.frames[0].bits == 16


def test_16_bit_grey_with_transparency_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = deep_png(tmp_path / "a.png", np.stack([GREY16, GREY16], axis=-1))
    path.write_bytes(path.read_bytes()[:-40])
    result = open_paths([path])
    assert not result.clips
    assert "a.png" in result.problems[0]
