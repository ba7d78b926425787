from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from specimens import AFFINE, DEEP, GREYS, HEIGHT, WIDTH, nifti

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Along, Geometry, Stack
from napari_adasam.files import levels
from napari_adasam.files.labels import count_labels, read_labels
from napari_adasam.files.nifti import Volume
from napari_adasam.files.readers import open_file
from napari_adasam.files.scaling import Ends, to_unsigned


def saved(path: Path, array: np.ndarray, unit: str = "mm", **header: Any) -> Path:
    image = nibabel.Nifti1Image(array, AFFINE)
    image.header.set_xyzt_units(unit or None)
    for name, value in header.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
def test_affine_and_axes_are_kept_and_a_frame_goes_back_to_its_voxels(tmp_path: Path, name: str) -> None:
    nifti(GREYS, (2, 3))(tmp_path / name)
    array = np.asarray(nibabel.load(tmp_path / name).dataobj)
    clip = open_file(tmp_path / name)
    assert [frame.stem for frame in clip.frames][:2] == ["v_0000", "v_0001"]
    for frame in clip.frames:
        geometry = frame.geometry
        assert geometry is not None
        assert np.allclose(geometry.affine, AFFINE, atol=1e-6)
        assert (geometry.shape, geometry.rows, geometry.columns) == ((WIDTH, HEIGHT, 2, 3), 1, 0)
        assert np.array_equal(array[geometry.place(frame.index)].T, clip.read(frame.index))


def test_frames_lie_across_the_axis_of_one_voxel(tmp_path: Path) -> None:
    for shape, rows, columns in (((1, 20, 30), 2, 1), ((20, 1, 30), 2, 0)):
        array = np.arange(600, dtype=np.uint16).reshape(shape)
        clip = open_file(saved(tmp_path / "v.nii", array))
        (frame,) = clip.frames
        assert frame.geometry is not None
        assert (frame.geometry.rows, frame.geometry.columns) == (rows, columns)
        assert np.array_equal(array[frame.geometry.place(0)].T, clip.read(0))


