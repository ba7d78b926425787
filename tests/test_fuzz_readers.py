"""A short run of the fuzzer; the long one is ``python tests/fuzz_readers.py``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="limits and times of processes are read as Linux has them"
)
def test_damaged_files_end_in_pixels_or_in_a_sentence() -> None:
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("fuzz_readers.py")), "--count", "300"]
    done = subprocess.run([*command, "--seed", "1000", "--no-bombs"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["files"] == 300
    assert set(result["outcomes"]) == {"pixels", "sentence"}
