"""Part of step 3, for a clip or a volume: its frames at a glance, a list that folds open, the ways through it."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QListView, QPushButton, QSizePolicy, QToolButton, QWidget

from napari_adasam.services.annotator import Annotator
from napari_adasam.ui.by_keys import by_tab
from napari_adasam.ui.commands import Commander
from napari_adasam.ui.panels.clip_strip import ClipStrip
from napari_adasam.ui.panels.item_list import KEPT, FrameList

WAYS = ("frame_before", "next_frame", "item_before", "next_item")
LIST_PX = 116


class ClipCard(QWidget):
    """The strip, the list, and the buttons from frame to frame and from file to file.

    Parameters
    ----------
    buttons
        By command; those of :data:`WAYS` are laid out here, and the one that skips the rest.
    """

    def __init__(self, annotator: Annotator, commander: Commander, buttons: Mapping[str, QPushButton]) -> None:
        super().__init__()
        self._annotator = annotator
        self._commander = commander
        self.place = QLabel()
        self.strip = ClipStrip(annotator.session, annotator.items)
        self.strip.picked.connect(self._go)
        self.fold = QToolButton()
        self.fold.setText("List")
        self.fold.setCheckable(True)
        self.fold.setToolTip("Fold the list of frames open or away")
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        by_tab(self.fold)
        self.fold.toggled.connect(self._fold)
        self.rows = FrameList(annotator.session)
        self.list = QListView()
        self.list.setAccessibleName("Frames of this file")
        self.list.setModel(self.rows)
        self.list.setUniformItemSizes(True)
        self.list.setFixedHeight(LIST_PX)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.clicked.connect(self._choose)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        top = QHBoxLayout()
        top.addWidget(self.place, stretch=1)
        buttons["skip_file"].setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        top.addWidget(buttons["skip_file"])
        top.addWidget(self.fold)
        layout.addLayout(top, 0, 0, 1, 4)
        layout.addWidget(self.strip, 1, 0, 1, 4)
        layout.addWidget(self.list, 2, 0, 1, 4)
        for column, name in enumerate(WAYS):
            layout.addWidget(buttons[name], 3, column)
            layout.setColumnStretch(column, 1)
        self._fold(False)

    def refresh(self) -> None:
        """Show the clip of the current frame; nothing for a single image."""
        current = self._annotator.session.current
        item = None if current is None else self._annotator.items.of(current)
        self.setVisible(item is not None and item.several)
        if current is None or item is None or not item.several:
            return
        self.rows.show_frames(item.frames)
        self.strip.show_frames(item.frames, current)
        at = self.rows.row_of(current)
        self.place.setText(f"Frame {at + 1} of {len(item.frames)} in this file")
        if self.list.currentIndex().row() != at:
            self.list.setCurrentIndex(self.rows.index(at))

    def renew(self, frame_id: str) -> None:
        """A frame stands otherwise."""
        self.rows.renew(frame_id)
        self.strip.renew(frame_id)

    def _fold(self, open_: bool) -> None:
        self.fold.setArrowType(Qt.ArrowType.DownArrow if open_ else Qt.ArrowType.RightArrow)
        self.list.setVisible(open_)

    def _choose(self, index: QModelIndex) -> None:
        self._go(str(self.rows.data(index, KEPT)))

    def _go(self, frame_id: str) -> None:
        self._commander.attempt(lambda: self._annotator.go_to(frame_id))
        self.refresh()
