"""The window's part of ``doctor``: Qt and GL are asked in a process of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from napari_adasam.services.doctor import Finding
from napari_adasam.ui import doctor


def test_qt_and_gl_are_named() -> None:
    named = {one.what: one.found for one in doctor.window()}
    assert "Py" in named["Qt"]
    assert named["OpenGL"][0].isdecimal()


def test_a_process_that_ends_without_an_answer_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(command: list[str], **_: object) -> object:
        raise subprocess.CalledProcessError(-11, command, stderr="libGL error: failed to load driver\n")

    monkeypatch.setattr(subprocess, "run", crash)
    (finding,) = doctor.window()
    assert not finding.sound
    assert "failed to load driver" in finding.found


def test_a_computer_without_a_screen_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "no_window_because", lambda: "There is no screen here.")
    (finding,) = doctor.window()
    assert finding.sound
    assert not finding.looked


def test_what_was_not_tried_is_not_called_ok(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "no_window_because", lambda: "There is no screen here.")
    monkeypatch.setattr(doctor, "findings", lambda: iter(()))
    assert doctor.examine()
    row = next(line for line in capsys.readouterr().out.splitlines() if "There is no screen" in line)
    assert "–" in row
    assert "ok" not in row


@pytest.mark.parametrize("sound", [True, False])
def test_one_fault_is_enough(sound: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def findings() -> Iterator[Finding]:
        yield Finding("weights", "adasam-us", "here", sound=True)
        yield Finding("devices", "mps", "off", sound=sound)

    monkeypatch.setattr(doctor, "findings", findings)
    monkeypatch.setattr(doctor, "window", lambda: iter(()))
    assert doctor.examine() is sound
    assert "adasam-us" in capsys.readouterr().out
