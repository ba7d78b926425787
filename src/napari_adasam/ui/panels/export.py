"""Step 5: masks and measurements out."""

from __future__ import annotations

from html import escape
from pathlib import Path

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices, QShowEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_adasam.domain.export_formats import EVERYDAY
from napari_adasam.files.exports import ExportReport
from napari_adasam.services.annotator import Annotator
from napari_adasam.services.exporting import ExportOrder
from napari_adasam.ui.commands import Commander
from napari_adasam.ui.section import allow, reason_label

FORMATS = (
    ("png", "PNG", "Masks as PNG images in the structures' colours"),
    ("tiff", "TIFF", "Masks as TIFF images with their scale, for ImageJ"),
    ("csv", "CSV table", "Measurements, one row a structure"),
    ("overlay", "Overlay", "Pictures with outlines, names and a scale bar, for reports"),
    ("nifti", "NIfTI", "Masks as NIfTI images with their scale"),
    ("coco", "COCO", "All masks in one JSON file, for training other programs"),
    ("dicom-seg", "DICOM SEG", "Masks for the archive, of images that come from DICOM files"),
)
COLUMNS = 3
ALL, CURRENT = "All accepted images", "This image only"


class ExportPanel(QWidget):
    """Where to, which images and formats, what they will not hold, and what was written."""

    def __init__(self, annotator: Annotator, commander: Commander) -> None:
        super().__init__()
        self._annotator = annotator
        self._commander = commander
        self.folder = QLineEdit(str(Path.home() / "ultrasound-masks"))
        self.folder.setToolTip("The folder that gets the files")
        self.choose = QPushButton("Choose…")
        self.choose.clicked.connect(self._choose_folder)
        self.formats = {name: self._tick(words, tip, name in EVERYDAY) for name, words, tip in FORMATS}
        self.which = QComboBox()
        self.which.addItems([ALL, CURRENT])
        self.which.setToolTip("Which images are exported")
        self.deidentify = self._tick(
            "Leave names out", "Name files and rows by pseudonyms, and write no paths or patient data", False
        )
        self.export = QPushButton("Export")
        self.export.setToolTip("Write masks and measurements; you can go on working meanwhile")
        self.export.clicked.connect(self._export)
        self.show_folder = QPushButton("Show folder")
        self.show_folder.clicked.connect(self._show_folder)
        for widget in (self.choose, self.export, self.show_folder, self.which):
            widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.reason, self.notes, self.done = reason_label(), reason_label(), QLabel()
        self.done.setWordWrap(True)
        self._lay_out()
        self.which.currentIndexChanged.connect(self._on_choice)
        for box in (*self.formats.values(), self.deidentify):
            box.toggled.connect(self._on_choice)
        self.show_folder.hide()
        self.done.hide()
        self.refresh()

    def _tick(self, words: str, tip: str, checked: bool) -> QCheckBox:
        box = QCheckBox(words)
        box.setChecked(checked)
        box.setToolTip(tip)
        box.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return box

    def _lay_out(self) -> None:
        boxes = QGridLayout()
        for number, box in enumerate(self.formats.values()):
            boxes.addWidget(box, number // COLUMNS, number % COLUMNS)
        layout = QGridLayout(self)
        layout.setContentsMargins(4, 0, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.folder, 0, 0)
        layout.addWidget(self.choose, 0, 1)
        layout.addLayout(boxes, 1, 0, 1, 2)
        layout.addWidget(self.which, 2, 0)
        layout.addWidget(self.deidentify, 2, 1)
        layout.addWidget(self.notes, 3, 0, 1, 2)
        layout.addWidget(self.export, 4, 0)
        layout.addWidget(self.show_folder, 4, 1)
        layout.addWidget(self.reason, 5, 0, 1, 2)
        layout.addWidget(self.done, 6, 0, 1, 2)
        layout.setColumnStretch(0, 1)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """Bring the notes up to date: they are made only while they can be seen."""
        self.refresh()
        if event is not None:
            super().showEvent(event)

    def refresh(self) -> None:
        """Allow the export, or say why not; say what it would not hold."""
        order = self.order()
        reason = self._annotator.why_not("export")
        if not reason and not order.formats:
            reason = "Tick at least one format."
        if not reason and order.frames is not None and order.frames[0] not in self._annotator.session.annotations:
            reason = "This image is not accepted yet; accept it, or export all accepted ones."
        allow(self.export, reason, self.reason)
        if self.isVisible():
            self._show_notes("" if reason else "".join(f"<li>{escape(one)}</li>" for one in self._losses(order)))

    def order(self) -> ExportOrder:
        """What is chosen now."""
        current = self._annotator.session.current
        only = (current,) if current is not None and self.which.currentText() == CURRENT else None
        formats = tuple(name for name, box in self.formats.items() if box.isChecked())
        return ExportOrder(Path(self.folder.text()).expanduser(), formats, only, self.deidentify.isChecked())

    def show_report(self, report: ExportReport) -> None:
        """Say what was written."""
        images = f"{report.frames} image{'s' if report.frames != 1 else ''}"
        self.done.setText(f"{images} exported: {len(report.files)} files written to {report.folder.name}.")
        self.done.setToolTip(str(report.folder))
        self.done.show()
        self.show_folder.show()
        self.refresh()

    def _losses(self, order: ExportOrder) -> tuple[str, ...]:
        return self._annotator.export_losses(order)

    def _show_notes(self, items: str) -> None:
        self.notes.setText(f'Good to know:<ul style="margin-left: -24px; margin-top: 0px">{items}</ul>')
        self.notes.setVisible(bool(items))

    def _on_choice(self, _choice: object = None) -> None:
        self.refresh()

    def _choose_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Export to", self.folder.text())
        if name:
            self.folder.setText(name)

    def _export(self) -> None:
        self.done.hide()
        self._commander.attempt(lambda: self._annotator.start_export(self.order()))
        self.refresh()

    def _show_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(Path(self.folder.text()).expanduser())))
