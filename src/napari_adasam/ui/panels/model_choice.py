"""Which model serves, its licence, where it comes from; and another one in its place, by name or from a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QFileDialog, QGridLayout, QLabel, QToolButton, QWidget

from napari_adasam.domain.settings import ModelSettings
from napari_adasam.services.annotator import Annotator
from napari_adasam.services.library import choices
from napari_adasam.services.ports import ModelInfo
from napari_adasam.ui.by_keys import by_tab
from napari_adasam.ui.commands import Commander
from napari_adasam.ui.elided import ElidedList
from napari_adasam.ui.section import allow

FROM_FILE = "From a file…"
FILE_FILTER = "Models (*.safetensors *.pt *.pth);;All files (*)"
NOT_HERE = "Not on this computer. In a terminal: napari-adasam models fetch {0}, or models install FILE"
UNDER_WAY = "A round is under way; wait for it or stop it, then change the model."
ROUND = "round "


def serving_words(model: ModelInfo) -> str:
    """One line: the name and the rounds since, the licence in short, the device."""
    rounds = [link.partition(":")[0] for link in model.lineage if link.startswith(ROUND)]
    shown = rounds if len(rounds) <= 2 else [rounds[0], "…", rounds[-1]]
    licence = model.licence.partition("(")[0].partition(";")[0].strip()
    return f"Model: {' → '.join((model.name, *shown))} · {licence or 'unknown'} · on {model.device}"


def lineage_words(model: ModelInfo) -> str:
    """All that is known of what serves, a line each: where it began, each step since, licence, fingerprint."""
    steps = [f"{'→ ' if number else ''}{link}" for number, link in enumerate(model.lineage)]
    return "\n".join((*steps, f"Licence: {model.licence}", f"Fingerprint: {model.fingerprint}"))


class FreshList(ElidedList):
    """A list that tells before it opens, so that it can be filled anew."""

    about_to_open = Signal()

    def showPopup(self) -> None:  # noqa: N802
        """Tell, then open."""
        self.about_to_open.emit()
        super().showPopup()


class ModelChoice(QWidget):
    """A line that names the serving model, its lineage behind an arrow, and a list to choose another from."""

    def __init__(self, annotator: Annotator, commander: Commander) -> None:
        super().__init__()
        self._annotator = annotator
        self._commander = commander
        self._known = choices()
        self.serving, self.lineage = QLabel(), QLabel()
        for label in (self.serving, self.lineage):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.more = QToolButton()
        self.more.setObjectName("more")
        self.more.setCheckable(True)
        self.more.setAutoRaise(True)
        by_tab(self.more)
        for say in (self.more.setToolTip, self.more.setAccessibleName):
            say("Where this model comes from, and its licence")
        self.more.toggled.connect(self._show_lineage)
        self.choice = FreshList()
        self.choice.setAccessibleName("Start from this model")
        by_tab(self.choice)
        self.choice.setToolTip("Start from another model: a known one, or a checkpoint or adapter from a file")
        self.choice.activated.connect(self._choose)
        self.choice.about_to_open.connect(self._look_again)
        self._arrange()
        self._show_lineage(False)
        self.refresh()

    def refresh(self) -> None:
        """Show what serves, and what is set."""
        model = self._annotator.model
        self.more.setVisible(model is not None)
        if model is None:
            self.serving.setText("Model: loaded with the first suggestion.")
            self.lineage.setText("")
        else:
            self.serving.setText(serving_words(model))
            self.serving.setToolTip(lineage_words(model))
            self.lineage.setText(lineage_words(model))
        self._fill(self._annotator.settings.model.name)
        allow(self.choice, self._annotator.why_not("set_settings") or (UNDER_WAY if self._annotator.training else ""))

    def _fill(self, set_now: str) -> None:
        """The known names, those that are not here greyed with the reason; then a file that is set, and any other."""
        names = (*self._known, *(() if set_now in self._known else (set_now,)))
        with QSignalBlocker(self.choice):
            self.choice.clear()
            for name in names:
                self.choice.addItem(Path(name).name, name)
            self.choice.addItem(FROM_FILE, "")
            self.choice.setCurrentIndex(names.index(set_now))
        items = self.choice.model()
        if isinstance(items, QStandardItemModel):
            for place, (name, here) in enumerate(self._known.items()):
                items.item(place).setEnabled(here)
                items.item(place).setToolTip("" if here else NOT_HERE.format(name))

    def _look_again(self) -> None:
        """Models may have been installed since."""
        self._known = choices()
        self._fill(self._annotator.settings.model.name)

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

    def _show_lineage(self, shown: bool) -> None:
        self.more.setArrowType(Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow)
        self.lineage.setVisible(shown)

    def _arrange(self) -> None:
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.serving, 0, 0, 1, 2)
        layout.addWidget(self.more, 0, 2, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.lineage, 1, 0, 1, 3)
        layout.addWidget(QLabel("Start from:"), 2, 0)
        layout.addWidget(self.choice, 2, 1, 1, 2)
        layout.setColumnStretch(1, 1)
