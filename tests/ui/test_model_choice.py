"""Choosing another model in the window, and reading where the serving one comes from."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QFileDialog

from napari_adasam.model import library
from napari_adasam.services.ports import ModelInfo
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.panels.model_choice import FROM_FILE, ModelChoice, lineage_words, serving_words

from window_fakes import wait_idle  # isort: skip


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder in which mobile_sam is."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / library.PUBLISHED["mobile_sam"].file).write_bytes(b"not looked into before it is loaded")
    monkeypatch.setattr(library, "models_folder", lambda: folder)
    return folder


@pytest.fixture
def choice(models: Path, request: pytest.FixtureRequest) -> ModelChoice:
    """Made after the folder."""
    dock: AdasamDock = request.getfixturevalue("opened")
    return dock.learn_panel.model


def choose(choice: ModelChoice, text: str) -> None:
    place = choice.choice.findText(text)
    assert place >= 0
    choice.choice.setCurrentIndex(place)
    choice.choice.activated.emit(place)


def enabled(choice: ModelChoice) -> dict[str, bool]:
    items = choice.choice.model()
    assert isinstance(items, QStandardItemModel)
    return {items.item(row).text(): items.item(row).isEnabled() for row in range(items.rowCount())}


def test_a_known_model_is_chosen_by_name(choice: ModelChoice, opened: AdasamDock, qtbot: Any) -> None:
    assert choice.choice.currentText() == library.BUNDLED
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
    assert choice.choice.currentText() == library.BUNDLED


def test_what_is_not_here_is_greyed_and_says_how_to_get_it(choice: ModelChoice) -> None:
    assert enabled(choice) == {
        "adasam-us": True,
        "mobile_sam": True,
        "vit_b": False,
        "vit_l": False,
        "vit_h": False,
        FROM_FILE: True,
    }
    items = choice.choice.model()
    assert isinstance(items, QStandardItemModel)
    assert "models fetch vit_b" in items.item(2).toolTip()


def test_a_model_installed_meanwhile_is_there_when_the_list_opens(
    choice: ModelChoice, models: Path, installed_record: Callable[[Path, str], None]
) -> None:
    installed_record(models, "our-scanner")
    choice.refresh()
    assert "our-scanner" not in enabled(choice), "the disk is not read at every refresh"
    choice.choice.showPopup()
    choice.choice.hidePopup()
    assert enabled(choice)["our-scanner"]


def test_the_window_and_its_list_open_without_any_network(
    make_dock: Callable[..., AdasamDock], models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = []
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, lambda _, to: reached.append(to))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *to, **_: reached.append(to))
    choice = make_dock().learn_panel.model
    choice.choice.showPopup()
    choice.choice.hidePopup()
    assert reached == []


@pytest.fixture
def installed_record() -> Callable[[Path, str], None]:
    """Put a model of a name of its own into a models folder."""

    def put(folder: Path, name: str) -> None:
        (folder / f"{name}.pth").write_bytes(b"weights")
        words = '"licence": "unknown", "kind": "sam", "architecture": "vit_b", "fingerprint": "0", "size": 7'
        record = f'{{"name": "{name}", "file": "{name}.pth", "sha256": "0", {words}}}'
        (folder / f"{name}.json").write_text(record)

    return put


LEARNED = ModelInfo(
    "adasam-us",
    "0123456789abcdef",
    "cpu",
    "Apache-2.0 (weights of SAM); trained on HC18 (CC-BY-4.0)",
    ("mobile_sam_fp16 73760c95", "adasam-us, 550 steps", "round 1: 5 accepted frames", "round 2: 10 accepted frames"),
)


def test_one_line_says_name_rounds_licence_and_device() -> None:
    assert serving_words(LEARNED) == "Model: adasam-us → round 1 → round 2 · Apache-2.0 · on cpu"
    many = ModelInfo("m", "f", "cuda", "unknown", tuple(f"round {n}: 5" for n in range(1, 10)))
    assert serving_words(many) == "Model: m → round 1 → … → round 9 · unknown · on cuda"


def test_all_of_its_lineage_is_behind_the_arrow(choice: ModelChoice, opened: AdasamDock) -> None:
    assert choice.lineage.isHidden()
    choice.more.click()
    assert not choice.lineage.isHidden()
    assert opened.annotator.model is not None
    assert choice.lineage.text() == lineage_words(opened.annotator.model)
    assert lineage_words(LEARNED).splitlines() == [
        "mobile_sam_fp16 73760c95",
        "→ adasam-us, 550 steps",
        "→ round 1: 5 accepted frames",
        "→ round 2: 10 accepted frames",
        "Licence: Apache-2.0 (weights of SAM); trained on HC18 (CC-BY-4.0)",
        "Fingerprint: 0123456789abcdef",
    ]
    choice.more.click()
    assert choice.lineage.isHidden()


def test_the_model_loads_while_somebody_chooses_what_to_open(
    dock: AdasamDock, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy: list[bool] = []
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: busy.append(dock.annotator.busy) or "")
    assert dock.annotator.model is None
    dock.open_panel.folder.click()
    assert busy == [True]
    wait_idle(dock, qtbot)
    assert dock.annotator.model is not None
    assert not dock.annotator.session.frames
