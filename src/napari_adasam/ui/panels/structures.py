"""Step 2: name what is outlined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import count

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_adasam.domain.structures import MAX_STRUCTURES, PRESETS, Structure, with_free_values
from napari_adasam.services.annotator import Annotator
from napari_adasam.ui.by_keys import by_tab
from napari_adasam.ui.commands import Commander
from napari_adasam.ui.section import allow


class StructuresPanel(QWidget):
    """A row a structure: colour, name, whether an image may show several parts of it; add and remove."""

    def __init__(self, annotator: Annotator, commander: Commander) -> None:
        super().__init__()
        self._annotator = annotator
        self._commander = commander
        self._rows = QWidget()
        self._grid = QGridLayout(self._rows)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        self.add = QPushButton("Add structure")
        self.add.setToolTip("One more structure to outline; name it as it will stand in the table")
        by_tab(self.add)
        self.add.clicked.connect(self._add)
        self.preset = QComboBox()
        self.preset.setPlaceholderText("Use a list…")
        self.preset.addItems(list(PRESETS))
        self.preset.setCurrentIndex(-1)
        self.preset.setAccessibleName("Use a list")
        self.preset.setToolTip("Structures that are often outlined together, in place of the list above")
        by_tab(self.preset)
        self.preset.activated.connect(self._use_preset)
        buttons = QGridLayout()
        buttons.addWidget(self.add, 0, 0)
        buttons.addWidget(self.preset, 0, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self._rows)
        layout.addLayout(buttons)
        self.names: dict[int, QLineEdit] = {}
        self.several: dict[int, QCheckBox] = {}
        self._remove_buttons: dict[int, QToolButton] = {}
        self.refresh()

    def refresh(self) -> None:
        """Show the session's structures.

        Rows of the same structures stay: a click on one may be what ended the typing of a name, and is not over yet.
        """
        structures = self._annotator.session.structures
        if [one.value for one in structures] == list(self.names):
            for structure in structures:
                self._renew_row(structure)
        else:
            self._make_rows(structures)
        full = self._annotator.session.free_value() is None
        reason = f"{MAX_STRUCTURES} structures are the most a session holds, removed ones included." if full else ""
        locked = self._annotator.why_not("set_structures")
        allow(self.add, locked or reason)
        allow(self.preset, locked or reason)

    def _make_rows(self, structures: Sequence[Structure]) -> None:
        while item := self._grid.takeAt(0):
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self.names, self.several, self._remove_buttons = {}, {}, {}
        for row, structure in enumerate(structures):
            self._add_row(row, structure)
            self._renew_row(structure)

    def _add_row(self, row: int, structure: Structure) -> None:
        swatch = QLabel()
        swatch.setFixedSize(14, 14)
        swatch.setStyleSheet(f"background-color: {structure.color}; border-radius: 3px;")
        name = QLineEdit()
        name.setToolTip("Name, as it will stand in the table")
        name.setAccessibleName(f"Name of structure {structure.value}")
        name.editingFinished.connect(partial(self._rename, structure.value))
        several = QCheckBox("several parts")
        several.setToolTip("Tick if one image may show more than one separate piece of it")
        by_tab(several)
        several.toggled.connect(partial(self._set_several, structure.value))
        remove = QToolButton()
        remove.setText("✕")
        by_tab(remove)
        remove.clicked.connect(partial(self._remove, structure.value))
        for column, widget in enumerate((swatch, name, several, remove)):
            self._grid.addWidget(widget, row, column)
        self.names[structure.value] = name
        self.several[structure.value] = several
        self._remove_buttons[structure.value] = remove

    def _renew_row(self, structure: Structure) -> None:
        name, several = self.names[structure.value], self.several[structure.value]
        remove = self._remove_buttons[structure.value]
        typing = name.hasFocus() and name.isModified()
        if name.text() != structure.name and not typing:
            name.setText(structure.name)
        with QSignalBlocker(several):
            several.setChecked(structure.several_parts)
        remove.setProperty("tip", f"Remove {structure.name} from the list")
        remove.setAccessibleName(f"Remove {structure.name}")
        several.setAccessibleName(f"{structure.name}: several parts")
        locked = self._annotator.why_not("set_structures")
        for widget in (name, several, remove):
            allow(widget, locked)

    def _set(self, structures: Sequence[Structure], *_: object) -> None:
        self._commander.attempt(partial(self._annotator.set_structures, tuple(structures)))
        self.refresh()  # it may have been refused

    def _use_preset(self, at: int) -> None:
        self.preset.setCurrentIndex(-1)
        session = self._annotator.session
        preset, free = list(PRESETS.values())[at], session.free_values()
        known = session.structures if session.frames else ()
        if len(free) < len(preset):
            return  # the list is full, as the other button says
        self._set(with_free_values(preset, known, free))

    def _add(self) -> None:
        session = self._annotator.session
        value = session.free_value()
        if value is None:
            return
        taken = {one.name.strip().casefold() for one in session.structures}
        name = next(words for at in count(value) if (words := f"structure {at}") not in taken)
        self._set((*session.structures, Structure(value, name)))
        if value in self.names:
            self.names[value].setFocus()
            self.names[value].selectAll()

    def _rename(self, value: int) -> None:
        text = self.names[value].text().strip()
        self.names[value].setModified(False)
        known = self._annotator.session.structures
        before = next((one for one in known if one.value == value), None)
        if before is None or before.name == text:
            return
        if not text:
            self.names[value].setText(before.name)
            return
        self._set([one.renamed(text) if one.value == value else one for one in known])

    def _set_several(self, value: int, *_: object) -> None:
        several = self.several[value].isChecked()
        known = self._annotator.session.structures
        self._set([replace(one, several_parts=several) if one.value == value else one for one in known])

    def _remove(self, value: int, *_: object) -> None:
        self._set([one for one in self._annotator.session.structures if one.value != value])