def test_place_counts_slices_before_time() -> None:
    geometry = Geometry((), (9, 8, 2, 3), 1, 0)
    assert [geometry.place(index)[2:] for index in range(4)] == [(0, 0), (1, 0), (0, 1), (1, 1)]


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1.0), ("micron", 0.001), ("meter", 1000.0)])
def test_units_are_made_millimetres(tmp_path: Path, unit: str, factor: float) -> None:
    image = nibabel.Nifti1Image(GREYS[0].T, np.diag([0.05 / factor, 0.08 / factor, 1, 1]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "v.nii")
    spacing = open_file(tmp_path / "v.nii").frames[0].spacing
    assert spacing is not None
    assert (spacing.y_mm, spacing.x_mm) == pytest.approx((0.08, 0.05), rel=1e-5)


def test_sizes_without_a_unit_are_not_used_and_the_frame_says_so(tmp_path: Path) -> None:
    frame = open_file(saved(tmp_path / "v.nii", GREYS[0].T, unit="")).frames[0]
    assert frame.spacing is None
    assert "without a unit" in frame.note
    assert "pixels only" in frame.note


def test_an_affine_that_contradicts_the_sizes_takes_the_scale_away(tmp_path: Path) -> None:
    path = saved(tmp_path / "v.nii", GREYS[0].T)
    content = bytearray(path.read_bytes())
    content[80:84] = np.float32(0.5).tobytes()  # pixdim[1]
    path.write_bytes(content)
    frame = open_file(path).frames[0]
    assert frame.spacing is None
    assert "contradict each other" in frame.note


def test_a_distance_of_slices_that_contradicts_the_affine_is_none_and_the_scale_stays(tmp_path: Path) -> None:
    path = saved(tmp_path / "v.nii", np.stack([GREYS[0].T] * 4, axis=-1))
    whole = open_file(path).frames[0]
    content = bytearray(path.read_bytes())
    content[88:92] = np.float32(9.0).tobytes()  # pixdim[3]
    path.write_bytes(content)
    frame = open_file(path).frames[0]
    assert frame.stack == Stack(4, Along.DEPTH, 4)
    assert whole.stack is not None
    assert whole.stack.step_mm is not None
    assert frame.spacing is not None
    assert frame.spacing == whole.spacing


def test_scaled_values_and_fractions_are_shown_scaled_and_say_so(tmp_path: Path) -> None:
    whole = open_file(saved(tmp_path / "i.nii", GREYS[0].T.astype(np.int16)))
    assert np.array_equal(whole.read(0), GREYS[0])
    scaled = open_file(saved(tmp_path / "f.nii", np.linspace(-1, 1, 1200, dtype=np.float32).reshape(30, 40)))
    assert scaled.read(0).max() == 65535
    assert "scaled" in scaled.frames[0].note
    assert scaled.frames[0].bits is None


def test_labels_come_back_from_nifti(tmp_path: Path) -> None:
    labels = (np.arange(WIDTH * HEIGHT * 3) % 4).astype(np.uint8).reshape(WIDTH, HEIGHT, 3)
    for kind in (np.uint8, np.float32):
        path = saved(tmp_path / f"{kind.__name__}.nii.gz", labels.astype(kind))
        assert count_labels(path) == 3
        assert np.array_equal(read_labels(path, 2), labels[:, :, 2].T)
    with pytest.raises(InputError, match="not a label image"):
        read_labels(saved(tmp_path / "half.nii", np.full((20, 20), 0.5, np.float32)))


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as error:
        open_file(path)
    return str(error.value)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(b"Dear doctor, " * 100)
    (tmp_path / "b.nii.gz").write_bytes(b"Dear doctor, " * 100)
    assert "not a NIfTI file" in refusal(tmp_path / "a.nii")
    assert "not a NIfTI file" in refusal(tmp_path / "b.nii.gz")
    assert "not pictures" in refusal(saved(tmp_path / "c.nii", np.zeros((20, 20), np.complex64)))
    assert "too small" in refusal(saved(tmp_path / "d.nii", np.zeros((3, 20, 5), np.uint8)))


def test_absurd_sizes_are_refused_before_room_is_made(tmp_path: Path) -> None:
    path = saved(tmp_path / "v.nii", GREYS[0].T)
    content = bytearray(path.read_bytes())
    content[40:50] = np.array([4, 9000, 9000, 9000, 200], "<i2").tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(content))
    tracemalloc.start()
    assert "claims to hold 1800000 frames" in refusal(tmp_path / "a.nii")
    content[46:50] = np.array([300, 1], "<i2").tobytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(content))
    assert "unpack it to .nii" in refusal(tmp_path / "b.nii.gz")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["long.nii", "long.nii.gz"])
