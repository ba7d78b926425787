"""What ``doctor`` finds: faults are told from what is merely not there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from napari_adasam.model import devices, library
from napari_adasam.services import doctor


def found(name: str) -> doctor.Finding:
    return next(one for one in doctor.weights() if one.what == name)


def test_versions_name_this_program() -> None:
    named = {one.what: one.found for one in doctor.versions()}
    assert named["napari-adasam"] == "0.1.0"
    assert "cores" in named["system"]


def test_a_published_model_that_is_not_here_is_no_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(library, "models_folder", lambda: tmp_path)
    assert found("vit_b").sound
    assert found("vit_b").found == f"not in {tmp_path}"


def test_a_published_model_with_another_hash_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(library, "models_folder", lambda: tmp_path)
    (tmp_path / library.PUBLISHED["vit_b"].file).write_bytes(b"cut short")
    assert not found("vit_b").sound
    assert "sha256 differs" in found("vit_b").found


def test_a_bundled_model_that_is_missing_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(library, "bundled_path", lambda: tmp_path / "none.safetensors")
    assert not found("adasam-us").sound


def test_a_device_that_computes_wrongly_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "available", lambda: ("mps", "cpu"))
    monkeypatch.setattr(devices, "deviation", lambda device: 0.5)
    by_name = {one.what: one for one in doctor.devices()}
    assert not by_name["mps"].sound
    assert by_name["cpu"].sound


def test_a_device_that_fails_is_a_fault_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(device: object) -> float:
        raise RuntimeError("no kernel image\nmore")

    monkeypatch.setattr(devices, "available", lambda: ("mps", "cpu"))
    monkeypatch.setattr(devices, "deviation", broken)
    failed = next(doctor.devices())
    assert not failed.sound
    assert failed.found.endswith("the self-check failed: no kernel image")


def test_a_torch_that_does_not_load_is_a_fault_and_the_rest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    (finding,) = doctor.devices()
    assert not finding.sound
    assert "PyTorch, which computes the model, cannot be loaded" in finding.found
    assert "import of torch halted" in finding.found
