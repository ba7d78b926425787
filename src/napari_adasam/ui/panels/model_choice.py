"""Which model serves, and another one in its place: by name, or from a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QComboBox, QFileDialog, QGridLayout, QLabel, QWidget

from napari_adasam.domain.settings import MODELS, ModelSettings
from napari_adasam.services.annotator import Annotator
from napari_adasam.ui.commands import Commander

FROM_FILE = "From a file…"
FILE_FILTER = "Models (*.safetensors *.pt *.pth);;All files (*)"


class ModelChoice(QWidget):
    """A line that names the serving model, and a list to choose another from."""

    def __init__(self, annotator: Annotator, commander: Commander) -> None:
        super().__init__()
        self._annotator = annotator
        self._commander = commander
        self.serving = QLabel()
        self.serving.setWordWrap(True)
        self.choice = QComboBox()
        self.choice.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.choice.setToolTip("Start from another model: a known one, or a checkpoint or adapter from a file")
        self.choice.activated.connect(self._choose)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.serving, 0, 0, 1, 2)
        layout.addWidget(QLabel("Start from:"), 1, 0)
        layout.addWidget(self.choice, 1, 1)
        layout.setColumnStretch(1, 1)
        self.refresh()

    def refresh(self) -> None:
        """Show what serves, and what is set."""
        model, name = self._annotator.model, self._annotator.settings.model.name
        if model is None:
            self.serving.setText("Model: loaded with the first suggestion.")
        else:
            self.serving.setText(f"Model: {model.name} · on {model.device}")
            lineage = " → ".join(model.lineage)
            self.serving.setToolTip(f"Fingerprint {model.fingerprint}\nLicence: {model.licence}\n{lineage}")
        own = () if name in MODELS else (name,)
        with QSignalBlocker(self.choice):
            self.choice.clear()
            for one in (*MODELS, *own):
                self.choice.addItem(Path(one).name, one)
            self.choice.addItem(FROM_FILE, "")
            self.choice.setCurrentIndex((*MODELS, *own).index(name))
        self.choice.setEnabled(not self._annotator.training)

    def _choose(self, place: int) -> None:
        name = self.choice.itemData(place) or self._ask_file()
        settings = self._annotator.settings
        if name and name != settings.model.name:
            model = ModelSettings(name=name, device=settings.model.device)
            self._commander.attempt(lambda: self._annotator.set_settings(replace(settings, model=model)))
        self.refresh()

    def _ask_file(self) -> str:
        name, _ = QFileDialog.getOpenFileName(self, "Choose a model", "", FILE_FILTER)
        return name
