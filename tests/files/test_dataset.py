from __future__ import annotations

import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_adasam.domain.errors import InputError
from napari_adasam.files.dataset import SLICES, Dataset, even_places, names_groups
from napari_adasam.files.labels import read_labels

PIXELS = (np.arange(20 * 24) % 251).astype(np.uint8).reshape(20, 24)
LABELS = (np.indices((20, 24)).sum(0) % 3).astype(np.uint8)


def make(folder: Path, ids: list[str], table: str | None = None) -> Path:
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for key in ids:
        Image.fromarray(PIXELS).save(folder / "images" / f"{key}.png")
        Image.fromarray(LABELS).save(folder / "labels" / f"{key}.png")
    if table is not None:
        (folder / "index.csv").write_text(table, encoding="utf-8")
    return folder


def test_ids_in_natural_order_with_pixels_and_labels(tmp_path: Path) -> None:
    data = Dataset.open(make(tmp_path, ["img10", "img9"]))
    assert data.ids == ("img9", "img10")
    assert np.array_equal(data.image("img9"), PIXELS)
    assert np.array_equal(data.labels("img9"), LABELS)
    assert data.spacing("img9") is None


@pytest.mark.parametrize("column", ["cluster", "patient", "subject", "group"])
def test_group_column(tmp_path: Path, column: str) -> None:
    data = Dataset.open(make(tmp_path, ["a", "b", "c"], f"id,{column}\na,7\nb,7\nc,\n"))
    assert dict(data.groups) == {"a": "7", "b": "7", "c": "c"}


def test_group_is_the_leading_number_where_there_is_no_column(tmp_path: Path) -> None:
    data = Dataset.open(make(tmp_path, ["014_2HC", "014_HC", "15_HC", "img_7"], "id,pixel_size_mm\n014_HC,0.1\n"))
    assert dict(data.groups) == {"014_2HC": "014", "014_HC": "014", "15_HC": "15", "img_7": "img_7"}


def test_spacing_from_the_table_then_from_the_file(tmp_path: Path) -> None:
    data = Dataset.open(make(tmp_path, ["a", "b", "c"], "id,pixel_size_mm\na,0.25\nb,\nc,wide\n"))
    spacing = data.spacing("a")
    assert spacing is not None
    assert (spacing.y_mm, spacing.x_mm, spacing.source) == (0.25, 0.25, "index.csv")
    assert data.spacing("b") is None
    with pytest.raises(InputError, match=r"index\.csv gives c a pixel_size_mm of 'wide'"):
        data.spacing("c")
    options = {"imagej": True, "resolution": (10, 5), "metadata": {"unit": "mm"}}
    tifffile.imwrite(tmp_path / "images" / "d.tif", PIXELS, **options)  # type: ignore[arg-type]
    from_file = Dataset.open(tmp_path).spacing("d")
    assert from_file is not None
    assert (from_file.y_mm, from_file.x_mm) == pytest.approx((0.2, 0.1))


def test_images_without_labels_are_listed_and_say_so(tmp_path: Path) -> None:
    make(tmp_path, ["a", "b"])
    (tmp_path / "labels" / "b.png").unlink()
    (tmp_path / "labels" / "stray.png").touch()
    data = Dataset.open(tmp_path)
    assert data.ids == ("a", "b")
    assert set(data.labelled) == {"a"}
    with pytest.raises(InputError, match="b has no label image"):
        data.labels("b")


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a data set"):
        Dataset.open(tmp_path / "nowhere")
    make(tmp_path / "twice", ["a"])
    tifffile.imwrite(tmp_path / "twice" / "images" / "a.tif", PIXELS)
    with pytest.raises(InputError, match=r"two files for a: a\.png and a\.tif"):
        Dataset.open(tmp_path / "twice")
    with pytest.raises(InputError, match="has no column 'id'"):
        Dataset.open(make(tmp_path / "headless", ["a"], "a,b\n1,2\n"))
    make(tmp_path / "latin", ["a"])
    (tmp_path / "latin" / "index.csv").write_bytes("id,cluster\na,é\n".encode("latin-1"))
    with pytest.raises(InputError, match="cannot be read as a table in UTF-8"):
        Dataset.open(tmp_path / "latin")


def test_a_stack_is_not_one_picture(tmp_path: Path) -> None:
    make(tmp_path, [])
    tifffile.imwrite(tmp_path / "images" / "s.tif", np.stack([PIXELS, PIXELS]), photometric="minisblack")
    with pytest.raises(InputError, match="holds 2 frames"):
        Dataset.open(tmp_path).image("s")


