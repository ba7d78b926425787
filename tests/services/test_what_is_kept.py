"""What the program keeps by itself: for the user alone, named by the doctor, and not left behind unsaid."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from annotator_fakes import make_desk, write_images

from napari_adasam.domain.settings import LearnSettings, Settings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.files import video_frames
from napari_adasam.services import doctor, sources


def test_the_old_copy_is_told_of_once_when_a_session_is_kept_elsewhere(tmp_path: Path) -> None:
    desk = make_desk(Settings(learn=LearnSettings(every=0)), MUSCLE_PRESET)
    desk.annotator.keep_by_itself(tmp_path / "data" / "sessions")
    desk.annotator.open([write_images(tmp_path / "scans", 2)])
    desk.settle()
    old = desk.annotator.folder
    assert old is not None
    if os.name == "posix":
        assert [stat.S_IMODE(one.stat().st_mode) for one in (old, old.parent, old.parent.parent)] == [0o700] * 3
    assert desk.problems == []
    assert desk.annotator.save_as(tmp_path / "chosen")
    (said,) = desk.problems
    assert str(old) in said
    assert "may be deleted" in said
    assert str(tmp_path / "chosen") in said
    desk.settle()
    assert desk.annotator.save_as(tmp_path / "again")
    assert desk.problems == [said], "the other folder was chosen by the clinician"
    desk.annotator.close()


def test_a_sitting_that_is_closed_gives_its_clips_back(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(sources, "close_videos", lambda: closed.append(True))
    assert sources.close_videos is not video_frames.close_videos
    make_desk(Settings(), MUSCLE_PRESET).annotator.close()
    assert closed == [True]


def test_the_doctor_names_the_folders_with_their_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions, cache = tmp_path / "sessions", tmp_path / "activations"
    (sessions / "session-1").mkdir(parents=True)
    (sessions / "session-1" / "session.sqlite").write_bytes(bytes(2_300_000))
    monkeypatch.setattr(doctor, "sessions_home", lambda: sessions)
    monkeypatch.setattr(doctor, "activations_home", lambda: cache)
    for source in ("versions", "devices", "weights"):
        monkeypatch.setattr(doctor, source, lambda: iter(()))
    named = {one.what: one for one in doctor.findings()}
    assert named["sessions"].found == f"{sessions}\n2.3 MB"
    assert named["cache of activations"].found == f"{cache}\nnothing there yet"
    assert all(one.sound for one in named.values())
