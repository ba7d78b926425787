"""Activations on the disk: kept, limited, shared, and made anew where they are damaged."""

from __future__ import annotations

import logging
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest

from napari_adasam.domain.errors import StorageError
from napari_adasam.files import activations
from napari_adasam.files.activations import ActivationStore


def value(seed: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1, 4, side, side)).astype(np.float16)


def test_what_is_kept_comes_back_bit_for_bit_in_another_sitting(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "activations"
    ActivationStore(folder).put("a", value(0))
    again = ActivationStore(folder)
    found = again.get("a")
    assert found is not None
    assert found.dtype == np.float16
    assert np.array_equal(found, value(0))
    assert again.get("b") is None


@pytest.mark.parametrize("damage", ["cut", "empty", "changed", "text"])
def test_a_damaged_file_is_none_logged_and_removed(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = ActivationStore(tmp_path)
    store.put("a", value(0))
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    changed = whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:]
    path.write_bytes({"cut": whole[:-9], "empty": b"", "changed": changed, "text": b"not one of ours"}[damage])
    with caplog.at_level(logging.WARNING):
        assert store.get("a") is None
    assert "damaged" in caplog.text
    assert not path.exists()
    store.put("a", value(1))
    assert np.array_equal(store.get("a"), value(1))


def test_beyond_the_limit_the_least_recently_used_go(tmp_path: Path) -> None:
    size = len(value(0).tobytes()) + 160
    store = ActivationStore(tmp_path, limit=5 * size)
    for number in range(5):
        store.put(str(number), value(number))
        (path,) = set(tmp_path.iterdir()) - {store._path(str(n)) for n in range(number)}
        os.utime(path, (number, number))
    assert len(list(tmp_path.iterdir())) == 5
    assert store.get("0") is not None  # so it is the most recently used
    store.put("5", value(5))
    kept = {name for name in "012345" if store._path(name).exists()}
    assert {"0", "5"} <= kept
    assert "1" not in kept
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 5 * size


def test_one_value_larger_than_the_limit_is_kept_alone(tmp_path: Path) -> None:
    store = ActivationStore(tmp_path, limit=10)
    store.put("a", value(0))
    store.put("b", value(1))
    assert store.get("b") is not None
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_is_logged_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, content: bytes) -> Path:
        raise StorageError("There is no space left.")

    monkeypatch.setattr(activations, "write_whole", full)
    store = ActivationStore(tmp_path)
    store.put("a", value(0))
    assert "no space left" in caplog.text
    assert store.get("a") is None


def write_and_read(folder: Path, start: int) -> int:
    """So many values that were there but wrong; another process removes and writes the same ones meanwhile."""
    store = ActivationStore(folder, limit=6000)
    wrong = 0
    for turn in range(60):
        name = (start + turn) % 10
        store.put(str(name), value(name))
        other = (start + 3 * turn) % 10
        found = store.get(str(other))
        wrong += found is not None and not np.array_equal(found, value(other))
    return wrong


def test_two_processes_share_a_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    context = multiprocessing.get_context("spawn")
    other = context.Process(target=write_and_read, args=(tmp_path, 5))
    other.start()
    assert write_and_read(tmp_path, 0) == 0
    other.join(60)
    assert other.exitcode == 0
    assert "damaged" not in caplog.text
    assert all(path.suffix == activations.ENDING for path in tmp_path.iterdir())
