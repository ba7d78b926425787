"""Choosing another model in the window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from qtpy.QtWidgets import QFileDialog

from napari_adasam.domain.settings import MODELS
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.panels.model_choice import FROM_FILE, ModelChoice

from window_fakes import wait_idle  # isort: skip


def choose(choice: ModelChoice, text: str) -> None:
    place = choice.choice.findText(text)
    assert place >= 0
    choice.choice.setCurrentIndex(place)
    choice.choice.activated.emit(place)


def test_a_known_model_is_chosen_by_name(opened: AdasamDock, qtbot: Any) -> None:
    choice = opened.learn_panel.model
    assert choice.choice.currentText() == MODELS[0]
    assert "brightness" in choice.serving.text()
    choose(choice, "mobile_sam")
    wait_idle(opened, qtbot)
    assert opened.annotator.settings.model.name == "mobile_sam"
    assert choice.choice.currentText() == "mobile_sam"


def test_a_file_is_named_without_its_folders(
    opened: AdasamDock, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.safetensors"
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(file), ""))
    choice = opened.learn_panel.model
    choose(choice, FROM_FILE)
    wait_idle(opened, qtbot)
    assert opened.annotator.settings.model.name == str(file)
    assert choice.choice.currentText() == "mine.safetensors"


def test_nothing_changes_where_no_file_is_chosen(opened: AdasamDock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    before = opened.annotator.settings
    choice = opened.learn_panel.model
    choose(choice, FROM_FILE)
    assert opened.annotator.settings is before
    assert choice.choice.currentText() == MODELS[0]
