from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pictures import COLOUR, GREY8, GREY16
from PIL import Image

from napari_adasam.domain.errors import InputError
from napari_adasam.files.labels import read_labels
from napari_adasam.files.readers import open_file


def test_tiff_stack_is_read_page_by_page(tmp_path: Path) -> None:
    stack = np.stack([np.roll(GREY16, shift) for shift in range(5)])
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack", compression="zlib")
    clip = open_file(tmp_path / "stack.tif")
    assert len(clip.frames) == 5
    assert clip.frames[3].stem == "stack_0003"
    assert np.array_equal(clip.read(3), stack[3])


@pytest.mark.parametrize("options", [{"imagej": True}, {"ome": True}, {"bigtiff": True}], ids=str)
def test_tiff_dialects(tmp_path: Path, options: dict[str, bool]) -> None:
    stack = np.stack([np.roll(GREY8, shift) for shift in range(4)])
    tifffile.imwrite(tmp_path / "s.tif", stack, photometric="minisblack", **options)
    clip = open_file(tmp_path / "s.tif")
    assert [np.array_equal(clip.read(index), stack[index]) for index in range(4)] == [True] * 4


def test_tiff_planar_colour_and_colour_with_alpha(tmp_path: Path) -> None:
    planar = np.moveaxis(COLOUR, -1, 0)
    tifffile.imwrite(tmp_path / "planar.tif", planar, photometric="rgb", planarconfig="separate")
    assert np.array_equal(open_file(tmp_path / "planar.tif").read(0), COLOUR)
    alpha = np.dstack([COLOUR, GREY8])
    tifffile.imwrite(tmp_path / "alpha.tif", alpha, photometric="rgb", extrasamples=["unassalpha"])
    assert np.array_equal(open_file(tmp_path / "alpha.tif").read(0), COLOUR)


def test_tiff_white_is_zero_and_palette(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "w.tif", GREY8, photometric="miniswhite")
    assert np.array_equal(open_file(tmp_path / "w.tif").read(0), 255 - GREY8)
    colours = np.zeros((3, 256), np.uint16)
    colours[1] = np.arange(256) * 256
    tifffile.imwrite(tmp_path / "p.tif", GREY8, photometric="palette", colormap=colours)
    assert np.array_equal(open_file(tmp_path / "p.tif").read(0)[..., 1], GREY8)


def test_tiff_of_other_numbers_is_scaled_and_says_so(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "f.tif", np.linspace(-1, 1, 1200, dtype=np.float32).reshape(40, 30))
    clip = open_file(tmp_path / "f.tif")
    pixels = clip.read(0)
    assert pixels.dtype == np.uint16
    assert (pixels.min(), pixels.max()) == (0, 65535)
    assert "scaled" in clip.frames[0].note


