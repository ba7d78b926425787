from __future__ import annotations

import errno
import time
from dataclasses import replace
from itertools import pairwise
from math import pi, sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_adasam.domain.errors import StorageError
from napari_adasam.files.dataset import Dataset
from napari_adasam.files.phantom import PhantomSettings, clip, draw, write_samples
from napari_adasam.files.phantom.anatomy import Anatomy, Curve, Sheet, draw_anatomy
from napari_adasam.files.phantom.images import gain_by_depth
from napari_adasam.files.phantom.scanner import draw_scanner
from napari_adasam.files.phantom.screen import scan_convert
from napari_adasam.files.phantom.speckle import blur, compress, draw_noise, envelope
from napari_adasam.files.readers import open_file

SMALL = PhantomSettings(200, 240)


def plain_anatomy() -> Anatomy:
    superficial, deep = Sheet(Curve(10.0), 1.0), Sheet(Curve(20.0), 2.0)
    return Anatomy(1.5, superficial, deep, (), 0.2, -0.1, fat=-40, muscle=-38, below=-38, streak=6, bone=None)


def test_the_same_seed_gives_the_same_image_and_another_seed_another() -> None:
    first, again, other = draw(3, SMALL), draw(3, SMALL), draw(4, SMALL)
    assert np.array_equal(first.pixels, again.pixels)
    assert np.array_equal(first.labels, again.labels)
    assert first.spacing == again.spacing
    assert not np.array_equal(first.labels, other.labels)


def test_repeats_of_a_seed_share_the_geometry_and_not_the_speckle() -> None:
    first, second = draw(3, SMALL), draw(3, SMALL, repeat=1)
    assert np.array_equal(first.labels, second.labels)
    inside = first.inside
    assert np.mean(first.pixels[inside] != second.pixels[inside]) > 0.5
    assert np.array_equal(first.pixels[~inside], second.pixels[~inside])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    probe=st.sampled_from(["linear", "curved"]),
    interface=st.booleans(),
    height=st.integers(100, 260),
    width=st.integers(100, 300),
)
def test_any_image_has_both_structures_inside_the_scan(
    seed: int, probe: str, interface: bool, height: int, width: int
) -> None:
    image = draw(seed, PhantomSettings(height, width, probe, interface))  # type: ignore[arg-type]
    assert image.pixels.shape == image.labels.shape == image.inside.shape == (height, width)
    assert image.pixels.dtype == image.labels.dtype == np.uint8
    assert image.probe == probe
    assert set(np.unique(image.labels)) == {0, 1, 2}
    assert not image.labels[~image.inside].any()
    assert image.spacing.y_mm == image.spacing.x_mm > 0
    assert image.spacing.source == "phantom"


def test_belly_lies_between_two_sheets_in_every_column() -> None:
    image = draw(1, PhantomSettings(300, 360, "linear", interface=False))
    for column in image.labels.T[5:-5]:
        runs = column[np.flatnonzero(np.diff(column.astype(int), prepend=-1))]
        assert runs.tolist()[-5:] == [0, 2, 1, 2, 0] or not column.any()
    assert image.labels.any()


def test_labels_are_exact_against_the_curves() -> None:
    depth = np.arange(0.0, 30.0, 0.01, dtype=np.float32)
    labels = plain_anatomy().labels(np.zeros_like(depth), depth)
    assert np.flatnonzero(labels == 1).size * 0.01 == pytest.approx(20 - 1.0 - 10 - 0.5, abs=0.03)
    assert np.flatnonzero(labels == 2).size * 0.01 == pytest.approx(1.0 + 2.0, abs=0.04)
    assert depth[labels == 1].min() == pytest.approx(10.5, abs=0.02)
    assert depth[labels == 1].max() == pytest.approx(19.0, abs=0.02)


def test_aponeuroses_are_brighter_than_the_belly_in_the_mean() -> None:
    images = [draw(seed, SMALL) for seed in range(8)]
    belly = np.mean([image.pixels[image.labels == 1].mean() for image in images])
    sheets = np.mean([image.pixels[image.labels == 2].mean() for image in images])
    assert sheets > belly + 30


def test_spacing_is_that_of_the_drawn_tissue() -> None:
    """The scan's height in pixels times the spacing is the depth that the scanner was set to."""
    scanner = draw_scanner(np.random.default_rng(5), (300, 400), "linear", chrome=True)
    assert scanner.window.height * scanner.pixel_mm == pytest.approx(scanner.depth_mm)
    x, depth = scanner.pixel_positions()
    assert depth[-1, 0] == pytest.approx(scanner.depth_mm, abs=scanner.pixel_mm)
    assert x[0, 1] - x[0, 0] == pytest.approx(scanner.pixel_mm, rel=1e-3)


def test_fully_developed_speckle_is_rayleigh() -> None:
    shape, sigma = (400, 400), (1.2, 3.0)
    flat = np.full(shape, 0.25, np.float32)
    signal = envelope(flat, np.zeros(shape, np.float32), draw_noise(np.random.default_rng(0), shape), sigma)
    assert signal.mean() / signal.std() == pytest.approx(sqrt(pi / (4 - pi)), rel=0.03)
    assert np.mean(signal.astype(float) ** 2) == pytest.approx(0.25**2, rel=0.05)


def test_blur_spreads_a_point_as_the_stated_gaussian() -> None:
    point = np.zeros((81, 81), np.float32)
    point[40, 40] = 1
    spread = blur(point, (2.0, 5.0)).real
    offset = np.arange(81) - 40
    assert spread.sum() == pytest.approx(1.0, rel=1e-3)
    assert sqrt((spread.sum(1) * offset**2).sum()) == pytest.approx(2.0, rel=0.02)
    assert sqrt((spread.sum(0) * offset**2).sum()) == pytest.approx(5.0, rel=0.02)


