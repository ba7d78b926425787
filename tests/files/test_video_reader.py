from __future__ import annotations

import os
import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from specimens import LONG, UNEVEN, UNEVEN_TIMES, colour, number_of, video

from napari_adasam.domain.calibration import NOT_SQUARE
from napari_adasam.domain.errors import InputError
from napari_adasam.files.readers import open_file

KINDS = {
    "b-frames.mp4": video(LONG, "libx264", "yuv420p", bf="3", g="16"),
    "one-key-frame.mp4": video(LONG, "libx264", "yuv420p", bf="2", g="1000"),
    "mpeg4.mp4": video(LONG, "mpeg4", "yuv420p", g="10"),
    "uneven.mp4": video(LONG, "libx264", "yuv420p", UNEVEN, bf="2", g="16"),
    "motion-jpeg.avi": video(LONG, "mjpeg", "yuvj420p", qscale="2"),
    "raw.avi": video(LONG, "rawvideo", "bgr24"),
    "b-frames.avi": video(LONG, "libx264", "yuv420p", bf="2", g="16"),
    "mpeg4.avi": video(LONG, "mpeg4", "yuv420p", bf="2", g="12"),
}


def in_order(path: Path) -> list[np.ndarray]:
    """All frames as FFmpeg gives them one after the other."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("name", KINDS)
def test_random_access_gives_the_frames_of_decoding_in_order(tmp_path: Path, name: str) -> None:
    KINDS[name](tmp_path / name)
    expected = in_order(tmp_path / name)
    clip = open_file(tmp_path / name)
    assert len(clip.frames) == len(expected) == 50
    order = [*range(50), *reversed(range(50))]
    random.Random(0).shuffle(order)
    for index in [*order, 0, 49, 0, 1, 2, 48]:
        pixels = clip.read(index)
        assert number_of(pixels) == index
        assert np.array_equal(pixels, expected[index])


def test_uneven_times_are_each_frame_s_own(tmp_path: Path) -> None:
    KINDS["uneven.mp4"](tmp_path / "v.mp4")
    times = [frame.time_s for frame in open_file(tmp_path / "v.mp4").frames]
    assert times == pytest.approx(UNEVEN_TIMES, abs=1e-6)


def test_many_videos_are_read_in_turn(tmp_path: Path) -> None:
    clips = []
    for number in range(7):
        video([colour(number + shift) for shift in range(3)], "mjpeg", "yuvj420p", qscale="2")(
            tmp_path / f"{number}.avi"
        )
        clips.append(open_file(tmp_path / f"{number}.avi"))
    for index in (2, 0, 1):
        assert [number_of(clip.read(index)) for clip in clips] == [number + index for number in range(7)]


def test_a_video_that_goes_away_or_is_another_now(tmp_path: Path) -> None:
    path = tmp_path / "v.avi"
    KINDS["raw.avi"](path)
    clip = open_file(path)
    clip.read(3)
    video([np.zeros((32, 32, 3), np.uint8)] * 5, "rawvideo", "bgr24")(path)
    with pytest.raises(InputError, match="has changed since it was opened"):
        clip.read(3)
    path.unlink()
    with pytest.raises(InputError, match="is not there any more"):
        clip.read(3)


@pytest.mark.skipif(os.name == "nt", reason="a file that is open is not replaced there")
def test_going_on_in_a_video_that_is_another_now_gives_the_other_s_frames(tmp_path: Path) -> None:
    path, other = tmp_path / "v.avi", tmp_path / "other.avi"
    for place, first in ((path, 0), (other, 20)):
        video(LONG[first : first + 5], "mjpeg", "yuvj420p", qscale="2")(place)
    clip = open_file(path)
    assert [number_of(clip.read(index)) for index in (0, 1)] == [0, 1]
    other.replace(path)
    assert [number_of(clip.read(index)) for index in (2, 3, 0)] == [22, 23, 20]


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("#EXTM3U\nhttp://example.org/other.ts\n" * 9)
    (tmp_path / "b.avi").write_bytes(b"Dear doctor, " * 100)
    for name in ("a.mp4", "b.avi"):
        with pytest.raises(InputError, match=f"{name} is not an AVI or MP4 video"):
            open_file(tmp_path / name)


@pytest.mark.parametrize(("ratio", "square"), [(Fraction(16, 15), False), (Fraction(1), True), (None, True)])
def test_pixels_that_are_not_square_are_pointed_out(tmp_path: Path, ratio: Fraction | None, square: bool) -> None:
    with av.open(str(tmp_path / "v.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = LONG[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if ratio is not None:
            stream.codec_context.sample_aspect_ratio = ratio
        for pixels in LONG[:3]:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    assert {frame.note for frame in open_file(tmp_path / "v.mp4").frames} == {"" if square else NOT_SQUARE}
