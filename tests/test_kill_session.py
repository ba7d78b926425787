"""A few of the kills of ``tests/kill_session.py``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_was_accepted_is_there_after_every_kill() -> None:
    # In a process of its own: a fork of this one would take its threads' locks along.
    script = Path(__file__).with_name("kill_session.py")
    command = [sys.executable, str(script), "--kills", "5", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] == 5
    assert found["accepted"] > 0
    assert found["faults"] == []