def test_log_compression_maps_the_dynamic_range_to_grey() -> None:
    signal = np.array([[1.0, 10 ** (-20 / 20), 10 ** (-60 / 20), 0.0, 10.0]], np.float32)
    assert compress(signal, 0.0, 60.0).tolist() == [[255, 170, 0, 0, 255]]


def test_curved_scan_is_a_fan_with_black_outside() -> None:
    image = draw(2, PhantomSettings(250, 300, "curved", interface=False))
    share = image.inside.mean(axis=1)
    assert share[40] < share[150]
    assert not image.inside[0, 0]
    assert not image.pixels[~image.inside].any()


def test_scan_conversion_and_labels_agree_in_the_fan() -> None:
    """Beams painted by depth land on the pixels whose tissue lies at that depth."""
    scanner = draw_scanner(np.random.default_rng(1), (300, 400), "curved", chrome=False)
    _, depth = scanner.beam_positions()
    painted, inside = scan_convert(np.asarray(np.clip(depth * 3, 0, 255), np.uint8), scanner)
    _, expected = scanner.pixel_positions()
    wrong = np.abs(painted[inside].astype(float) - np.clip(expected[inside] * 3, 0, 255))
    assert wrong.max() <= 2.0


def test_bone_casts_a_shadow() -> None:
    with_bone = draw(9, PhantomSettings(300, 360, "linear", interface=False, bone=True))
    without = draw(9, PhantomSettings(300, 360, "linear", interface=False, bone=False))
    assert with_bone.pixels[-8:].mean() < 0.4 * without.pixels[-8:].mean()
    assert with_bone.pixels[:100].mean() == pytest.approx(without.pixels[:100].mean(), rel=0.05)


def test_interface_stands_outside_the_scan() -> None:
    image = draw(0, PhantomSettings(interface=True))
    assert np.unique(image.pixels[~image.inside]).size > 20
    assert not image.inside[:20].any()


def test_attenuation_that_was_not_compensated_darkens_the_depth() -> None:
    scanner = draw_scanner(np.random.default_rng(3), (200, 240), "linear", chrome=False)
    dark = replace(scanner, residual_db_per_cm=2.0, tgc_db=(0.0,) * 6, gain_db=1.0)
    gain = gain_by_depth(dark)
    assert gain.shape == (200,)
    assert gain[0] == pytest.approx(1.0)
    assert gain[-1] == pytest.approx(1.0 - 2.0 * scanner.depth_mm / 10, abs=1e-3)


@given(seed=st.integers(0, 2**31), depth_mm=st.floats(38, 65))
def test_layers_of_any_anatomy_lie_in_their_order(seed: int, depth_mm: float) -> None:
    anatomy = draw_anatomy(np.random.default_rng(seed), depth_mm, bone=True)
    assert anatomy.skin < anatomy.superficial.middle.depth < anatomy.deep.middle.depth < depth_mm
    assert anatomy.bone is not None
    assert anatomy.bone.depth > anatomy.deep.middle.depth


def test_clip_moves_slowly_and_comes_back() -> None:
    frames = list(clip(5, 16, SMALL))
    assert len(frames) == 16
    change = [np.mean(a.labels != b.labels) for a, b in pairwise(frames)]
    assert 0 < max(change) < 0.03
    assert np.mean(frames[0].labels != frames[15].labels) > max(change)
    correlation = np.corrcoef(frames[0].pixels.ravel().astype(float), frames[1].pixels.ravel().astype(float))[0, 1]
    far = np.corrcoef(frames[0].pixels.ravel().astype(float), frames[15].pixels.ravel().astype(float))[0, 1]
    assert correlation > far + 0.02


def test_too_small_is_refused_with_what_was_expected() -> None:
    with pytest.raises(ValueError, match="expected sides of 64 px or more, got 20"):
        PhantomSettings(20, 300)


def test_an_image_takes_less_than_a_second_of_processor_time() -> None:
    start = time.process_time()
    for seed in range(3):
        draw(seed)
    assert (time.process_time() - start) / 3 < 1.0


def test_samples_are_a_data_set_grouped_by_exam(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    folder = write_samples(tmp_path / "set", 5, 1, SMALL, per_cluster=2, progress=lambda *step: steps.append(step))
    data = Dataset.open(folder)
    assert data.ids == tuple(f"phantom_{number:04d}" for number in range(5))
    assert [data.groups[key] for key in data.ids] == ["exam_0000", "exam_0000", "exam_0001", "exam_0001", "exam_0002"]
    assert steps == [(number, 5) for number in range(1, 6)]
    drawn = draw(100_003, SMALL, repeat=1)
    assert np.array_equal(data.image("phantom_0001"), drawn.pixels)
    assert np.array_equal(data.labels("phantom_0001"), drawn.labels)
    [frame] = open_file(data.images["phantom_0001"]).frames  # the image itself knows its scale, without the table
    assert frame.spacing is not None
    assert (frame.spacing.y_mm, frame.spacing.x_mm) == pytest.approx((drawn.spacing.y_mm, drawn.spacing.x_mm), rel=1e-4)
    spacing = data.spacing("phantom_0001")
    assert spacing is not None
    assert spacing.x_mm == pytest.approx(drawn.spacing.x_mm, rel=1e-4)


def test_a_full_disk_is_a_sentence_and_leaves_no_half_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, whole = Path.replace, []

    def full(self: Path, target: Path) -> Path:
        if len(whole) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        whole.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StorageError, match="no space left"):
        write_samples(tmp_path / "set", 3, 1, SMALL)
    there = [path for path in (tmp_path / "set").rglob("*") if path.is_file()]
    assert sorted(there) == sorted(whole)
    assert len(there) == 3
