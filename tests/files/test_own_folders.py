"""What the program keeps by itself is for its user alone, and how much it is is told."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_adasam.domain.errors import StorageError
from napari_adasam.files.activations import ActivationStore
from napari_adasam.files.own_folders import bytes_in, make_own_folder

on_posix = pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")


@pytest.fixture(autouse=True)
def open_to_all() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@on_posix
def test_folders_that_are_made_are_for_the_user_alone_and_others_stay(tmp_path: Path) -> None:
    there = tmp_path / "chosen"
    there.mkdir(mode=0o755)
    folder = there / "napari-adasam" / "sessions"
    assert make_own_folder(folder) == folder
    assert [mode(one) for one in (folder, folder.parent, there)] == [0o700, 0o700, 0o755]
    folder.chmod(0o750)
    make_own_folder(folder)
    assert mode(folder) == 0o750


@on_posix
def test_the_cache_of_activations_is_for_the_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "napari-adasam" / "activations"
    ActivationStore(folder).put("a", np.zeros((2, 2), np.float16))
    assert len(list(folder.iterdir())) == 1
    assert [mode(one) for one in (folder, folder.parent)] == [0o700, 0o700]


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageError):
            make_own_folder(folder)


def test_how_much_a_folder_holds(tmp_path: Path) -> None:
    assert bytes_in(tmp_path / "none") == 0
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(bytes(1000))
    (tmp_path / "two").write_bytes(bytes(500))
    assert bytes_in(tmp_path) == 1500
