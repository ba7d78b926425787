"""Part of step 3: which image is on the screen, how it stands, why it was offered."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QSignalBlocker, Qt
from qtpy.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QLabel, QListView, QWidget

from napari_adasam.domain.queue import DONE
from napari_adasam.domain.records import Frame, FrameStatus
from napari_adasam.services.annotator import Annotator
from napari_adasam.ui.by_keys import by_tab
from napari_adasam.ui.commands import Commander
from napari_adasam.ui.elided import ElidedList
from napari_adasam.ui.panels.item_list import KEPT, Fits, ItemList, item_line, state_words
from napari_adasam.ui.theme import AMBER, STATUS_COLORS, chip

FILTERS: tuple[tuple[str, Fits], ...] = (
    ("all images", lambda session, one: True),
    ("to do", lambda session, one: session.status(one) not in DONE),
    ("not left out", lambda session, one: session.status(one) is not FrameStatus.SKIPPED),
    ("new", lambda session, one: session.status(one) is FrameStatus.NEW),
    ("suggested", lambda session, one: session.status(one) is FrameStatus.SUGGESTED),
    ("corrected", lambda session, one: session.status(one) is FrameStatus.CORRECTED),
    ("accepted", lambda session, one: session.status(one) is FrameStatus.ACCEPTED),
    ("skipped", lambda session, one: session.status(one) is FrameStatus.SKIPPED),
    ("unusable", lambda session, one: session.is_unusable(one)),
    ("with a note", lambda session, one: bool(session.remark(one).note)),
)
ORDERS = (("file", "in the order of the files"), ("active", "what teaches most first"), ("random", "at random"))
NO_SCALE = "The scale of this image is not known, so measures are in pixels. Step 1 sets it."
JUMP = "Jump to another image, clip or volume"
ARROW_PX = 50
"""Beside a list's words: its arrow, and the space around both."""


def scale_words(frame: Frame) -> str:
    """How large a pixel is and who says so, or that nobody does."""
    if frame.spacing is None:
        return "pixels only"
    return f"1 px = {frame.spacing.y_mm:.3f} mm"


