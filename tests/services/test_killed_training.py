"""A training whose process is killed goes on in another one, and ends with the same adapter."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from napari_adasam.files.phantom import PhantomSettings, write_samples
from napari_adasam.model import checkpoints

CHILD = Path(__file__).parent / "training_child.py"
STEPS = ["1", "2", "3"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    settings = PhantomSettings(64, 96, probe="linear")
    return write_samples(tmp_path / "phantoms", 5, settings=settings, per_cluster=1)


def child(*arguments: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(CHILD), *map(str, arguments)]
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=surroundings)


def lines(running: subprocess.Popen[str]) -> Iterator[str]:
    assert running.stdout is not None
    return (line.strip() for line in running.stdout)


def test_killed_at_any_instant_it_goes_on_in_another_process(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    whole, out = tmp_path / "whole.safetensors", tmp_path / "out" / "m.safetensors"
    with child(folder, whole, out) as running:
        printed = []
        for line in lines(running):
            printed.append(line)
            if len(printed) == len(STEPS) + 2:
                running.kill()
                break
    assert printed == [*STEPS, "1", "2"]
    assert out.with_name("m.safetensors.part").is_file()
    assert not out.exists()
    with child(folder, out) as running:
        printed, said = running.communicate(timeout=300)
    assert running.returncode == 0, said
    assert said.startswith("Going on from step ")
    assert 2 <= int(said.split()[4].rstrip(",")) <= 4
    assert set(printed.split()) <= set(STEPS)
    assert list(out.parent.iterdir()) == [out]
    first, second = (checkpoints.read(path)[0] for path in (whole, out))
    assert first.keys() == second.keys()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
