"""Part of step 3: a note on the image, "unusable", and other outlines of it beside, which can be brought back."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QGridLayout, QLineEdit, QPushButton, QWidget

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.versions import Version
from napari_adasam.services.annotator import Annotator
from napari_adasam.ui.by_keys import by_tab
from napari_adasam.ui.canvas import Canvas
from napari_adasam.ui.commands import Commander
from napari_adasam.ui.elided import ElidedList
from napari_adasam.ui.placement import Placement, extent
from napari_adasam.ui.section import allow

NOTE = "Note on this image"
NOTHING = "Beside it: nothing"
NONE_YET = "There is nothing to compare with yet: no suggestion, and no version that was accepted."
CHOOSE = "Choose first, in the list to the left, what to look at beside the image."


class FrameReview(QWidget):
    """What is remarked about the current frame, and what it is compared with."""

    def __init__(self, annotator: Annotator, commander: Commander, canvas: Canvas) -> None:
        super().__init__()
        self._annotator = annotator
        self._commander = commander
        self._canvas = canvas
        self._versions: tuple[Version, ...] = ()
        self._wanted = ""  # what stays chosen from frame to frame
        self._shown: tuple[object, ...] = ()
        self._extent: tuple[object, ...] = ()
        self._suggested: object = None  # held, so that its identity stands for nothing else
        self._noted = ""  # the frame that the field is for
        self.note = QLineEdit()
        self.note.setPlaceholderText(NOTE)
        self.note.setAccessibleName(NOTE)
        self.note.setToolTip("Kept with the session; Enter ends it. Write no names of patients")
        self.note.editingFinished.connect(self._write)
        self.unusable = QPushButton("Unusable")
        self.unusable.setToolTip("Leave this image out of learning and export because it cannot be used, and go on")
        self.unusable.clicked.connect(self._mark)
        self.beside = ElidedList()
        self.beside.setAccessibleName("What is beside the image")
        self.beside.setToolTip("The suggestion, an earlier version or another reader's outlines, beside the image")
        self.beside.setSizeAdjustPolicy(ElidedList.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.beside.activated.connect(self._choose)
        self.bring = QPushButton("Bring back")
        self.bring.setToolTip("Put what is beside in place of your outlines; look, then accept it, or undo")
        self.bring.clicked.connect(self._bring)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for row, (wide, button) in enumerate(((self.note, self.unusable), (self.beside, self.bring))):
            by_tab(button)
            layout.addWidget(wide, row, 0)
            layout.addWidget(button, row, 1)
        by_tab(self.beside)
        layout.setColumnStretch(0, 1)

    def refresh(self) -> None:
        """Show the note, the versions and what is beside, of the current frame."""
        session, current = self._annotator.session, self._annotator.session.current
        self.setVisible(current is not None)
        if current is None:
            return
        noted, begun = self._noted, self.note.text() if self.note.isModified() else None
        self._noted = current
        if not self.note.hasFocus() or noted != current:
            self.note.setText(session.remark(current).note)
        if noted not in ("", current) and begun is not None:
            self._keep(begun, noted)
        allow(self.note, self._annotator.why_not("note"))
        allow(self.unusable, self._annotator.why_not("skip"))
        if self._is_other(current):
            self._fill(current)

    def close_view(self) -> None:
        """Take what is beside away."""
        self._canvas.beside.hide()

    def _is_other(self, current: str) -> bool:
        """Take note of what there is to compare; whether it is something else than at the last look."""
        session = self._annotator.session
        scores = session.scores(current)
        suggested = id(scores) if scores else 0
        state = (current, session.status(current), session.setup(current), session.structures, suggested)
        seen = extent(session.frame(current))
        if seen != self._extent:
            self._canvas.beside.close()  # it is of another size on the screen: the view is to fit the two anew
        other = state != self._shown
        self._shown, self._extent, self._suggested = state, seen, scores
        return other

    def _fill(self, current: str) -> None:
        self._versions = self._annotator.versions(current)
        words = [one.words for one in self._versions]
        at = words.index(self._wanted) + 1 if self._wanted in words else 0
        with QSignalBlocker(self.beside):
            self.beside.clear()
            self.beside.addItems([NOTHING, *words])
            self.beside.setCurrentIndex(at)
        allow(self.beside, "" if words else NONE_YET)
        self._show(at)

    def _choose(self, at: int) -> None:
        self._wanted = self._versions[at - 1].words if at else ""
        self._show(at)

    def _show(self, at: int) -> None:
        current, canvas = self._annotator.session.current, self._canvas
        allow(self.bring, self._annotator.why_not("bring_back") or ("" if at else CHOOSE))
        if current is None or not at:
            canvas.beside.close()
            return
        version = self._versions[at - 1]
        try:
            labels, pixels = version.labels.open(), self._annotator.pixels(current)
        except AdasamError as error:
            canvas.message.emit(str(error))
            canvas.beside.close()
            return
        placement = Placement.of(self._annotator.session.frame(current))
        structures = self._annotator.session.structures
        before = canvas.beside.layers
        canvas.beside.show(pixels, labels, placement, structures, version.words)
        for layer in canvas.beside.layers:
            if layer not in before:
                canvas.layer_made.emit(layer)
        canvas.activate()

    def _bring(self) -> None:
        at = self.beside.currentIndex()
        if at > 0:
            self._commander.attempt(lambda: self._annotator.bring_back(self._versions[at - 1]))

    def _write(self) -> None:
        if self._noted:
            self._keep(self.note.text(), self._noted)
        self.note.clearFocus()
        self._canvas.activate()

    def _keep(self, text: str, frame_id: str) -> None:
        """Write a note on the frame that it was begun on, current or not, whatever is being drawn on the picture."""
        if text.strip() != self._annotator.session.remark(frame_id).note:
            self._annotator.note(text, frame_id)

    def _mark(self) -> None:
        self._commander.attempt(self._annotator.mark_unusable)
