"""The command line with the bundled weights, in processes of its own where it computes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_adasam import cli
from napari_adasam.files.phantom import write_samples


def test_a_file_that_is_no_image_is_one_sentence_in_a_real_run(tmp_path: Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("not an image")
    command = [sys.executable, "-m", "napari_adasam", "predict", str(text), "--out", str(tmp_path / "out")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "notes.png" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()


def test_predict_writes_masks_with_the_real_weights(tmp_path: Path) -> None:
    """Two drawn images and a broken file, in a process of its own."""
    scans, out = write_samples(tmp_path / "data", 2, seed=3) / "images", tmp_path / "out"
    (scans / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    command = [sys.executable, "-m", "napari_adasam", "predict", str(scans), "--out", str(out)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert set(said) == {"frames", "seconds_per_frame", "device"}
    assert said["frames"] == 2
    assert said["seconds_per_frame"] > 0
    assert ended.stderr.count("broken.png") == 1
    assert "Traceback" not in ended.stderr
    stems = sorted(path.stem for path in scans.glob("phantom*.tif"))
    assert sorted(path.stem for path in (out / "masks").iterdir()) == stems
    assert sorted(path.stem for path in (out / "cams").iterdir()) == [f"{s}_{value}" for s in stems for value in (1, 2)]
    for stem in stems:
        mask = np.array(Image.open(out / "masks" / f"{stem}.png"))
        assert mask.shape == tifffile.imread(scans / f"{stem}.tif").shape[:2]
        assert set(np.unique(mask)) <= {0, 1, 2}
        assert mask.any()


@pytest.mark.parametrize(
    ("broken", "words", "said"),
    [
        ("", ("train", "DATA", "--out", "m.safetensors"), "has no label image of any picture"),
        ("labels/p1.png", ("train", "DATA", "--out", "m.safetensors"), "labels/p1.png cannot be read"),
        ("images/p1.png", ("evaluate", "DATA", "--study", "prompts"), "images/p1.png cannot be read"),
        ("images/p1.png", ("evaluate", "DATA", "--study", "session", "--static"), "images/p1.png cannot be read"),
        (None, ("train", "DATA", "--out", "m.safetensors", "--structures", "7=a"), "--structures names 7"),
        ("empty", ("train", "DATA", "--out", "m.safetensors"), "None of the 3 label images"),
    ],
)
def test_a_data_set_that_cannot_be_used_is_one_sentence(
    broken: str | None,
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / "data"
    for name, value in (("images", 90), ("labels", 1)):
        (data / name).mkdir(parents=True)
        for at in range(3):
            picture = np.zeros((64, 64), np.uint8)
            picture[20:40, 20:40] = value + at * (name == "images")
            Image.fromarray(picture).save(data / name / f"p{at}.png")
    (data / "index.csv").write_text("id,patient\np0,1\np1,2\np2,3\n")
    if broken == "empty":
        for at in range(3):
            Image.fromarray(np.zeros((64, 64), np.uint8)).save(data / "labels" / f"p{at}.png")
    elif broken:
        (data / broken).write_bytes(b"xx")
    elif broken is not None:
        shutil.rmtree(data / "labels")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["napari-adasam", *(str(data) if word == "DATA" else word for word in words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    printed = capsys.readouterr()
    assert (end.value.code, printed.out) == (2, ""), printed.err
    assert said in printed.err
    assert "left out" not in printed.err
    assert "Traceback" not in printed.err
    assert not (tmp_path / "m.safetensors").exists()
