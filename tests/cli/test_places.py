"""Where results cannot be written to: bad input, told before any work; and a prediction of nothing is a failure."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from napari_adasam import cli
from napari_adasam.cli.program import check_folder
from napari_adasam.domain.errors import InputError


@pytest.fixture
def blocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a file in it."""
    (tmp_path / "file").write_text("precious")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("napari_adasam.services.torch_start.keep_triton_out", lambda: None)
    monkeypatch.setattr(cli.window, "move_to_virtual_screen", lambda _: None)  # else it would end this process
    return tmp_path


def ended(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["napari-adasam", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "a.png", "--out", "file"),
        ("predict", "a.png", "--out", "file/below/it"),
        ("export", "session", "--format", "png", "--out", "file/x"),
        ("demo", "--headless", "--out", "file/x"),
        ("train", "data", "--out", "file/m.safetensors"),
        ("measure", "data", "--out", "file/t.csv"),
        ("evaluate", "data", "--study", "prompts", "--json", "file/f.json"),
        ("agreement", "one", "two", "--out", "file/x"),
        ("models", "list", "--json", "file/f.json"),
    ],
)
def test_a_place_below_a_file_is_bad_input(
    arguments: tuple[str, ...],
    blocked: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ended(monkeypatch, *arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "file is a file, and no folder to write into. Nothing was done. Give another place."
    ]
    assert [one.read_text() for one in blocked.iterdir()] == ["precious"]


def test_folders_that_can_be_made_are_no_trouble(tmp_path: Path) -> None:
    check_folder(tmp_path)
    check_folder(tmp_path / "new" / "deeper")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="no folder to write into"):
        check_folder(tmp_path / "file" / ".." / "file")


@dataclass
class Report:
    """Of a prediction."""

    frames: int
    seconds_per_frame: float = 0.5
    device: str = "cpu"
    problems: tuple[str, ...] = ("a.png was left out.",)


@pytest.mark.parametrize(("frames", "code"), [(0, 1), (1, 0)])
def test_a_prediction_of_no_frame_at_all_is_a_failure(
    frames: int, code: int, blocked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("napari_adasam.services.batch.predict_paths", lambda *_: Report(frames))
    assert (ended(monkeypatch, "predict", "a.png", "--out", "out") or 0) == code
    printed = capsys.readouterr()
    assert json.loads(printed.out)["frames"] == frames
    assert "a.png was left out." in printed.err
