"""Model files on the disk: as readable as other files, and written by two trainings at a time."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from held_files import hold

from napari_adasam.domain.errors import StorageError
from napari_adasam.model import checkpoints


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_a_model_s_file_is_as_readable_as_the_user_s_other_files(tmp_path: Path, umask: None) -> None:
    path = tmp_path / "model.safetensors"
    for _ in range(2):
        checkpoints.write(path, {"a": torch.ones(3)}, "{}")
        assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_two_trainings_that_write_at_a_time_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, save_file = tmp_path / "model.safetensors", checkpoints.save_file
    parts: list[Path] = []

    def meanwhile(tensors: Any, part: Path, metadata: Any) -> None:
        parts.append(part)
        save_file(tensors, part, metadata=metadata)
        if len(parts) == 1:
            checkpoints.write(path, {"a": torch.full((3,), 2.0)}, "{}")

    monkeypatch.setattr(checkpoints, "save_file", meanwhile)
    checkpoints.write(path, {"a": torch.ones(3)}, "{}")
    assert len(set(parts)) == 2
    assert {part.parent for part in parts} == {tmp_path}
    assert list(tmp_path.iterdir()) == [path]
    assert checkpoints.read(path)[0]["a"].tolist() == [1, 1, 1]


def test_what_fails_leaves_the_model_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    checkpoints.write(path, {"a": torch.ones(3)}, "{}")
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="What was there before is unchanged"):
        checkpoints.write(path, {"a": torch.zeros(3)}, "{}")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_model_that_a_virus_scanner_holds_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept = hold(monkeypatch, 2)
    checkpoints.write(tmp_path / "model.safetensors", {"a": torch.ones(3)}, "{}")
    assert len(slept) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_model_that_stays_open_elsewhere_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    checkpoints.write(path, {"a": torch.ones(3)}, "{}")
    before = path.read_bytes()
    hold(monkeypatch, 1000)
    with pytest.raises(StorageError, match="What was there before is unchanged"):
        checkpoints.write(path, {"a": torch.zeros(3)}, "{}")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
