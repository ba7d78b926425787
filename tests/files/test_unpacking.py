from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_adasam.files.unpacking import BoundedFile, GzipIndex, inflate

CONTENT = np.random.default_rng(0).integers(0, 60, 5_000_000).astype(np.uint8).tobytes()


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One gzip file of two members, with padding behind."""
    path = tmp_path_factory.mktemp("packed") / "a.gz"
    path.write_bytes(gzip.compress(CONTENT[:3_000_000], 1) + gzip.compress(CONTENT[3_000_000:], 1) + bytes(10))
    return path


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(0, len(CONTENT) - 1), length=st.integers(1, 2_500_000))
def test_any_bytes_at_any_time(packed: Path, start: int, length: int) -> None:
    index = GzipIndex.of(packed, len(CONTENT))
    length = min(length, len(CONTENT) - start)
    assert index.read(start, length) == CONTENT[start : start + length]


def test_a_gzip_file_that_is_cut_short_or_changed_is_found_out(packed: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gz"
    cut.write_bytes(packed.read_bytes()[:-2000])
    with pytest.raises(EOFError):
        GzipIndex.of(cut, len(CONTENT))
    changed = bytearray(gzip.compress(CONTENT, 1))
    changed[-6] ^= 1  # in the checksum
    cut.write_bytes(changed)
    with pytest.raises(zlib.error):
        GzipIndex.of(cut, len(CONTENT))
    with pytest.raises(EOFError):
        GzipIndex.of(packed, len(CONTENT) + 1)


def test_unpacking_stops_at_its_limit() -> None:
    bomb = zlib.compress(bytes(50_000_000))
    assert inflate(bomb, 50_000_000, 15) == bytes(50_000_000)
    with pytest.raises(OverflowError):
        inflate(bomb, 1_000_000, 15)
    with pytest.raises(EOFError):
        inflate(bomb[:100], 1_000_000, 15)


def test_no_room_is_made_for_bytes_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    with BoundedFile(tmp_path / "a") as file:
        file.seek(2)
        assert file.read(1 << 60) == b"345"
        assert file.read(1 << 60) == b""
