"""Ctrl-C: one sentence that says what is safe, and exit code 1."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_adasam import cli
from napari_adasam.cli.studies import _kept

PATIENCE_S = 120


@pytest.mark.parametrize(
    ("place", "arguments", "said"),
    [
        ("services.batch.predict_paths", ("predict", "a.png", "--out", "out"), "Files that are in out are whole"),
        ("services.training.train_dataset", ("train", "data", "--out", "m.safetensors"), "it began with is unchanged"),
        ("services.measuring.measure_dataset", ("measure", "data", "--out", "t.csv"), "Nothing was written."),
        ("services.session_export.export_session", ("export", "s", "--format", "png", "--out", "o"), "whole or not"),
        ("services.library.fetch", ("models", "fetch", "vit_b"), "goes on from it"),
    ],
)
def test_a_command_that_is_stopped_says_what_is_safe(
    place: str,
    arguments: tuple[str, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(f"napari_adasam.{place}", stopped)
    monkeypatch.setattr("napari_adasam.services.torch_start.keep_triton_out", lambda: None)
    monkeypatch.setattr(sys, "argv", ["napari-adasam", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    printed = capsys.readouterr()
    assert (end.value.code, printed.out) == (1, "")
    (sentence,) = [line for line in printed.err.splitlines() if line.startswith("Stopped. ")]
    assert said in sentence


@pytest.mark.parametrize(
    ("study", "file", "said"),
    [
        ("labels", Path("f.json"), "Each finished training is in f.json"),
        ("session", Path("f.json"), "Each finished pass is in f.json"),
        ("labels", None, "Nothing was kept. With --json FILE"),
        ("prompts", Path("f.json"), "Nothing was written."),
        ("propagation", None, "Nothing was written."),
    ],
)
def test_a_study_that_is_stopped_says_what_was_kept(study: str, file: Path | None, said: str) -> None:
    assert _kept(study, file).startswith(said)


@pytest.mark.skipif(sys.platform == "win32", reason="another kind of signal there")
def test_a_training_that_is_stopped_leaves_what_was_there(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "m.safetensors"
    out.write_bytes(b"an earlier model")
    for part, value in (("images", 120), ("labels", 1)):
        (data / part).mkdir(parents=True)
        picture = np.zeros((64, 64), np.uint8)
        picture[20:40, 10:50] = value
        Image.fromarray(picture).save(data / part / "a.png")
    (data / "index.csv").write_text("id\na\n")  # names no groups, which is said when all is imported
    command = [sys.executable, "-m", "napari_adasam", "train", str(data), "--out", str(out), "--steps", "100000"]
    surroundings = {**os.environ, "COLUMNS": "200"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=surroundings) as running:
        assert running.stderr is not None
        running.stderr.readline()
        time.sleep(1)
        running.send_signal(signal.SIGINT)
        printed, said = running.communicate(timeout=PATIENCE_S)
    assert (running.returncode, printed) == (1, b"")
    assert b"Stopped. The model that it began with is unchanged." in said
    assert b"Traceback" not in said
    assert out.read_bytes() == b"an earlier model"
    part = tmp_path / "m.safetensors.part"  # whether it has come to a step depends on the computer
    assert (f"is in {part}: the same command goes on from there." in said.decode()) is part.exists()
    assert {data, out} <= set(tmp_path.iterdir()) <= {data, out, part}


@pytest.mark.skipif(sys.platform == "win32", reason="no such terminals there")
def test_what_is_told_while_there_is_a_bar_stands_above_it() -> None:
    """On a terminal: a line of its own, and the bar is drawn anew below it."""
    import pty

    script = (
        "from napari_adasam.cli.learning import _tell\n"
        "from napari_adasam.cli.program import progress\n"
        "with progress('steps', '') as advance:\n"
        "    advance(1, 6, 'learning')\n"
        "    _tell('Going on from step 1.')\n"
    )
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", script], stderr=theirs) as running:
        os.close(theirs)
        assert running.wait(PATIENCE_S) == 0
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert re.search(r"\x1b\[2KGoing on from step 1\. *\r\n", shown), shown