def test_a_volume_can_be_taken_apart_into_slices_of_one_group(tmp_path: Path) -> None:
    import nibabel

    rng = np.random.default_rng(0)
    for part, high in (("images", 250), ("labels", 3)):
        (tmp_path / part).mkdir()
        for name in ("v1", "v2"):
            values = rng.integers(0, high, (20, 24, 30), dtype=np.uint8)
            nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / part / f"{name}.nii.gz")
    Image.fromarray(PIXELS).save(tmp_path / "images" / "flat.png")
    (tmp_path / "index.csv").write_text("id,patient\nv1,p\nv2,p\n")
    data = Dataset.open(tmp_path, slices=5)
    assert data.ids == ("flat", *(f"{v}_{at:04d}" for v in ("v1", "v2") for at in (3, 9, 15, 21, 27)))
    assert set(data.groups.values()) == {"flat", "p"}
    volume = nibabel.load(tmp_path / "labels" / "v2.nii.gz").get_fdata()
    assert np.array_equal(data.labels("v2_0015"), volume[:, :, 15].T)
    assert data.grey("v2_0015").shape == (24, 20)
    assert not np.array_equal(data.grey("v2_0015"), data.grey("v2_0021"))
    assert data.frame_id("v1_0003") == f"{data.frame_id('v1_0009')[:16]}-3"
    assert "flat" not in data.labelled
    assert len(Dataset.open(tmp_path, slices=99).ids) == 61
    (tmp_path / "index.csv").unlink()
    assert set(Dataset.open(tmp_path, slices=2).groups.values()) == {"flat", "v1", "v2"}
    with pytest.raises(InputError, match="30 frames"):
        Dataset.open(tmp_path).image("v1")


def test_slices_lie_evenly_over_the_whole_depth() -> None:
    assert even_places(36, 9) == [2, 6, 10, 14, 18, 22, 26, 30, 34]
    assert even_places(3, 9) == [0, 1, 2]
    assert len(set(even_places(10, 9))) == 9


def test_slices_of_real_volumes_show_the_structure_and_nothing_too(shared_data: Path) -> None:
    data = Dataset.open(shared_data / "hippocampus_mr", slices=SLICES)
    volumes = sorted(set(data.groups.values()))[:8]
    shown = [[bool(data.labels(key).any()) for key in data.ids if data.groups[key] == one] for one in volumes]
    assert all(len(each) == SLICES and sum(each) >= 5 for each in shown)
    assert not all(all(each) for each in shown)


