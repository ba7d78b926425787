"""Every kind of file that is read, against every property; docs/formats.md names these tests."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from specimens import SPECIMENS, number_of

from napari_adasam.domain.errors import InputError
from napari_adasam.files.clips import Clip
from napari_adasam.files.pixels import to_grey
from napari_adasam.files.readers import open_file, open_paths

pytestmark = pytest.mark.parametrize("name", SPECIMENS)


def test_opens(tmp_path: Path, name: str) -> None:
    specimen = SPECIMENS[name]
    clip = open_file(specimen.save(tmp_path, name))
    assert len(clip.frames) == len(specimen.pictures)
    for frame, expected in zip(clip.frames, specimen.pictures, strict=True):
        pixels = clip.read(frame.index)
        assert pixels.shape == expected.shape == (frame.height, frame.width, *expected.shape[2:])
        assert pixels.dtype == expected.dtype
        difference = np.abs(pixels.astype(int) - expected).mean()
        full = 2**specimen.bits - 1 if specimen.bits else np.iinfo(expected.dtype).max
        assert difference <= specimen.tolerance * (full // 255)


def test_any_frame_at_any_time(tmp_path: Path, name: str) -> None:
    """Each frame carries its own number, and random access gives the very pixels of reading in order."""
    specimen = SPECIMENS[name]
    clip = open_file(specimen.save(tmp_path, name))
    in_order = [clip.read(frame.index) for frame in clip.frames]
    order = [frame.index for frame in clip.frames] * 2
    random.Random(0).shuffle(order)
    again = open_file(clip.path)
    for index in order:
        pixels = again.read(index)
        assert number_of(pixels, specimen.bits) == (index if len(clip.frames) > 1 else 1)
        assert np.array_equal(pixels, in_order[index])


def test_scale(tmp_path: Path, name: str) -> None:
    specimen = SPECIMENS[name]
    for frame in open_file(specimen.save(tmp_path, name)).frames:
        if specimen.spacing is None:
            assert frame.spacing is None
        else:
            assert frame.spacing is not None
            assert (frame.spacing.y_mm, frame.spacing.x_mm) == pytest.approx(specimen.spacing, rel=1e-5)
            assert frame.spacing.source == specimen.source


def test_times(tmp_path: Path, name: str) -> None:
    specimen = SPECIMENS[name]
    times = [frame.time_s for frame in open_file(specimen.save(tmp_path, name)).frames]
    assert times == (pytest.approx(specimen.times, abs=1e-6) if specimen.times else [None] * len(specimen.pictures))


def test_bits(tmp_path: Path, name: str) -> None:
    specimen = SPECIMENS[name]
    assert {frame.bits for frame in open_file(specimen.save(tmp_path, name)).frames} == {specimen.bits}


def test_colour_for_the_eye_and_grey_for_the_model(tmp_path: Path, name: str) -> None:
    specimen = SPECIMENS[name]
    pixels = open_file(specimen.save(tmp_path, name)).read(0)
    model = to_grey(pixels)
    assert model.shape == pixels.shape[:2]
    assert model.dtype == np.uint8
    if specimen.pictures[0].ndim == 3:
        assert np.abs(pixels[..., 0].astype(int) - pixels[..., 2]).max() > 100


def first_problem(clip: Clip) -> list[str]:
    for frame in clip.frames:
        try:
            clip.read(frame.index)
        except InputError as error:
            return [str(error)]
    return []


def test_broken(tmp_path: Path, name: str) -> None:
    """Cut anywhere, a file gives one sentence, at once or when the missing frame is read, and stops no other file."""
    specimen = SPECIMENS[name]
    whole = specimen.save(tmp_path, "whole")
    content = whole.read_bytes()
    for share in (0.05, 0.3, 0.6, 0.9):
        cut = tmp_path / f"cut{specimen.ending}"
        cut.write_bytes(content[: int(len(content) * share)])
        result = open_paths([cut, whole])
        assert result.clips[-1].path == whole
        sentences = list(result.problems)
        for clip in result.clips[:-1]:
            sentences += first_problem(clip)
        assert len(sentences) == 1
        assert sentences[0].startswith(cut.name)
        assert sentences[0].endswith(".")
