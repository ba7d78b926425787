"""`napari-adasam export`: JSON on stdout, sentences on stderr, exit codes; no torch and no window."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_adasam.domain.records import Annotation, MaskOrigin
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.files.readers import open_paths
from napari_adasam.files.store import Store

RUN = (
    "import sys; from napari_adasam.cli import main\n"
    "try:\n    main()\n"
    "except SystemExit as end:\n    code = end.code or 0\n"
    "else:\n    code = 0\n"
    "heavy = [name for name in ('torch', 'napari', 'qtpy') if name in sys.modules]\n"
    "sys.exit(99 if heavy else code)\n"
)


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A saved session with one accepted frame of two."""
    pictures = tmp_path / "exams"
    pictures.mkdir()
    for name in ("one", "two"):
        Image.fromarray(np.full((20, 30), len(name) + ord(name[0]), np.uint8)).save(pictures / f"{name}.png")
    frames = [frame for clip in open_paths([pictures]).clips for frame in clip.frames]
    labels = np.zeros((20, 30), np.uint8)
    labels[4:9, 5:9] = 1
    store = Store.create(tmp_path / "session")
    store.save_frames(frames)
    store.save_structures(MUSCLE_PRESET)
    store.save_annotation(Annotation(frames[0].id, labels, {1: MaskOrigin.DRAWN}, {1: 1.0}, 2.0, ""))
    store.close()
    return tmp_path / "session"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, "export", *(str(one) for one in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_exports_and_says_what_and_what_is_lost(session: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = run(session, "--format", "png", "--format", "csv", "--out", out)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {"files": 3, "frames": 1, "out": str(out)}
    assert sorted(path.name for path in out.rglob("*.*")) == ["measurements.csv", "one.png", "provenance.json"]
    assert "No image has a scale" in ended.stderr


def test_names_can_be_left_out(session: Path, tmp_path: Path) -> None:
    ended = run(session, "--format", "coco", "--out", tmp_path / "out", "--frames", "one", "--deidentify")
    assert ended.returncode == 0, ended.stderr
    text = (tmp_path / "out" / "coco.json").read_text()
    assert "one.png" not in text
    assert '"name": "image_' in text
    assert "not a certified de-identification" in ended.stderr


def test_names_are_not_left_out_beside_names(session: Path, tmp_path: Path) -> None:
    assert run(session, "--format", "png", "--out", tmp_path / "out").returncode == 0
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    ended = run(session, "--format", "png", "--out", tmp_path / "out", "--deidentify")
    assert ended.returncode == 2
    assert "Nothing was written. Choose an empty folder." in ended.stderr
    assert "Traceback" not in ended.stderr
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"--format": "bmp"}, "'bmp' is not an export format"),
        ({"--frames": "two"}, '"two" is not accepted'),
        ({"--format": "dicom-seg"}, "None of the images is from a DICOM file"),
        ({"session": "exams"}, "holds no session"),
        ({"--out": "session"}, "holds a session"),
        ({"--format": "csv", "--table": "gone.csv"}, "There is no file gone.csv; nothing was written."),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(
    session: Path, tmp_path: Path, change: dict[str, str], sentence: str
) -> None:
    options = {"session": "session", "--format": "png", "--out": "out"} | change
    options["--out"] = str(tmp_path / options["--out"])
    folder = tmp_path / options.pop("session")
    ended = run(folder, *(word for pair in options.items() for word in pair))
    assert ended.returncode == 2
    (said,) = [line for line in ended.stderr.splitlines() if line and "0/? images" not in line]
    assert sentence in said
    assert ended.stdout == ""
    assert not (tmp_path / "out").exists()


def test_a_disk_that_does_not_take_it_is_code_1(session: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "masks").touch()  # where the folder of this name has to be
    ended = run(session, "--format", "png", "--out", tmp_path / "out")
    assert ended.returncode == 1
    assert "could not be written" in ended.stderr


def test_masks_that_are_missing_are_told_where_nothing_is_left_to_export(session: Path, tmp_path: Path) -> None:
    for mask in (session / "masks").iterdir():
        mask.unlink()
    ended = run(session, "--format", "png", "--out", tmp_path / "out")
    assert ended.returncode == 2
    assert "of this session is missing or damaged" in ended.stderr
    assert "has a mask that can be read" in ended.stderr
    assert "No image of this session is accepted" not in ended.stderr
    assert not (tmp_path / "out").exists()


def test_what_the_formats_do_not_use_is_told(session: Path, tmp_path: Path) -> None:
    (tmp_path / "files.csv").write_text("file,age\none.png,40\n")
    asked = {"--table": [str(tmp_path / "files.csv")], "--erosion": ["1"], "--blank-outside": []}
    words = [word for option, value in asked.items() for word in (option, *value)]
    ended = run(session, "--format", "tiff", "--out", tmp_path / "out", *words)
    assert ended.returncode == 0, ended.stderr
    assert [f"{option} does nothing here" in ended.stderr for option in asked] == [True] * 3
    used = run(session, "--format", "csv", "--format", "overlay", "--out", tmp_path / "used", *words)
    assert used.returncode == 0, used.stderr
    assert "does nothing" not in used.stderr