def test_labels_of_a_palette_picture_are_its_indices(tmp_path: Path) -> None:
    image = Image.fromarray(LABELS)
    image.putpalette([0, 0, 0, 200, 30, 40, 10, 220, 10])
    image.save(tmp_path / "p.png")
    assert np.array_equal(read_labels(tmp_path / "p.png"), LABELS)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_labels_of_a_grey_picture_of_few_bits_are_the_stored_numbers(tmp_path: Path, bits: int) -> None:
    values = np.arange(40 * 48).reshape(40, 48) % 2**bits
    digits = "".join(f"{value:0{bits}b}" for value in values.ravel())
    row = len(digits) // 40 // 8
    content = int(digits, 2).to_bytes(40 * row)
    rows = b"".join(b"\0" + content[row * y : row * (y + 1)] for y in range(40))
    head = struct.pack(">IIBBBBB", 48, 40, bits, 0, 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    chunks = [struct.pack(">I", len(of)) + kind + of + struct.pack(">I", zlib.crc32(kind + of)) for kind, of in parts]
    (tmp_path / "l.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    assert np.array_equal(read_labels(tmp_path / "l.png"), values)


def test_labels_from_tiff_of_any_whole_numbers(tmp_path: Path) -> None:
    for kind in (np.uint8, np.uint16, np.int32, np.bool_):
        values = LABELS.astype(kind)
        tifffile.imwrite(tmp_path / "l.tif", values)
        assert np.array_equal(read_labels(tmp_path / "l.tif"), values.astype(np.uint8))


def test_what_is_not_a_label_image_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([LABELS] * 3)).save(tmp_path / "rgb.png")
    tifffile.imwrite(tmp_path / "high.tif", LABELS.astype(np.uint16) * 300)
    tifffile.imwrite(tmp_path / "low.tif", LABELS.astype(np.int16) - 1)
    tifffile.imwrite(tmp_path / "real.tif", LABELS.astype(np.float32))
    (tmp_path / "broken.png").write_bytes(b"nothing")
    said = {"rgb.png": "not a label", "high.tif": "0 to 600", "low.tif": "-1 to 1", "real.tif": "float32"}
    for name, why in said.items():
        with pytest.raises(InputError, match=why):
            read_labels(tmp_path / name)
    with pytest.raises(InputError, match=r"broken\.png is damaged"):
        read_labels(tmp_path / "broken.png")


@pytest.mark.parametrize(
    ("name", "images", "groups", "values"),
    [("muscle", 349, 278, {0, 1, 2}), ("breast", 459, 259, {0, 1}), ("fetal_head", 63, 52, {0, 1})],
)
def test_real_data_sets(shared_data: Path, name: str, images: int, groups: int, values: set[int]) -> None:
    data = Dataset.open(shared_data / name)
    assert len(data.ids) == len(data.labelled) == images
    assert len(set(data.groups.values())) == groups
    first = data.ids[0]
    assert data.image(first).shape[:2] == data.labels(first).shape
    assert set(np.unique(data.labels(first)).tolist()) == values
    assert (data.spacing(first) is not None) == (name == "fetal_head")


def test_labels_whose_head_claims_more_than_is_there_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    Image.fromarray(LABELS).save(path)
    content = path.read_bytes()
    path.write_bytes(content[:20] + (1 << 20).to_bytes(4) + content[24:])  # the height, its checksum as it was
    tracemalloc.start()
    with pytest.raises(InputError, match="damaged or cut short"):
        read_labels(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("part", ["images", "labels"])
def test_a_file_that_nothing_goes_on_without_is_named_and_was_not_left_out(tmp_path: Path, part: str) -> None:
    make(tmp_path, ["a", "b"])
    broken = tmp_path / part / "a.png"
    whole = broken.read_bytes()
    for content in (b"xx", whole[: len(whole) // 2], b""):
        broken.write_bytes(content)
        for read in (Dataset.image, Dataset.grey, Dataset.levels) if part == "images" else (Dataset.labels,):
            with pytest.raises(InputError) as told:
                read(Dataset.open(tmp_path), "a")  # type: ignore[operator]
            assert str(told.value).startswith(f"{broken} cannot be read: a.png ")
            assert str(told.value).count("cannot be read") == 1
            assert "left out" not in str(told.value)
            assert "your files are as they were" in str(told.value)
            with pytest.raises(InputError, match="left out"):
                read(Dataset.open(tmp_path, need_images=False), "a")  # type: ignore[operator]


def test_a_label_image_of_another_size_than_its_picture_is_refused_but_where_the_rest_goes_on(tmp_path: Path) -> None:
    make(tmp_path, ["a", "b"])
    Image.fromarray(np.ascontiguousarray(LABELS.T)).save(tmp_path / "labels" / "b.png")
    data = Dataset.open(tmp_path)
    assert np.array_equal(data.labels("a"), LABELS)
    with pytest.raises(InputError, match=r"b\.png has 24 × 20 px, and its picture 20 × 24 px\. Nothing goes on"):
        data.labels("b")
    assert np.array_equal(Dataset.open(tmp_path, need_images=False).labels("b"), LABELS.T)


def test_slices_of_labels_are_of_the_size_of_their_volume(tmp_path: Path) -> None:
    import nibabel

    for part, sides in (("images", (20, 24, 6)), ("labels", (24, 20, 6))):
        (tmp_path / part).mkdir()
        nibabel.save(nibabel.Nifti1Image(np.ones(sides, np.uint8), np.eye(4)), tmp_path / part / "v.nii.gz")
    with pytest.raises(InputError, match=r"v\.nii\.gz has 20 × 24 px, and its picture 24 × 20 px"):
        Dataset.open(tmp_path, slices=2).labels("v_0001")


def test_a_volume_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    make(tmp_path, ["a"])
    (tmp_path / "images" / "v.nii.gz").write_bytes(b"xx")
    with pytest.raises(InputError, match=r"v\.nii\.gz cannot be read"):
        Dataset.open(tmp_path, slices=SLICES)


def test_a_table_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (make(tmp_path, ["a"]) / "index.csv").mkdir()
    with pytest.raises(InputError, match=r"index\.csv is a folder"):
        Dataset.open(tmp_path)


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (None, False),
        ("id,age\na,1\n", False),
        ("id,group\n", False),
        ("id,group\na,\n", False),
        ("id,group\na,1\n", True),
    ],
)
def test_whether_a_table_names_groups(tmp_path: Path, table: str | None, named: bool) -> None:
    assert names_groups(make(tmp_path, ["a"], table)) == named
