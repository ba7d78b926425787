"""A dialogue to tick some of the accepted images."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QWidget,
)

from napari_adasam.domain.records import Frame

CHECKED, UNCHECKED = Qt.CheckState.Checked, Qt.CheckState.Unchecked


class FrameChoice(QDialog):
    """A list of images by name, each with a tick.

    Parameters
    ----------
    chosen
        Ids of those that are ticked at first.
    """

    def __init__(self, parent: QWidget, frames: Sequence[Frame], chosen: Collection[str]) -> None:
        super().__init__(parent)
        self.setWindowTitle("Which images?")
        self.list = QListWidget()
        for frame in frames:
            item = QListWidgetItem(frame.stem, self.list)
            item.setData(Qt.ItemDataRole.UserRole, frame.id)
            item.setCheckState(CHECKED if frame.id in chosen else UNCHECKED)
        self.count = QLabel()
        every, none = QPushButton("Tick all"), QPushButton("Tick none")
        every.clicked.connect(self._tick_all)
        none.clicked.connect(self._tick_none)
        kinds = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(kinds.Ok | kinds.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QGridLayout(self)
        layout.addWidget(self.list, 0, 0, 1, 3)
        layout.addWidget(every, 1, 0)
        layout.addWidget(none, 1, 1)
        layout.addWidget(self.count, 1, 2)
        layout.addWidget(self.buttons, 2, 0, 1, 3)
        layout.setColumnStretch(2, 1)
        self.list.itemChanged.connect(self._show_count)
        self._show_count()

    def chosen(self) -> tuple[str, ...]:
        """Ids of the ticked images, in the order of the list."""
        return tuple(str(item.data(Qt.ItemDataRole.UserRole)) for item in self._items() if item.checkState() == CHECKED)

    def _items(self) -> list[QListWidgetItem]:
        return [self.list.item(row) for row in range(self.list.count())]

    def _tick_all(self) -> None:
        self._tick(CHECKED)

    def _tick_none(self) -> None:
        self._tick(UNCHECKED)

    def _tick(self, state: Qt.CheckState) -> None:
        for item in self._items():
            item.setCheckState(state)

    def _show_count(self, _item: object = None) -> None:
        self.count.setText(f"{len(self.chosen())} of {self.list.count()}")


def choose_frames(parent: QWidget, frames: Sequence[Frame], chosen: Collection[str]) -> tuple[str, ...] | None:
    """Ask; ids of the ticked images, or ``None`` if the dialogue was left."""
    dialog = FrameChoice(parent, frames, chosen)
    return dialog.chosen() if dialog.exec() else None