def test_the_range_of_a_stack_is_read_from_one_opened_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is opened anew for each of its pages takes the longer the square of their number."""
    stack = np.random.default_rng(0).normal(0, 1, (12, 40, 30)).astype(np.float32)
    tifffile.imwrite(tmp_path / "s.tif", stack, photometric="minisblack", compression="zlib")
    opened: list[object] = []
    file = tifffile.TiffFile

    def noting(*given: object, **options: object) -> object:
        opened.append(given)
        return file(*given, **options)

    monkeypatch.setattr(tifffile, "TiffFile", noting)
    clip = open_file(tmp_path / "s.tif")
    assert len(opened) == 1
    assert clip.read(int(np.unravel_index(stack.argmax(), stack.shape)[0])).max() == 65535


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_pages_of_a_stack_are_scaled_alike(tmp_path: Path, compression: str | None) -> None:
    """A dark page stays dark beside a bright one, on the screen and for the model: fractions, and 16 bits."""
    bright = np.linspace(0, 1, 1200).reshape(40, 30)
    stack = np.stack([bright, bright / 4, bright / 2])
    for name, values in (
        ("fractions", stack.astype(np.float32)),
        ("negative", np.rint(stack * 1000 - 1).astype(np.int16)),
        ("unsigned", np.rint(stack * 4000).astype(np.uint16)),
    ):
        tifffile.imwrite(tmp_path / f"{name}.tif", values, photometric="minisblack", compression=compression)
        clip = open_file(tmp_path / f"{name}.tif")
        for tops in ([int(clip.read(i).max()) for i in range(3)], [int(clip.grey(i).max()) for i in range(3)]):
            assert tops[1:] == pytest.approx([tops[0] / 4, tops[0] / 2], rel=0.03), name
        assert clip.grey(0).max() == 255, name


@pytest.mark.parametrize(
    ("unit", "mm"), [("mm", 1.0), ("cm", 10.0), ("micron", 0.001), ("\\u00B5m", 0.001), ("pixel", None), ("", None)]
)
def test_tiff_scale_comes_from_imagej(tmp_path: Path, unit: str, mm: float | None) -> None:
    size = (0.08, 0.05) if mm is None or mm >= 1 else (80.0, 50.0)
    resolution = (1 / size[1], 1 / size[0])
    tifffile.imwrite(tmp_path / "s.tif", GREY8, imagej=True, resolution=resolution, metadata={"unit": unit})
    spacing = open_file(tmp_path / "s.tif").frames[0].spacing
    if mm is None:
        assert spacing is None
    else:
        assert spacing is not None
        assert (spacing.y_mm, spacing.x_mm) == pytest.approx((size[0] * mm, size[1] * mm), rel=1e-4)
        assert spacing.source == "TIFF header"


def test_imagej_may_give_the_height_of_a_pixel_in_another_unit(tmp_path: Path) -> None:
    units = {"unit": "mm", "yunit": "micron"}
    tifffile.imwrite(tmp_path / "s.tif", GREY8, imagej=True, resolution=(1 / 0.05, 1 / 80), metadata=units)
    spacing = open_file(tmp_path / "s.tif").frames[0].spacing
    assert spacing is not None
    assert (spacing.y_mm, spacing.x_mm) == pytest.approx((0.08, 0.05), rel=1e-4)


def test_tiff_scale_comes_from_ome(tmp_path: Path) -> None:
    metadata = {"PhysicalSizeX": 50.0, "PhysicalSizeY": 0.08, "PhysicalSizeYUnit": "mm"}
    tifffile.imwrite(tmp_path / "s.ome.tif", GREY8, ome=True, metadata=metadata)
    spacing = open_file(tmp_path / "s.ome.tif").frames[0].spacing
    assert spacing is not None
    assert (spacing.y_mm, spacing.x_mm) == pytest.approx((0.08, 0.05))


def test_tiff_scale_of_a_printer_is_not_taken(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "s.tif", GREY8, resolution=(72, 72), resolutionunit="INCH")
    assert open_file(tmp_path / "s.tif").frames[0].spacing is None


def test_a_stack_of_500_pages_does_not_fill_the_memory(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 255, (500, 120, 160)).astype(np.uint8)
    for name, options in (("pages.tif", {"compression": "zlib"}), ("block.tif", {"imagej": True})):
        tifffile.imwrite(tmp_path / name, stack, photometric="minisblack", **options)  # type: ignore[arg-type]
        tracemalloc.start()
        clip = open_file(tmp_path / name)
        last = clip.read(499)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(clip.frames) == 500
        assert np.array_equal(last, stack[499])
        assert peak < stack.nbytes / 4


def test_pages_that_go_round_in_a_ring_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "ring.tif"
    tifffile.imwrite(path, np.stack([GREY8] * 3), photometric="minisblack")
    with tifffile.TiffFile(path) as tiff:
        first, last = tiff.pages[0].offset, tiff.pages[-1].offset
    content = bytearray(path.read_bytes())
    tags = int.from_bytes(content[last : last + 2], "little")
    content[last + 2 + 12 * tags : last + 6 + 12 * tags] = first.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged or cut short"):
        open_file(path)


def test_a_page_that_claims_more_bytes_than_the_file_has_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((40, 50), np.uint8), bigtiff=True)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["StripByteCounts"].overwrite(1 << 46)
    for read in (open_file, read_labels):
        with pytest.raises(InputError, match=r"a\.tif is damaged or cut short"):
            read(path)


def page_by_page(path: Path, pictures: list[np.ndarray], **options: object) -> Path:
    """Write each picture by itself, as many programs do: tifffile makes a series of each."""
    with tifffile.TiffWriter(path, **options) as file:  # type: ignore[arg-type]
        for one in pictures:
            file.write(one)
    return path


@pytest.mark.parametrize("kind", [np.uint8, np.int16])
def test_pages_that_were_written_one_by_one_are_all_frames(tmp_path: Path, kind: type[np.generic]) -> None:
    stack = [np.roll(GREY8, shift).astype(kind) for shift in range(5)]
    clip = open_file(page_by_page(tmp_path / "s.tif", stack))
    assert [np.array_equal(clip.read(index), stack[index]) for index in range(5)] == [True] * 5
    assert clip.frames[4].stem == "s_0004"
    assert "further" not in clip.frames[0].note


def test_pictures_of_another_size_are_not_shown_and_the_frame_says_so(tmp_path: Path) -> None:
    small = [GREY8[:20, :20], GREY8[:17, :17], GREY8]
    clip = open_file(page_by_page(tmp_path / "s.tif", [GREY8, *small]))
    assert [np.array_equal(clip.read(index), GREY8) for index in range(2)] == [True] * 2
    assert len(clip.frames) == 2
    assert clip.frames[0].note == "2 further pictures in this file, of another size or kind, are not shown."
    one = open_file(page_by_page(tmp_path / "t.tif", small[1:], bigtiff=True))
    assert one.frames[0].note == "1 further picture in this file, of another size or kind, is not shown."


def test_smaller_copies_of_a_page_are_no_further_pictures(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "s.tif") as file:
        for shift in range(2):
            file.write(np.roll(GREY8, shift))
            file.write(GREY8[::2, ::2], subfiletype=1)
    clip = open_file(tmp_path / "s.tif")
    assert [np.array_equal(clip.read(index), np.roll(GREY8, index)) for index in range(2)] == [True] * 2
    assert clip.frames[0].note == ""


@pytest.mark.parametrize(("sizes", "frames"), [((50.0, 50.0), 2), ((50.0, 80.0), 1)])
def test_series_of_ome_are_one_clip_only_where_they_have_one_scale(
    tmp_path: Path, sizes: tuple[float, float], frames: int
) -> None:
    with tifffile.TiffWriter(tmp_path / "s.ome.tif", ome=True) as file:
        for size in sizes:
            file.write(GREY8, metadata={"PhysicalSizeX": size, "PhysicalSizeY": size})
    clip = open_file(tmp_path / "s.ome.tif")
    assert len(clip.frames) == frames
    assert ("1 further picture in this file, of other series," in clip.frames[0].note) == (frames == 1)
    assert [frame.spacing.x_mm for frame in clip.frames if frame.spacing] == pytest.approx([0.05] * frames)


@pytest.mark.parametrize("packing", ["lzw", "packbits"])
def test_packing_changes_no_values(tmp_path: Path, packing: str) -> None:
    """Signed, of 16 bits in colour and white-is-zero: the frames are those of the unpacked file."""
    for values, options in (
        (GREY8.astype(np.int16) * 20 - 1000, {"photometric": "minisblack"}),
        (np.dstack([GREY16] * 3) + np.arange(3, dtype=np.uint16), {"photometric": "rgb"}),
        (GREY8, {"photometric": "miniswhite"}),
        (GREY8 / np.float32(7) - 3, {"photometric": "minisblack"}),
    ):
        tifffile.imwrite(tmp_path / "plain.tif", values, **options)
        tifffile.imwrite(tmp_path / "packed.tif", values, compression=packing, **options)
        plain, packed = open_file(tmp_path / "plain.tif"), open_file(tmp_path / "packed.tif")
        assert np.array_equal(packed.read(0), plain.read(0)), options
        assert packed.read(0).dtype == plain.read(0).dtype
        assert packed.frames[0].bits == plain.frames[0].bits


def test_lzw_that_unpacks_to_more_or_less_than_a_page_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((4000, 4000), np.uint8), compression="lzw", metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as file:
        for tag in ("ImageLength", "RowsPerStrip"):
            file.pages[0].tags[tag].overwrite(40)
    tracemalloc.start()
    assert open_file(path).read(0).shape == (40, 4000)
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()
    with tifffile.TiffFile(path, mode="r+b") as file:
        for tag in ("ImageLength", "RowsPerStrip"):
            file.pages[0].tags[tag].overwrite(4001)
    with pytest.raises(InputError, match=r"a\.tif is damaged or cut short"):
        open_file(path).read(0)


@pytest.mark.parametrize("packing", [None, "lzw", "packbits", "zlib"])
def test_white_is_zero_labels_are_the_stored_numbers(tmp_path: Path, packing: str | None) -> None:
    labels = GREY8 % 3
    tifffile.imwrite(tmp_path / "l.tif", labels, photometric="miniswhite", compression=packing)
    assert np.array_equal(read_labels(tmp_path / "l.tif"), labels)


def test_white_is_zero_labels_of_a_fax_are_the_stored_numbers(tmp_path: Path) -> None:
    Image.fromarray(GREY8 < 100).save(tmp_path / "l.tif", compression="group4", tiffinfo={262: 0})
    with Image.open(tmp_path / "l.tif") as image:
        assert image.tag_v2[262] == 0
        shown = np.array(image)
    assert np.array_equal(read_labels(tmp_path / "l.tif"), 1 - shown.astype(np.uint8))
