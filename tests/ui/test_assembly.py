"""The sample images: drawn once into the user's cache, with their scale."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_adasam.files.readers import open_paths
from napari_adasam.ui import assembly


def test_sample_images_are_in_millimetres_and_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly.platformdirs, "user_cache_dir", lambda name: str(tmp_path / name))
    monkeypatch.setattr(assembly, "SAMPLES", 2)
    result = open_paths(assembly.sample_paths())
    assert result.problems == ()
    assert len(result.clips) == 2
    for clip in result.clips:
        assert clip.frames[0].spacing is not None
    before = [clip.path.stat().st_mtime_ns for clip in result.clips]
    assert [clip.path.stat().st_mtime_ns for clip in open_paths(assembly.sample_paths()).clips] == before
    result.clips[0].path.unlink()
    assert len(open_paths(assembly.sample_paths()).clips) == 2
