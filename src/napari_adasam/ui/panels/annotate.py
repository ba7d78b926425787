"""Step 3: look, correct, accept."""

from __future__ import annotations

from functools import partial
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_adasam.services.annotator import Annotator
from napari_adasam.ui.by_keys import by_tab
from napari_adasam.ui.canvas import Canvas
from napari_adasam.ui.commands import ABOUT_THE_WINDOW, BY_NAME, IN_3D, LOOKING, Commander, key_words
from napari_adasam.ui.panels.clip_card import ClipCard
from napari_adasam.ui.panels.frame_card import FrameCard
from napari_adasam.ui.panels.frame_review import FrameReview
from napari_adasam.ui.panels.stack_card import StackCard
from napari_adasam.ui.panels.structure_rows import StructureRows
from napari_adasam.ui.section import allow, reason_label
from napari_adasam.ui.tools import Tool, Tools

TOOL_ROWS = (("point", "not_point", "box"), ("brush", "eraser", "move"))
OTHER_ROWS = (("maps", "masks", "suggest"), ("next_structure", "clear", "clear_structure"), ("undo", "redo", "skip"))
LARGEST_BRUSH = 100
COMING = "The image is being opened; wait a moment."
FOR_CLIPS = ("propagate", "measure_stack", "volume")


class AnnotatePanel(QWidget):
    """The frame, its structures, the tools; skip, and reopen in its place.

    ``onward`` has the ways on: back, next and accept, and why not; the dock puts it where it never scrolls.
    """

    def __init__(self, annotator: Annotator, commander: Commander, canvas: Canvas, tools: Tools) -> None:
        super().__init__()
        self._annotator = annotator
        self._commander = commander
        self._canvas = canvas
        self.frame_card = FrameCard(annotator, commander)
        self.review = FrameReview(annotator, commander, canvas)
        self.structures = StructureRows(annotator, commander, tools)
        self.buttons = {name: self._button(name) for name in BY_NAME if name not in ABOUT_THE_WINDOW}
        self.buttons["accept"].setObjectName("primary")
        for name in ("maps", "masks", "volume"):
            self.buttons[name].setCheckable(True)
        self.clip = ClipCard(annotator, commander, self.buttons)
        self.stack = StackCard(annotator)
        self._tool_group = QButtonGroup(self)
        for name in (*TOOL_ROWS[0], *TOOL_ROWS[1]):
            self.buttons[name].setCheckable(True)
            self._tool_group.addButton(self.buttons[name])
        self.brush_size = QSlider(Qt.Orientation.Horizontal)
        self.brush_size.setRange(1, LARGEST_BRUSH)
        self.brush_size.setAccessibleName("Brush size")
        self.brush_size.setToolTip("Size of brush and eraser, in pixels; keys [ and ]")
        by_tab(self.brush_size)
        self.brush_size.valueChanged.connect(self._set_brush)
        self.brush_words = QLabel("Brush size")
        self.reason = reason_label()
        self.onward = QWidget()
        self._arrange()
        canvas.layer_made.connect(self._on_layer_made)
        tools.tool_changed.connect(self.show_tool)
        commander.views_changed.connect(self.refresh)
        canvas.volume.changed.connect(self.refresh)
        self.show_tool(tools.tool)
        self.refresh()

    def refresh(self) -> None:
        """Allow what is possible now, and say of the rest why it is not."""
        self.frame_card.refresh()
        self.clip.refresh()
        self.stack.refresh()
        self.review.refresh()
        self.structures.refresh()
        shown, in_3d = self._canvas.frame is not None, self._canvas.volume.shown
        reason = "" if shown else COMING if self._annotator.opening else "Open an image first (step 1)."
        for name, button in self.buttons.items():
            refusal = self._commander.why_not(name) if shown else reason
            allow(button, LOOKING if in_3d and name not in IN_3D else "" if in_3d and name == "volume" else refusal)
        self.buttons["volume"].setChecked(in_3d)
        allow(self.brush_size, LOOKING if in_3d else self._annotator.why_not("stroke") if shown else reason)
        self.brush_words.setEnabled(self.brush_size.isEnabled())
        accept = LOOKING if in_3d else self._annotator.why_not("accept") if shown else reason
        allow(self.buttons["accept"], accept, self.reason, said=self._annotator.only_to_look_at)
        self.buttons["maps"].setChecked(self._commander.maps_shown)
        self.buttons["masks"].setChecked(self._commander.masks_shown)
        current = self._annotator.session.current
        several = current is not None and self._annotator.items.of(current).several
        for name in FOR_CLIPS:
            self.buttons[name].setVisible(several)
        closed = shown and not self._annotator.why_not("reopen")
        self.buttons["skip"].setVisible(not closed)
        self.buttons["reopen"].setVisible(closed)

    def renew_frame(self, frame_id: str) -> None:
        """A frame stands otherwise: its lines in the lists."""
        self.frame_card.update_line(frame_id)
        self.clip.renew(frame_id)
        self.stack.renew(frame_id)

    def show_tool(self, tool: Tool) -> None:
        """Press the button of the tool in hand."""
        for name, button in self.buttons.items():
            if self._commander.tool_of(name) is tool:
                button.setChecked(True)

    def _button(self, name: str) -> QPushButton:
        command = BY_NAME[name]
        button = QPushButton(f"{command.label} ({key_words(command.key)})")
        # Columns of one width, whatever the words: the dock is narrow.
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        button.setToolTip(f"{command.explanation}. Key: {key_words(command.key)}")
        by_tab(button)
        button.clicked.connect(partial(self._run, name))
        return button

    def _arrange(self) -> None:
        grid = QGridLayout()
        grid.setSpacing(3)
        for row, names in enumerate((*TOOL_ROWS, *OTHER_ROWS)):
            for column, name in enumerate(names):
                grid.addWidget(self.buttons[name], row if row < 2 else row + 1, column)
        grid.addWidget(self.buttons["reopen"], len(TOOL_ROWS) + len(OTHER_ROWS), 2)  # there is one of the two
        grid.addWidget(self.brush_words, 2, 0)
        grid.addWidget(self.brush_size, 2, 1, 1, 2)
        for column in range(3):
            grid.setColumnStretch(column, 1)
        onward = QGridLayout(self.onward)
        onward.setContentsMargins(4, 0, 4, 0)
        onward.setSpacing(3)
        for column, (name, width) in enumerate((("back", 3), ("next", 3), ("accept", 6))):
            onward.addWidget(self.buttons[name], 0, column)
            onward.setColumnStretch(column, width)
        onward.addWidget(self.reason, 1, 0, 1, 3)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.frame_card)
        layout.addWidget(self.clip)
        whole = QHBoxLayout()
        for name in FOR_CLIPS:
            whole.addWidget(self.buttons[name])
        layout.addLayout(whole)
        layout.addWidget(self.stack)
        layout.addWidget(self.structures)
        layout.addLayout(grid)
        layout.addWidget(self.review)  # last: with a clip, the tools would lie below what is seen

    def _run(self, name: str, *_: object) -> None:
        self._commander.run(name)
        self.refresh()

    def _set_brush(self, size: int) -> None:
        self.brush_words.setText(f"Brush size {size}")
        layer = self._canvas.masks.layer
        if layer is not None and layer.brush_size != size:
            layer.brush_size = size

    def _on_layer_made(self, layer: Any) -> None:
        masks = self._canvas.masks.layer
        if masks is not None and layer is masks:
            masks.events.brush_size.connect(self._on_brush)
            self._on_brush()

    def _on_brush(self, event: object = None) -> None:
        """Follow napari's keys and slider, which know no end: what is said here is what is drawn."""
        if self._canvas.masks.layer is not None:
            self.brush_size.setValue(round(self._canvas.masks.layer.brush_size))
            self._set_brush(self.brush_size.value())
