"""The command line in processes of its own, with the bundled weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

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
