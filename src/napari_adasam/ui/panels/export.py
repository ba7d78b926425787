"""Step 5: masks and measurements out."""

from __future__ import annotations

from html import escape
from pathlib import Path

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices, QShowEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_adasam.domain.export_formats import EVERYDAY
from napari_adasam.files.exports import ExportReport, Extras
from napari_adasam.files.exports.table import MOST_EROSION_MM
from napari_adasam.services.annotator import Annotator
from napari_adasam.services.exporting import ExportOrder
from napari_adasam.ui.by_keys import by_tab
from napari_adasam.ui.commands import Commander
from napari_adasam.ui.panels.frame_choice import choose_frames
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
ALL, CURRENT, CHOSEN = range(3)
WHICH = ("All accepted images", "This image only", "Chosen images…")
NO_TABLE = "File table…"
FOLDER_TIP = "The folder that gets the files"
TABLE_TIP = "A CSV with a column “file”, and others such as side, visit or repeat: they stand behind the measurements"
AID = "An aid for research, not a medical device."
NOT_ACCEPTED = "This image is not accepted yet; accept it, or export all accepted ones."


class ExportPanel(QWidget):
    """Where to, which images and formats, what they will not hold, and what was written."""

    def __init__(self, annotator: Annotator, commander: Commander) -> None:
        super().__init__()
        self._annotator = annotator
        self._commander = commander
        self.folder = QLineEdit(str(Path.home() / "ultrasound-masks"))
        self._written = Path(self.folder.text())
        self.choose = QPushButton("To folder…")
        self.choose.clicked.connect(self._choose_folder)
        self.formats = {name: self._tick(words, tip, name in EVERYDAY) for name, words, tip in FORMATS}
        self.which = QComboBox()
        self.which.addItems(WHICH)
        self.which.activated.connect(self._on_which)
        self.choose_frames = choose_frames
        self.chosen: tuple[str, ...] = ()
        self._make_extras()
        self.which.setToolTip("Which images are exported")
        self.deidentify = self._tick(
            "Leave names out", "Name files and rows by pseudonyms, and write no paths or patient data", False
        )
        self.export = QPushButton("Export")
        self.export.setToolTip("Write masks and measurements; you can go on working meanwhile")
        self.export.clicked.connect(self._export)
        self.show_folder = QPushButton("Show folder")
        self.show_folder.clicked.connect(self._show_folder)
        for widget in (self.choose, self.export, self.show_folder, self.which, self.table_button):
            by_tab(widget)
        self.reason, self.notes, self.done = reason_label(), reason_label(), QLabel()
        self.aid = QLabel(AID)
        self.aid.setObjectName("reason")
        self.done.setWordWrap(True)
        self.done.setTextFormat(Qt.TextFormat.PlainText)  # names of folders may look like HTML
        self._lay_out()
        self.folder.textChanged.connect(self._on_choice)
        for box in (*self.formats.values(), self.deidentify, self.blank):
            box.toggled.connect(self._on_choice)
        self.show_folder.hide()
        self.done.hide()
        self.refresh()

    def _tick(self, words: str, tip: str, checked: bool) -> QCheckBox:
        box = QCheckBox(words)
        box.setChecked(checked)
        box.setToolTip(tip)
        by_tab(box)
        return box

    def _make_extras(self) -> None:
        self.table: Path | None = None
        self.table_button = QPushButton(NO_TABLE)
        self.table_button.setToolTip(TABLE_TIP)
        self.table_button.clicked.connect(self._choose_table)
        self.blank = self._tick(
            "Black outside the scan", "Overlays show nothing outside the scan sector, where the scanner writes", False
        )
        self.erosion = QDoubleSpinBox()
        self.erosion.setRange(0.0, MOST_EROSION_MM)
        self.erosion.setSingleStep(0.5)
        self.erosion.setDecimals(1)
        self.erosion.setPrefix("Echo: ")
        self.erosion.setSuffix(" mm inside")
        self.erosion.setSpecialValueText("Echo: whole structure")
        self.erosion.setAccessibleName("Left out along the border for echo intensity")
        self.erosion.setToolTip("So much along the border of a structure does not enter its echo intensity")
        self.erosion.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # not by the wheel

    def _lay_out(self) -> None:
        for field, words in ((self.folder, FOLDER_TIP), (self.which, self.which.toolTip())):
            field.setAccessibleName(words)
        self.choose.setToolTip(f"Choose: {FOLDER_TIP[0].lower()}{FOLDER_TIP[1:]}")
        self.show_folder.setToolTip("Open the folder that was written to")
        boxes = QGridLayout()
        for number, box in enumerate(self.formats.values()):
            boxes.addWidget(box, number // COLUMNS, number % COLUMNS)
        boxes.addWidget(self.blank, len(self.formats) // COLUMNS, len(self.formats) % COLUMNS, 1, 2)
        layout = QGridLayout(self)
        layout.setContentsMargins(4, 0, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.folder, 0, 0)
        layout.addWidget(self.choose, 0, 1)
        layout.addLayout(boxes, 1, 0, 1, 2)
        layout.addWidget(self.which, 2, 0)
        layout.addWidget(self.deidentify, 2, 1)
        layout.addWidget(self.erosion, 3, 0)
        layout.addWidget(self.table_button, 3, 1)
        layout.addWidget(self.export, 4, 0)
        layout.addWidget(self.show_folder, 4, 1)
        layout.addWidget(self.reason, 5, 0, 1, 2)
        layout.addWidget(self.done, 6, 0, 1, 2)
        layout.addWidget(self.notes, 7, 0, 1, 2)
        layout.addWidget(self.aid, 8, 0, 1, 2)
        layout.setColumnStretch(0, 1)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """Bring the notes up to date: they are made only while they can be seen."""
        self.refresh()
        if event is not None:
            super().showEvent(event)

    def refresh(self) -> None:
        """Allow the export, or say why not; say what it would not hold."""
        self._show_extras()
        order = self.order()
        reason = self._annotator.why_not("export")
        if not reason and not order.formats:
            reason = "Tick at least one format."
        if not reason and not self.folder.text().strip():
            reason = "Name a folder to export to, or choose one."
        accepted = self._annotator.session.annotations
        if not reason and order.frames is not None and not any(one in accepted for one in order.frames):
            chosen = self.which.currentIndex() == CHOSEN
            reason = "Choose at least one image." if chosen else NOT_ACCEPTED
        allow(self.export, reason, self.reason)
        if self.isVisible():
            self._show_notes("" if reason else "".join(f"<li>{escape(one)}</li>" for one in self._losses(order)))

    def order(self) -> ExportOrder:
        """What is chosen now."""
        current = self._annotator.session.current
        here = None if current is None else (current,)
        only = (None, here, self.chosen)[self.which.currentIndex()]
        formats = tuple(name for name, box in self.formats.items() if box.isChecked())
        extras = Extras(self.blank.isChecked(), self.erosion.value(), self.table)
        folder = Path(self.folder.text()).expanduser()
        return ExportOrder(folder, formats, only, self.deidentify.isChecked(), extras)

    def show_report(self, report: ExportReport) -> None:
        """Say what was written."""
        images = f"{report.frames} image{'s' if report.frames != 1 else ''}"
        self.done.setText(f"{images} exported: {len(report.files)} files written to {report.folder.name}.")
        self.done.setToolTip(str(report.folder))
        self._written = report.folder
        self.done.show()
        self.show_folder.show()
        self.refresh()

    def _losses(self, order: ExportOrder) -> tuple[str, ...]:
        return self._annotator.export_losses(order)

    def _show_notes(self, items: str) -> None:
        self.notes.setText(f'Good to know:<ul style="margin-left: -24px; margin-top: 0px">{items}</ul>')
        self.notes.setVisible(bool(items))

    def _show_extras(self) -> None:
        """What only some formats need is greyed without them; a long name of a folder is cut off in the field."""
        self.folder.setToolTip(f"{FOLDER_TIP}:\n{self.folder.text()}")
        accepted = self._annotator.session.annotations
        self.chosen = tuple(one for one in self.chosen if one in accepted)
        self.which.setItemText(CHOSEN, f"Chosen images: {len(self.chosen)}…" if self.chosen else WHICH[CHOSEN])
        table = "" if self.formats["csv"].isChecked() else "Only for the CSV table."
        allow(self.table_button, table)
        allow(self.erosion, table)
        allow(self.blank, "" if self.formats["overlay"].isChecked() else "Only for overlays.")

    def _on_which(self, index: int) -> None:
        if index == CHOSEN:
            session = self._annotator.session
            accepted = [frame for frame in session.frames if frame.id in session.annotations]
            found = self.choose_frames(self, accepted, self.chosen or [frame.id for frame in accepted])
            self.chosen = self.chosen if found is None else found
        self.refresh()

    def _choose_table(self) -> None:
        """Take a table, or leave it out again."""
        if self.table is not None:
            self.set_table(None)
            return
        name, _ = QFileDialog.getOpenFileName(self, "Table of files", self.folder.text(), "Tables (*.csv)")
        if name:
            self.set_table(Path(name))

    def set_table(self, path: Path | None) -> None:
        """Use a user's table of files; ``None`` for none."""
        self.table = path
        self.table_button.setText(NO_TABLE if path is None else f"Without {path.name}")
        self.table_button.setProperty(
            "tip", TABLE_TIP if path is None else f"{path} stands behind the measurements; click to leave it out"
        )
        self.refresh()

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
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._written.absolute())))
