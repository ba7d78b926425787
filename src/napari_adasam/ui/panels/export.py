"""Step 5: masks and measurements out."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QCheckBox, QFileDialog, QGridLayout, QHBoxLayout, QLabel, QLineEdit, QPushButton, QWidget

from napari_adasam.services.annotator import Annotator
from napari_adasam.ui.commands import Commander
from napari_adasam.ui.section import allow, reason_label

FORMATS = (
    ("png", "PNG", "Masks as PNG images"),
    ("tiff", "TIFF", "Masks as TIFF images with their scale, for ImageJ"),
    ("csv", "CSV table", "Measurements, one row a structure"),
)


class ExportPanel(QWidget):
    """Where to, which formats, and what was written."""

    def __init__(self, annotator: Annotator, commander: Commander) -> None:
        super().__init__()
        self._annotator = annotator
        self._commander = commander
        self.folder = QLineEdit(str(Path.home() / "ultrasound-masks"))
        self.folder.setToolTip("The folder that gets the files")
        self.choose = QPushButton("Choose…")
        self.choose.clicked.connect(self._choose_folder)
        self.formats = {name: self._format_box(words, tip) for name, words, tip in FORMATS}
        self.export = QPushButton("Export accepted images")
        self.export.setToolTip("Write masks and measurements of every accepted image")
        self.export.clicked.connect(self._export)
        self.show_folder = QPushButton("Show folder")
        self.show_folder.clicked.connect(self._show_folder)
        for button in (self.choose, self.export, self.show_folder):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.done = QLabel()
        self.done.setWordWrap(True)
        self.reason = reason_label()
        self._lay_out()
        self.show_folder.hide()
        self.done.hide()
        self.refresh()

    def _format_box(self, words: str, tip: str) -> QCheckBox:
        box = QCheckBox(words)
        box.setChecked(True)
        box.setToolTip(tip)
        box.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        box.toggled.connect(self._on_format)
        return box

    def _lay_out(self) -> None:
        boxes = QHBoxLayout()
        for box in self.formats.values():
            boxes.addWidget(box)
        layout = QGridLayout(self)
        layout.setContentsMargins(4, 0, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.folder, 0, 0)
        layout.addWidget(self.choose, 0, 1)
        layout.addLayout(boxes, 1, 0, 1, 2)
        layout.addWidget(self.export, 2, 0)
        layout.addWidget(self.show_folder, 2, 1)
        layout.addWidget(self.reason, 3, 0, 1, 2)
        layout.addWidget(self.done, 4, 0, 1, 2)
        layout.setColumnStretch(0, 1)

    def refresh(self) -> None:
        """Allow the export, or say why not."""
        reason = self._annotator.why_not("export")
        if not reason and not self._chosen():
            reason = "Tick at least one format."
        allow(self.export, reason, self.reason)

    def _chosen(self) -> list[str]:
        return [name for name, box in self.formats.items() if box.isChecked()]

    def _on_format(self, _checked: bool) -> None:
        self.refresh()

    def _choose_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Export to", self.folder.text())
        if name:
            self.folder.setText(name)

    def _export(self) -> None:
        folder = Path(self.folder.text()).expanduser()
        written: list[Path] = []
        if not self._commander.attempt(lambda: written.extend(self._annotator.export(folder, self._chosen()))):
            return
        self.done.setText(f"{len(written)} file{'s' if len(written) != 1 else ''} written to {folder.name}.")
        self.done.setToolTip(str(folder))
        self.done.show()
        self.show_folder.show()

    def _show_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(Path(self.folder.text()).expanduser())))