class FrameCard(QWidget):
    """The frame's name, status, scale, place in the queue; a list to jump to another."""

    def __init__(self, annotator: Annotator, commander: Commander) -> None:
        super().__init__()
        self._annotator = annotator
        self._commander = commander
        self.rows = ItemList(annotator.session, annotator.items)
        self.chosen = _list_of(self.rows)
        self.chosen.activated.connect(self._jump)
        self.filter = _short_list("Which images the list shows", 7)
        self.filter.addItems([words for words, _ in FILTERS])
        self.filter.activated.connect(self._filter)
        self.status = QLabel()
        self.place = QLabel()
        self.scale = QLabel()
        self.why = QLabel()
        self.why.setWordWrap(True)
        self.source = QLabel()
        self.source.setWordWrap(True)
        self.source.setTextFormat(Qt.TextFormat.PlainText)  # names of files may look like HTML
        self.order = _short_list("Which image is offered next", 0)
        for how, words in ORDERS:
            self.order.addItem(words, how)
        self.order.activated.connect(self._set_order)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.chosen, 0, 0, 1, 3)
        layout.addWidget(self.status, 1, 0, 1, 2, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self.scale, 1, 2, Qt.AlignmentFlag.AlignRight)
        places = QHBoxLayout()  # a row of its own: the scale above must not take the place's room
        places.addWidget(self.place, 1)
        places.addWidget(QLabel("List:"))
        places.addWidget(self.filter)
        layout.addLayout(places, 2, 0, 1, 3)
        layout.addWidget(self.why, 3, 0, 1, 3)
        layout.addWidget(QLabel("Next image:"), 4, 0)
        layout.addWidget(self.order, 4, 1, 1, 2)
        layout.addWidget(self.source, 5, 0, 1, 3)
        layout.setColumnStretch(1, 1)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Letters of another size: the list of what is listed is as wide as its longest words, and no wider."""
        if event is None:
            return
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            longest = max(self.filter.fontMetrics().horizontalAdvance(words) for words, _ in FILTERS)
            self.filter.setMaximumWidth(longest + ARROW_PX)
        super().changeEvent(event)

    def fill(self) -> None:
        """List the files of which the filter lets a frame through."""
        self.rows.fits = FILTERS[self.filter.currentIndex()][1]
        with QSignalBlocker(self.chosen):
            self.rows.fill()
        self.refresh()

    def refresh(self) -> None:
        """Show how the current frame stands."""
        session = self._annotator.session
        current = session.current
        self.setVisible(current is not None)
        if current is None:
            return
        frame, status = session.frame(current), session.status(current)
        self.chosen.setCurrentIndex(self.rows.row_of(current))
        self.order.setCurrentIndex(self.order.findData(self._annotator.order))
        line = item_line(session, self._annotator.items, self._annotator.items.of(current))
        self.chosen.setPlaceholderText(f"{line} ({self.rows.fitting} in the list)")  # of an image that is not in it
        if self.chosen.toolTip() != (tip := f"{line}\n{JUMP}"):
            self.chosen.setToolTip(tip)  # a long name is cut off in the list
        self.status.setText(state_words(session, current))
        self.status.setStyleSheet(chip(*STATUS_COLORS[status]))
        self._show_place(current)
        self.scale.setText(scale_words(frame))
        known = frame.spacing is not None
        self.scale.setStyleSheet("" if known else chip(*AMBER))
        source = f"Scale from: {frame.spacing.source}" if frame.spacing else NO_SCALE
        self.scale.setToolTip(" ".join((source, frame.note)).strip())
        self.why.setText(f"Why this one: {self._annotator.why(current)}")
        self._show_source(current)

    def update_line(self, frame_id: str) -> None:
        """Renew the line of a frame's file."""
        self.rows.renew(frame_id)

    def _show_place(self, current: str) -> None:
        queue, frames = self._annotator.queue, self._annotator.session.frames
        done = self._annotator.session.accepted
        place = f"No. {queue.index(current) + 1} of {len(queue)} to do" if current in queue else f"{len(queue)} to do"
        self.place.setText(place)
        self.place.setToolTip(f"{done} of {len(frames)} images accepted")

    def _show_source(self, current: str) -> None:
        """Which frame the outlines came from, and how sure they are; as long as they are not accepted."""
        session = self._annotator.session
        how = session.propagated(current)
        shown = how is not None and session.status(current) not in DONE
        self.source.setVisible(shown)
        if how is not None and shown:
            changed = ", changed by you" if session.touched(current) else f", {how.confidence:.0%} sure"
            self.source.setText(f"Propagated from {session.frame(how.source).stem}{changed}")

    def _filter(self, _index: int) -> None:
        self.fill()

    def _jump(self, index: int) -> None:
        """Go to the file; where the list is filtered, to the first of its frames for which it is there."""
        frame_id, go_to = str(self.chosen.itemData(index, KEPT)), self._annotator.go_to
        fitting = self.rows.fitting_of(frame_id) if self.filter.currentIndex() else []
        if not fitting:
            self._commander.attempt(lambda: self._annotator.go_to_item(frame_id))
        elif self._annotator.session.current not in fitting:
            self._commander.attempt(lambda: go_to(fitting[0]))
        self.refresh()

    def _set_order(self, index: int) -> None:
        self._annotator.set_order(str(self.order.itemData(index)))
        self.refresh()


def _list_of(rows: ItemList) -> QComboBox:
    """The list of files; only what is seen of it is laid out."""
    made = _short_list(JUMP, 10)
    seen = QListView()
    seen.setUniformItemSizes(True)
    made.setView(seen)
    made.setModel(rows)
    return made


def _short_list(tip: str, letters: int) -> QComboBox:
    """A list that is no wider than so many letters, whatever it holds."""
    made = ElidedList()
    made.setToolTip(tip)
    made.setAccessibleName(tip)
    by_tab(made)
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    made.setMinimumContentsLength(letters)
    return made
