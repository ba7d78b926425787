"""Where results cannot be written to: bad input, told before any work; and a prediction of nothing is a failure."""

from __future__ import annotations

import json
import subprocess
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


@pytest.mark.parametrize("command", [("models", "list", "--json"), ("measure", "data", "--out")])
def test_a_name_that_is_too_long_is_told_before_any_work(
    command: tuple[str, ...], blocked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, *command, "x" * 300) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("xxxxx")
    assert "too long for the disk" in printed.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "a.png", "--out", ""),
        ("predict", "", "--out", "out"),
        ("export", "session", "--format", "png", "--out="),
        ("",),
        ("predict", "--structures", "", ""),
    ],
)
def test_a_place_that_is_empty_is_not_taken_for_the_folder_one_is_in(
    arguments: tuple[str, ...], blocked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, *arguments) == 2
    assert capsys.readouterr().err.startswith("A name or place is empty. Nothing was done.")


@pytest.mark.parametrize("written", [("--out", "~/out"), ("--out=~/out",)])
def test_the_sign_for_ones_own_folder_is_not_taken_for_a_name(
    written: tuple[str, ...], blocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(blocked))
    monkeypatch.setenv("USERPROFILE", str(blocked))
    asked: list[Path] = []

    def predict(inputs: list[Path], out: Path, *_: object) -> Report:
        asked.extend((*inputs, out))
        return Report(1)

    monkeypatch.setattr("napari_adasam.services.batch.predict_paths", predict)
    assert not ended(monkeypatch, "predict", "~/a.png", "~b.png", *written, "--structures", "")
    assert asked == [blocked / "a.png", Path("~b.png"), blocked / "out"]


def test_what_was_closed_before_the_program_began_is_not_where_files_are_opened(tmp_path: Path) -> None:
    """Of the streams: what a library complains of would stand in the first file that is opened."""
    script = (
        "import os, sys; from napari_adasam.cli import have_streams; os.close(0); os.close(2); have_streams(); "
        "kept = open(sys.argv[1], 'w'); os.write(2, b'complaint'); kept.close()"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "kept")], check=True)
    assert (tmp_path / "kept").read_bytes() == b""
