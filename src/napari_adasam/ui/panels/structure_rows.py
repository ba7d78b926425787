"""Part of step 3: the structures of the image, which one is in hand, and whether each is there."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QButtonGroup, QCheckBox, QGridLayout, QLabel, QWidget

from napari_adasam.domain.structures import Structure
from napari_adasam.services.annotator import Annotator
from napari_adasam.ui.by_keys import by_tab
from napari_adasam.ui.commands import Commander, button_words
from napari_adasam.ui.elided import ElidedChoice
from napari_adasam.ui.section import allow
from napari_adasam.ui.tools import Tools


class StructureRows(QWidget):
    """A row a structure: chosen or not, "present: 94 %", and a tick that overrules it."""

    def __init__(self, annotator: Annotator, commander: Commander, tools: Tools) -> None:
        super().__init__()
        self._annotator = annotator
        self._commander = commander
        self._tools = tools
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(2)
        self._grid.setColumnStretch(1, 1)
        self._group = QButtonGroup(self)
        self.choices: dict[int, ElidedChoice] = {}
        self.presence: dict[int, QLabel] = {}
        self.ticks: dict[int, QCheckBox] = {}
        tools.structure_changed.connect(self._on_structure)
        self.fill()

    def fill(self) -> None:
        """Make the rows of the session's structures."""
        while item := self._grid.takeAt(0):
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self.choices, self.presence, self.ticks = {}, {}, {}
        for row, structure in enumerate(self._annotator.session.structures):
            self._add_row(row, structure)
        self.refresh()

    def refresh(self) -> None:
        """Show presence and ticks of the current frame."""
        current = self._annotator.session.current
        for value, label in self.presence.items():
            tick, text = self._tick_and_words(current, value)
            label.setText(text)
            with QSignalBlocker(self.ticks[value]):
                self.ticks[value].setChecked(tick)
            allow(self.ticks[value], self._annotator.why_not("tick"))
        self._on_structure(self._tools.structure)

    def close_rows(self) -> None:
        """Let go of the tools."""
        self._tools.structure_changed.disconnect(self._on_structure)

    def _add_row(self, row: int, structure: Structure) -> None:
        swatch = QLabel()
        swatch.setFixedSize(14, 14)
        swatch.setStyleSheet(f"background-color: {structure.color}; border-radius: 3px;")
        choice = ElidedChoice(button_words(structure.name))
        choice.setToolTip(f"Clicks, boxes and strokes mean this structure (T: the next one):\n{structure.name}")
        by_tab(choice)
        choice.clicked.connect(partial(self._choose, structure.value))
        self._group.addButton(choice)
        presence = QLabel()
        presence.setToolTip("How sure the program is that this structure is in the image")
        tick = QCheckBox("there")
        tick.setAccessibleName(f"{structure.name} is there")
        tick.setToolTip("You decide: ticked means that it is in this image, empty that it is not")
        by_tab(tick)
        tick.clicked.connect(partial(self._tick, structure.value))
        for column, widget in enumerate((swatch, choice, presence, tick)):
            self._grid.addWidget(widget, row, column)
        self.choices[structure.value] = choice
        self.presence[structure.value] = presence
        self.ticks[structure.value] = tick

    def _tick_and_words(self, current: str | None, value: int) -> tuple[bool, str]:
        if current is None:
            return False, ""
        session = self._annotator.session
        said = session.ticks(current).get(value)
        suggestion = session.suggestions(current).get(value)
        if said is not None:
            return said, "there (you)" if said else "not there (you)"
        if session.propagated(current) is not None:  # the classifier was not asked
            return bool((session.labels(current) == value).any()), "propagated"
        drawn = session.is_drawn(current, value)  # then it is there, whatever the classifier thinks
        if suggestion is None:
            return drawn, "outlined" if drawn else "not looked yet"
        present = suggestion.presence >= self._annotator.settings.prompts.presence
        return drawn or present, f"present: {suggestion.presence:.0%}".replace("%", " %")

    def _choose(self, value: int, *_: object) -> None:
        self._tools.choose_structure(value)

    def _tick(self, value: int, *_: object) -> None:
        self._commander.attempt(partial(self._say, value, self.ticks[value].isChecked()))
        self.refresh()

    def _say(self, value: int, present: bool) -> None:
        """Where that is refused, wiping it comes first, and that must mean this structure."""
        if not self._annotator.tick(value, present) and not self._annotator.why_not("tick"):
            self._tools.choose_structure(value)

    def _on_structure(self, value: int) -> None:
        if value in self.choices:
            self.choices[value].setChecked(True)
