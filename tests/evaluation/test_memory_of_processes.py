"""Memory is that of the process and of those that it has started."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_adasam.evaluation.memory import resident_mb

MEGABYTES = 100


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of children")
def test_a_child_counts_while_it_lives() -> None:
    before = resident_mb()
    lines = f"block = b'x' * {MEGABYTES * 2**20}; print('ready', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", lines], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        during = resident_mb()
    assert during - before > 0.9 * MEGABYTES
    assert resident_mb() - before < 0.5 * MEGABYTES
