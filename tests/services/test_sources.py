"""Pixels by frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotator_fakes import HEIGHT, INSIDE, WIDTH, Desk, FakePredictor, run_round, write_images
from dicom_pictures import picture as dicom_picture
from dicom_pictures import saved as dicom_saved
from PIL import Image
from specimens import SPECIMENS

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Spacing
from napari_adasam.files.readers import open_file, open_paths
from napari_adasam.services.sources import Sources


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_images(tmp_path / "scans", 3)


def test_pixels_are_kept_up_to_a_budget_and_cannot_be_written(folder: Path) -> None:
    sources = Sources(budget=2 * HEIGHT * WIDTH)
    frames = sources.add_clips(open_paths([folder]).clips)
    kept = [sources.pixels(frame.id) for frame in frames]
    assert not kept[0].flags.writeable
    assert sources.pixels(frames[2].id) is kept[2]
    assert sources.pixels(frames[1].id) is kept[1]
    assert sources.pixels(frames[0].id) is not kept[0]
    assert np.array_equal(sources.pixels(frames[0].id), kept[0])


def test_the_same_picture_is_taken_once_and_stems_stay_apart(folder: Path, tmp_path: Path) -> None:
    sources = Sources()
    sources.add_clips(open_paths([folder]).clips)
    other = tmp_path / "other"
    other.mkdir()
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(other / "scan1.png")
    Image.open(folder / "scan2.png").save(other / "SCAN2.png")
    added = sources.add_clips(open_paths([folder, other]).clips)
    assert [frame.stem for frame in added] == ["scan1_2"]


def test_a_picture_that_is_there_twice_is_named(folder: Path) -> None:
    (folder / "scan2_copy.png").write_bytes((folder / "scan2.png").read_bytes())
    sources, clips = Sources(), open_paths([folder]).clips
    assert len(sources.add_clips(clips)) == 3
    said = "scan2_copy.png is the same picture as scan2.png, so it is shown once."
    assert sources.same_pictures(clips) == [said]
    assert sources.same_pictures(open_paths([folder / "scan2.png"]).clips) == [], "opened again, not copied"


def test_many_that_are_there_twice_are_one_sentence(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("scan1.png", "scan2.png", "scan3.png"):
        (other / name).write_bytes((folder / name).read_bytes())
    (other / "scan4.png").write_bytes((folder / "scan1.png").read_bytes())
    sources, clips = Sources(), open_paths([folder, other]).clips
    sources.add_clips(clips)
    assert sources.same_pictures(clips) == [
        "4 files are the same pictures as others, so each is shown once (other/scan1.png is scans/scan1.png; "
        "other/scan2.png is scans/scan2.png; other/scan3.png is scans/scan3.png; and 1 more)."
    ]


def test_the_window_is_told_of_a_picture_that_is_there_twice(desk: Desk, tmp_path: Path) -> None:
    first = Path(desk.session.frames[0].path)
    copy = tmp_path / "copy.png"
    copy.write_bytes(first.read_bytes())
    assert desk.annotator.open([copy]) == [f"copy.png is the same picture as {first.name}, so it is shown once."]
    assert len(desk.session.frames) == 4


def test_frames_of_a_saved_session_are_opened_when_they_are_read(folder: Path) -> None:
    frames = [frame for clip in open_paths([folder]).clips for frame in clip.frames]
    (folder / "scan3.png").unlink()
    sources = Sources()
    sources.add_frames(frames)
    problems = sources.missing()
    assert len(problems) == 1
    assert "scan3.png is not there any more" in problems[0]
    assert sources.read(frames[0].id).shape == (HEIGHT, WIDTH)
    with pytest.raises(InputError, match="does not exist"):
        sources.read(frames[2].id)


def test_a_file_that_is_another_one_now_is_refused(folder: Path) -> None:
    frames = [frame for clip in open_paths([folder]).clips for frame in clip.frames]
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(folder / "scan1.png")
    sources = Sources()
    sources.add_frames(frames)
    with pytest.raises(InputError, match="another file than when the session was made"):
        sources.read(frames[0].id)


def test_a_file_that_was_changed_after_it_was_opened_and_before_it_was_shown_is_refused(folder: Path) -> None:
    sources = Sources()
    first, second, _ = sources.add_clips(open_paths([folder]).clips)
    before = sources.read(second.id)
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(folder / "scan1.png")
    for ask in (sources.read, sources.grey, sources.pixels, sources.clip):
        with pytest.raises(InputError, match="another file than when the session was made"):
            ask(first.id)
    assert np.array_equal(sources.read(second.id), before)


def test_what_a_session_does_not_keep_comes_from_the_file_and_a_scale_stays(tmp_path: Path) -> None:
    whole = open_file(SPECIMENS["dicom-jpeg-lossless"].save(tmp_path, "a")).frames[1]
    scale = Spacing(0.3, 0.3, "by hand")
    forgotten = replace(whole, time_s=None, bits=None, region=None, spacing=scale)
    found = Sources().facts(forgotten)
    assert None not in (found.time_s, found.bits, found.region)
    assert (found.time_s, found.bits, found.region) == (whole.time_s, whole.bits, whole.region)
    assert found.spacing == scale
    volume = open_file(SPECIMENS["nifti-3d"].save(tmp_path, "b")).frames[1]
    assert volume.geometry is not None
    assert Sources().facts(replace(volume, geometry=None)).geometry == volume.geometry


def test_a_scale_that_holds_for_a_region_holds_for_nothing_where_the_region_is_not_known(tmp_path: Path) -> None:
    path = SPECIMENS["dicom-jpeg-lossless"].save(tmp_path, "a")
    forgotten = replace(open_file(path).frames[0], region=None)
    path.unlink()
    assert forgotten.spacing is not None
    assert Sources().facts(forgotten).region == (0, 0, 0, 0)
    by_hand = replace(forgotten, spacing=Spacing(0.3, 0.3, "by hand"))
    assert Sources().facts(by_hand).region is None


def test_the_model_is_shown_frames_as_dark_as_their_files_say(
    make: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In suggestions, answers to clicks and rounds: 12 bits are stored, 10 are used."""
    brightest: list[int] = []
    suggest, segment = FakePredictor.suggest, FakePredictor.segment

    def suggesting(self: FakePredictor, frame_id: str, pixels: Any, *rest: Any) -> Any:
        brightest.append(int(pixels.max()))
        return suggest(self, frame_id, pixels, *rest)

    def segmenting(self: FakePredictor, frame_id: str, pixels: Any, *rest: Any) -> Any:
        brightest.append(int(pixels.max()))
        return segment(self, frame_id, pixels, *rest)

    monkeypatch.setattr(FakePredictor, "suggest", suggesting)
    monkeypatch.setattr(FakePredictor, "segment", segmenting)
    desk = make(images=0)
    for name, first in (("a", 0), ("b", 1)):
        dark = np.linspace(first, 1000, HEIGHT * WIDTH).astype(np.uint16).reshape(HEIGHT, WIDTH)
        dicom_saved(tmp_path / f"{name}.dcm", dicom_picture(dark, BitsStored=12, HighBit=11))
    assert desk.annotator.open([tmp_path / "a.dcm", tmp_path / "b.dcm"]) == []
    desk.settle()
    desk.annotator.click(INSIDE, 1)
    desk.settle()
    desk.accept()
    run_round(desk)
    (labelled, unlabelled) = desk.trainer.given[0]
    brightest += [int(one.pixels.max()) for one in (*labelled, *unlabelled)]
    assert len(brightest) >= 5
    assert set(brightest) == {62}  # 255 · 1000 / 4095
