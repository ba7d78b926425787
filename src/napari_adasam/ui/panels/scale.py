"""Under step 1: how large a pixel is, and which part of the picture is the scan; both can be set by hand."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDoubleSpinBox, QGridLayout, QHBoxLayout, QLabel, QMessageBox, QPushButton, QWidget

from napari_adasam.domain.calibration import Ruler
from napari_adasam.domain.ticks import Ticks
from napari_adasam.services.annotator import Annotator
from napari_adasam.services.sentences import ForNow
from napari_adasam.ui.by_keys import by_tab
from napari_adasam.ui.commands import Commander
from napari_adasam.ui.marking import Mark, Marking
from napari_adasam.ui.panels.frame_card import scale_words
from napari_adasam.ui.section import allow
from napari_adasam.ui.theme import AMBER, chip

HINTS = {
    Mark.SCALE: ("Click the two ends of a length you know, such as two ticks of the ruler.", "How long is this line?"),
    Mark.RECTANGLE: ("Click two opposite corners of the scan.", "Use this rectangle?"),
    Mark.POLYGON: ("Click the corners of the scan, one after the other.", "Click more corners, or use these."),
}
MARKS = "Found {} marks, one every {:.1f} px. How far is it from mark to mark? Often 5 or 10 mm."
NO_MARKS = ForNow(
    "No marks of a ruler were found for certain, and the scale was not changed. Set it by two points instead."
)


class ScalePanel(QWidget):
    """Scale and scan sector of the current image.

    Parameters
    ----------
    confirm
        Asks a question and gives the clinician's yes or no; ``None`` opens a dialogue.
    """

    def __init__(
        self,
        annotator: Annotator,
        commander: Commander,
        marking: Marking,
        confirm: Callable[[str], bool] | None = None,
    ) -> None:
        super().__init__()
        self._annotator = annotator
        self._commander = commander
        self._marking = marking
        self.confirm = confirm or self._ask
        self.scale = QLabel()
        self.scale.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        self.sector = QLabel()
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self.hint.setObjectName("hint")
        self.length = QDoubleSpinBox()
        self.length.setRange(0.01, 500.0)
        self.length.setDecimals(2)
        self.length.setValue(10.0)
        self.length.setSuffix(" mm")
        for say in (self.length.setAccessibleName, self.length.setToolTip):
            say("Length between the two points, or from mark to mark")
        self._make_buttons()
        self._arrange()
        self.refresh()

    def refresh(self) -> None:
        """Show what holds for the current image, and how far a mark is."""
        current = self._annotator.session.current
        self.setVisible(current is not None)
        if current is None:
            return
        session = self._annotator.session
        frame, setup = session.frame(current), session.setup(current)
        known = frame.spacing is not None
        self.scale.setText(scale_words(frame))
        self.scale.setStyleSheet("" if known else chip(*AMBER))
        self.scale.setToolTip(f"Scale from: {frame.spacing.source}" if frame.spacing else "Lengths are in pixels only.")
        self._show_sector(current)
        locked = self._annotator.why_not("set_scale")
        for button in (self.set, self.ruler, self.rectangle, self.polygon, self.whole):
            allow(button, locked)
        allow(self.own, self._annotator.why_not("own_scale"))
        allow(self.found, locked or ("" if setup.sector is not None else "The sector is as it was found."))
        self._show_mark(current)

    def _make_buttons(self) -> None:
        self.set = _button("Set the scale…", "From two points and the length between them", self._start_scale)
        self.ruler = _button("Find marks", "Look for the marks of a ruler beside the scan", self._find_marks)
        self.own = _button("As in the file", "Go back to the scale of the file", self._own_scale)
        self.here = _button("This image", "Use this scale for this image", lambda: self._use(folder=False))
        self.folder = _button("", "", lambda: self._use(folder=True))
        self.done = _button("Use it", "Take this as the scan sector", self._use_sector)
        self.cancel = _button("Cancel", "Forget these points", self._marking.stop)
        self.show_sector = _button("Show", "Outline the part of the picture that is the scan", self._toggle)
        self.show_sector.setCheckable(True)
        self.rectangle = _button("Rectangle…", "Draw the sector by two corners", lambda: self._start(Mark.RECTANGLE))
        self.polygon = _button("Polygon…", "Draw the sector corner by corner", lambda: self._start(Mark.POLYGON))
        self.whole = _button("Whole picture", "Leave nothing out", lambda: self._set_sector(whole=True))
        self.found = _button("As found", "Forget the sector drawn by hand", lambda: self._set_sector(whole=False))

    def _arrange(self) -> None:
        layout = QGridLayout(self)
        layout.setContentsMargins(4, 0, 4, 4)
        layout.setSpacing(4)
        self.working = _row(self.length, self.here, self.folder, self.done, self.cancel)
        layout.addWidget(_row(QLabel("Scale"), self.scale, QWidget(), stretch=2), 0, 0)
        layout.addWidget(_row(self.set, self.ruler, self.own), 1, 0)
        layout.addWidget(self.hint, 2, 0)
        layout.addWidget(self.working, 3, 0)
        layout.addWidget(_row(self.sector, self.show_sector), 4, 0)
        layout.addWidget(_row(self.rectangle, self.polygon), 5, 0)
        layout.addWidget(_row(self.whole, self.found), 6, 0)

    def _show_sector(self, current: str) -> None:
        by_hand = self._annotator.session.setup(current).sector
        words = by_hand.words if by_hand is not None else "as found"
        if self._marking.sector_shown and by_hand is None and self._marking.sector is not None:
            words = self._marking.sector.words
        self.sector.setText(f"Scan: {words}")
        self.show_sector.setChecked(self._marking.sector_shown)

    def _show_mark(self, current: str) -> None:
        mark, complete = self._marking.mark, self._marking.complete
        self.hint.setVisible(mark is not None)
        self.working.setVisible(mark is not None)
        if mark is None:
            return
        ticks = self._marking.ticks
        self.hint.setText(HINTS[mark][complete] if ticks is None else MARKS.format(ticks.count, ticks.interval))
        scaling = mark is Mark.SCALE
        alike = len(self._annotator.alike(current)) if scaling else 0
        for widget in (self.length, self.here):
            widget.setVisible(scaling and complete)
        self.folder.setVisible(scaling and complete and alike > 0)
        self.folder.setText(f"All {alike + 1}")
        self.folder.setToolTip("Use it for all images of this folder of the same size without a scale of their own")
        self.done.setVisible(not scaling and complete)

    def _start_scale(self) -> None:
        self._start(Mark.SCALE)

    def _find_marks(self) -> None:
        current = self._annotator.session.current
        if current is not None:
            self._commander.attempt(lambda: self._annotator.find_ticks(current, self._on_ticks))

    def _on_ticks(self, found: Ticks | None) -> None:
        if found is None:
            self._commander.problem.emit(NO_MARKS)
            return
        self.length.setValue(10.0)
        self._marking.propose(found)

    def _start(self, mark: Mark) -> None:
        self._marking.start(mark)

    def _use(self, folder: bool) -> None:
        current = self._annotator.session.current
        if current is None or not self._marking.complete:
            return
        objection = self._annotator.objection(current)
        if objection and not self.confirm(objection):
            return
        ticks = self._marking.ticks
        length = self.length.value() * (1 if ticks is None else ticks.count - 1)
        ruler = Ruler(self._marking.points[0], self._marking.points[1], length)
        self._commander.attempt(lambda: self._annotator.set_scale(ruler, folder, confirmed=bool(objection)))

    def _own_scale(self) -> None:
        self._commander.attempt(self._annotator.own_scale)

    def _use_sector(self) -> None:
        points = list(self._marking.points)
        self._marking.sector_shown = True
        self._commander.attempt(lambda: self._annotator.draw_sector(points))

    def _set_sector(self, whole: bool) -> None:
        self._commander.attempt(lambda: self._annotator.set_sector(whole))

    def _toggle(self) -> None:
        self._marking.show_sector(self.show_sector.isChecked())

    def _ask(self, question: str) -> bool:
        box = QMessageBox(QMessageBox.Icon.Question, "Replace the scale?", question, parent=self)
        box.setInformativeText("Only this image is changed, and “As in the file” brings its own scale back.")
        replace = box.addButton("Replace it", QMessageBox.ButtonRole.AcceptRole)
        box.setDefaultButton(box.addButton("Keep the file's scale", QMessageBox.ButtonRole.RejectRole))
        box.exec()
        return box.clickedButton() is replace


def _button(text: str, tip: str, clicked: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    by_tab(button)
    button.clicked.connect(lambda: clicked())
    return button


def _row(*widgets: QWidget, stretch: int = -1) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for place, widget in enumerate(widgets):
        layout.addWidget(widget, stretch=1 if place == stretch else 0)
    return row
