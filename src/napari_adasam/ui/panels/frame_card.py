"""Part of step 3: which image is on the screen, how it stands, why it was offered."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QLabel, QWidget

from napari_adasam.domain.queue import DONE
from napari_adasam.domain.records import Frame, FrameStatus
from napari_adasam.domain.session import Session
from napari_adasam.services.annotator import Annotator
from napari_adasam.ui.commands import Commander
from napari_adasam.ui.theme import AMBER, STATUS_COLORS, chip

Fits = Callable[[Session, str], bool]
FILTERS: tuple[tuple[str, Fits], ...] = (
    ("all images", lambda session, one: True),
    ("to do", lambda session, one: session.status(one) not in DONE),
    ("suggested", lambda session, one: session.status(one) is FrameStatus.SUGGESTED),
    ("corrected", lambda session, one: session.status(one) is FrameStatus.CORRECTED),
    ("accepted", lambda session, one: session.status(one) is FrameStatus.ACCEPTED),
    ("skipped", lambda session, one: session.status(one) is FrameStatus.SKIPPED),
    ("unusable", lambda session, one: session.is_unusable(one)),
    ("with a note", lambda session, one: bool(session.remark(one).note)),
)
ORDERS = (("file", "in the order of the files"), ("active", "what teaches most first"), ("random", "at random"))
ARROW_PX = 50
"""Beside a list's words: its arrow, and the space around both."""
MARKS = {FrameStatus.NEW: "○", FrameStatus.SUGGESTED: "◔", FrameStatus.CORRECTED: "◑", FrameStatus.ACCEPTED: "●",
         FrameStatus.SKIPPED: "⊘"}  # fmt: skip


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
        self.chosen = _short_list("Jump to another image", 10)
        self.chosen.activated.connect(self._jump)
        self.filter = _short_list("Which images the list shows", 7)
        self.filter.addItems([words for words, _ in FILTERS])
        self.filter.activated.connect(self._filter)
        longest = max(self.filter.fontMetrics().horizontalAdvance(words) for words, _ in FILTERS)
        self.filter.setMaximumWidth(longest + ARROW_PX)
        self._rows: dict[str, int] = {}
        self.status = QLabel()
        self.place = QLabel()
        self.scale = QLabel()
        self.why = QLabel()
        self.why.setWordWrap(True)
        self.source = QLabel()
        self.source.setWordWrap(True)
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

    def fill(self) -> None:
        """List the session's frames that the filter lets through."""
        session, fits = self._annotator.session, FILTERS[self.filter.currentIndex()][1]
        listed = [frame for frame in session.frames if fits(session, frame.id)]
        self._rows = {frame.id: at for at, frame in enumerate(listed)}
        with QSignalBlocker(self.chosen):
            self.chosen.clear()
            self.chosen.addItems([self._line(frame) for frame in listed])
            for frame_id, at in self._rows.items():
                self.chosen.setItemData(at, frame_id)
        self.refresh()

    def refresh(self) -> None:
        """Show how the current frame stands."""
        session = self._annotator.session
        current = session.current
        self.setVisible(current is not None)
        if current is None:
            return
        frame, status = session.frame(current), session.status(current)
        self.chosen.setCurrentIndex(self._rows.get(current, -1))
        self.chosen.setPlaceholderText(f"{len(self._rows)} images are “{self.filter.currentText()}”")
        self.status.setText(self._state(current))
        self.status.setStyleSheet(chip(*STATUS_COLORS[status]))
        self._show_place(current)
        self.scale.setText(scale_words(frame))
        known = frame.spacing is not None
        self.scale.setStyleSheet("" if known else chip(*AMBER))
        source = f"Scale from: {frame.spacing.source}" if frame.spacing else "The scale of this image is not known."
        self.scale.setToolTip(" ".join((source, frame.note)).strip())
        self.why.setText(f"Why this one: {self._annotator.why(current)}")
        self._show_source(current)

    def update_line(self, frame_id: str) -> None:
        """Renew one line of the list."""
        session, fits = self._annotator.session, FILTERS[self.filter.currentIndex()][1]
        if fits(session, frame_id) != (frame_id in self._rows):
            self.fill()
        elif frame_id in self._rows:
            self.chosen.setItemText(self._rows[frame_id], self._line(session.frame(frame_id)))

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

    def _line(self, frame: Frame) -> str:
        status = self._annotator.session.status(frame.id)
        note = " ✎" if self._annotator.session.remark(frame.id).note else ""
        return f"{MARKS[status]} {frame.stem} · {self._state(frame.id)}{note}"

    def _state(self, frame_id: str) -> str:
        session = self._annotator.session
        return "unusable" if session.is_unusable(frame_id) else session.status(frame_id).value

    def _filter(self, _index: int) -> None:
        self.fill()

    def _jump(self, index: int) -> None:
        frame_id = str(self.chosen.itemData(index))
        self._commander.attempt(lambda: self._annotator.go_to(frame_id))

    def _set_order(self, index: int) -> None:
        self._annotator.set_order(str(self.order.itemData(index)))
        self.refresh()


def _short_list(tip: str, letters: int) -> QComboBox:
    """A list that is no wider than so many letters, whatever it holds."""
    made = QComboBox()
    made.setToolTip(tip)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    made.setMinimumContentsLength(letters)
    return made