def test_500_frames_do_not_fill_the_memory(tmp_path: Path, name: str) -> None:
    array = np.random.default_rng(0).integers(0, 255, (160, 120, 500)).astype(np.uint8)
    path = saved(tmp_path / name, array)
    tracemalloc.start()
    clip = open_file(path)
    last, first = clip.read(499), clip.read(0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(last, array[:, :, 499].T)
    assert np.array_equal(first, array[:, :, 0].T)
    assert peak < array.nbytes / 2


def test_deep_values_stay_as_they_are(tmp_path: Path) -> None:
    clip = open_file(saved(tmp_path / "v.nii", np.stack([one.T for one in DEEP], axis=-1)))
    assert clip.read(3).dtype == np.uint16
    assert np.array_equal(clip.read(3), DEEP[3])


def test_real_volumes_and_their_labels(shared_data: Path) -> None:
    folder = shared_data / "hippocampus_mr"
    image = min((folder / "images").iterdir())
    clip = open_file(image)
    assert count_labels(folder / "labels" / image.name) == len(clip.frames)
    labels = read_labels(folder / "labels" / image.name, len(clip.frames) // 2)
    assert labels.shape == clip.read(0).shape
    assert set(np.unique(labels)) <= {0, 1, 2}


def test_slices_of_a_volume_are_scaled_alike(tmp_path: Path) -> None:
    """A dark slice stays dark beside a bright one: fractions, values below 0, and whole numbers of 16 bits."""
    bright = np.linspace(0, 1, 1200).reshape(30, 40)
    volume = np.stack([bright, bright / 4, bright / 2], axis=2)
    for name, values in (
        ("fractions", volume.astype(np.float32)),
        ("negative", np.rint(volume * 1000 - 1).astype(np.int16)),
        ("whole", np.rint(volume * 1000).astype(np.int16)),
        ("unsigned", np.rint(volume * 4000).astype(np.uint16)),
    ):
        clip = open_file(saved(tmp_path / f"{name}.nii.gz", values))
        tops = [int(clip.grey(index).max()) for index in range(3)]
        assert tops[0] == 255, name
        assert tops[1:] == pytest.approx([tops[0] / 4, tops[0] / 2], abs=3), name


def test_values_are_measured_as_the_header_scales_them(tmp_path: Path) -> None:
    stored = np.random.default_rng(0).integers(0, 200, (30, 40, 3)).astype(np.int16)
    content = bytearray(saved(tmp_path / "v.nii", stored).read_bytes())
    content[112:120] = np.array([0.5, -20.0], "<f4").tobytes()  # scl_slope, scl_inter
    (tmp_path / "w.nii").write_bytes(content)
    clip = open_file(tmp_path / "w.nii")
    assert np.array_equal(clip.levels(2), stored[..., 2].T * 0.5 - 20)
    assert np.array_equal(clip.read(2), np.rint(stored[..., 2].T * (65535 / stored.max())))
    assert clip.frames[0].bits is None


def test_a_few_bright_pixels_do_not_darken_a_volume(tmp_path: Path) -> None:
    volume = np.random.default_rng(0).uniform(0, 100, (30, 40, 6)).astype(np.float32)
    plain = open_file(saved(tmp_path / "plain.nii", volume)).grey(3)
    volume[4, 5, 1] = 5000
    metal = open_file(saved(tmp_path / "metal.nii", volume))
    assert metal.read(1).max() == 65535, "what is read is the file's own, from end to end"
    assert np.abs(metal.grey(3).astype(int) - plain).max() <= 2
    assert metal.grey(1).max() == 255


def test_whole_numbers_stay_as_they_are_in_every_slice(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 1000, (30, 40, 3)).astype(np.int32)
    clip = open_file(saved(tmp_path / "v.nii", values))
    assert all(np.array_equal(clip.read(index), values[..., index].T) for index in range(3))
    values[3, 4, 2] = -1
    mixed = open_file(saved(tmp_path / "w.nii", values))
    assert not np.array_equal(mixed.read(0), values[..., 0].T), "one slice is not scaled otherwise than the others"


def test_of_a_huge_file_some_frames_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "ALL_BYTES", 1000)
    monkeypatch.setattr(levels, "MOST_LOOKED_AT", 3)
    asked: list[int] = []

    def ends_at(index: int) -> Ends:
        asked.append(index)
        return Ends(0.0, float(index))

    def read(index: int, ends: Ends | None) -> np.ndarray:
        return to_unsigned(np.full((4, 4), float(index)), ends)

    found = levels.Levels(read, ends_at, 101, 16)
    assert found.ends == Ends(0.0, 100.0)
    assert asked == [0, 50, 100]
    assert levels.Levels(read, ends_at, 9, 16).ends == Ends(0.0, 8.0)
    assert found.pixels(50).max() == pytest.approx(65535 / 2, abs=1)


def test_once_it_is_open_a_look_at_a_frame_reads_that_frame_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    values = Volume.values

    def noting(volume: Volume, index: int) -> np.ndarray:
        read.append(index)
        return values(volume, index)

    monkeypatch.setattr(Volume, "values", noting)
    clip = open_file(saved(tmp_path / "v.nii.gz", np.random.default_rng(0).normal(0, 1, (30, 40, 9))))
    assert read == list(range(9))
    clip.read(4)
    assert read[9:] == [4]


def test_a_scaled_volume_with_a_damaged_slice_is_left_out_when_it_is_opened(tmp_path: Path) -> None:
    path = saved(tmp_path / "v.nii.gz", np.random.default_rng(0).normal(0, 1, (30, 40, 9)).astype(np.float32))
    packed = bytearray(path.read_bytes())
    packed[len(packed) // 2 : len(packed) // 2 + 40] = bytes(40)
    path.write_bytes(packed)
    assert "damaged" in refusal(path)
