"""Files of clips that are kept open are given back when they are asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from specimens import colour, video

from napari_adasam.files import video_frames
from napari_adasam.files.readers import open_file
from napari_adasam.files.video_frames import close_videos


def test_closed_videos_hold_no_file_and_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    video([colour(number) for number in range(3)], "mjpeg", "yuvj420p", qscale="2")(path)
    clip = open_file(path)
    first = clip.read(0)
    (kept,) = [one for one in video_frames._open_videos if one._path == path]
    assert kept._cursor is not None
    file = kept._cursor._opened.file
    close_videos()
    assert file.closed
    assert not video_frames._open_videos
    assert np.array_equal(clip.read(0), first)
    close_videos()
    close_videos()
