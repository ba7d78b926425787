"""Rounds where memory is full, for real: a child process whose address space is limited."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from napari_adasam.model import devices
from napari_adasam.services.thrift import Thrift

CHILD = Path(__file__).parent / "short_of_memory.py"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="address space is limited and read as Linux does")
def test_in_little_memory_a_round_goes_on_with_less_and_says_so() -> None:
    """It may also end with one sentence, if even that is too much; suggestions work afterwards in any case."""
    verdicts = []
    for mib in (330, 250, 180, 290, 210, 360, 150):  # what a step takes depends on the computer and on chance
        done = subprocess.run(
            [sys.executable, str(CHILD), str(mib)],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["answers"] == 2
        verdicts.append(told.get("verdict") or told["error"])
        assert "error" not in told or "more memory than is free" in told["error"], told
        if verdicts[-1].endswith("because memory was short."):
            return
    pytest.fail(f"never went on with less: {verdicts}")


def test_what_is_given_up_first_costs_least() -> None:
    thrift, given_up, forgotten = Thrift(4, slices=5), [], []

    def hungry() -> None:
        given_up.append((thrift.most_prompts, thrift.slices, thrift.unlabelled, thrift.encoder, thrift.given_up))
        raise MemoryError

    with pytest.raises(MemoryError):
        thrift.afford(hungry, lambda: forgotten.append(len(given_up)))
    assert given_up == [
        (4, 5, True, True, ""),
        (2, 5, True, True, "with fewer prompts at once"),
        (1, 5, True, True, "with fewer prompts at once"),
        (1, 3, True, True, "from 3 slices at once"),
        (1, 1, True, True, "from single images"),
        (1, 1, False, True, "from accepted images only"),
        (1, 1, False, False, "from accepted images only, with the encoder as it is"),
    ]
    assert forgotten == [1, 2, 3, 4, 5, 6]  # before each new try, what the broken one has left is dropped


def test_other_errors_are_not_taken_for_full_memory() -> None:
    def broken() -> None:
        raise RuntimeError("shapes do not fit")

    thrift = Thrift(4)
    with pytest.raises(RuntimeError, match="shapes"):
        thrift.afford(broken, lambda: None)
    assert not thrift.given_up


def test_an_operation_that_onednn_cannot_prepare_is_done_without_it() -> None:
    """It would fail for ever: oneDNN remembers that it could not."""
    tried: list[bool] = []

    @devices.again_without_onednn
    def work() -> str:
        tried.append(torch.backends.mkldnn.enabled)
        if torch.backends.mkldnn.enabled:
            raise RuntimeError("could not create a primitive")
        return "done"

    before = torch.backends.mkldnn.enabled
    try:
        torch.backends.mkldnn.set_flags(True)
        assert work() == "done"
        assert tried == [True, False]
    finally:
        torch.backends.mkldnn.set_flags(before)
