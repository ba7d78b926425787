"""The keys, bound in Python: on the viewer, and on our layers, whose own keys in napari would come first.

napari looks a key up in the active layer, then in its class (Labels has Z, E, P, M, B and Ctrl+Z of its own),
then in the viewer. Binding on the layer objects leaves every other viewer and layer as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from napari.layers import Layer
from napari.viewer import Viewer
from qtpy.QtCore import QPoint, QSize, Qt
from qtpy.QtGui import QKeySequence, QShortcut, QShowEvent
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QFrame, QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from napari_adasam.ui.commands import COMMANDS, Commander, key_words

SLACK_PX = 4
"""For the frame that a style sheet gives the page: without it bars come that only make room for each other."""
TITLE_PX = 40
"""Left for the title bar that the system puts around the sheet of keys."""

WIPE = "clear_structure"
NOT_OURS = "Nothing was wiped: “{}” is chosen in the list of layers. Choose a tool (F, B, D or E) first, or press Wipe."


class Keys:
    """Binds every command's keys, and frees them again."""

    def __init__(self, viewer: Viewer, commander: Commander, window: QWidget) -> None:
        self._commander = commander
        self._viewer = viewer
        self._bound: list[Viewer | Layer] = []
        before = dict(viewer.keymap)
        self.bind(viewer)
        self._others = {key: what for key, what in before.items() if viewer.keymap[key] is not what}
        # "?" is no key of its own to napari, so Qt listens for it; text fields keep theirs.
        self._question = QShortcut(QKeySequence("?"), window)
        self._question.setContext(Qt.ShortcutContext.WindowShortcut)
        self._question.activated.connect(partial(commander.run, "help"))

    def bind(self, target: Viewer | Layer) -> None:
        """Bind all keys on the viewer or on one of our layers."""
        for command in COMMANDS:
            run = partial(self._wipe if command.name == WIPE else self._commander.run, command.name)
            for key in command.keys:
                target.bind_key(key, _binding(run), overwrite=True)
        there = [self._viewer, *self._viewer.layers]  # what was taken out is let go
        self._bound = [one for one in self._bound if one is not target and any(one is own for own in there)]
        self._bound.append(target)

    def close(self) -> None:
        """Give the keys back to napari, and to whoever had bound them on the viewer."""
        for target in self._bound:
            for command in COMMANDS:
                for key in command.keys:
                    target.bind_key(key, None)
        self._bound.clear()
        self._viewer.keymap.update(self._others)

    def _wipe(self, name: str) -> None:
        """Not while a layer of her own is in hand: it is that one which she would delete something of."""
        active = self._viewer.layers.selection.active
        if active is None or any(active is ours for ours in self._bound):
            self._commander.run(name)
        else:
            self._commander.problem.emit(NOT_OURS.format(active.name))


def _binding(run: Callable[[], None]) -> Callable[[Any], None]:
    def pressed(_target: Any) -> None:
        run()

    return pressed


class HelpSheet(QDialog):
    """All keys on one page."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys")
        self._page, self._scroll = QWidget(), QScrollArea()
        self._scroll.setWidget(self._page)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        grid = QGridLayout(self._page)
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(5)
        intro = QLabel("Left hand on these keys, right hand on the mouse:")
        grid.addWidget(intro, 0, 0, 1, 3)
        for row, command in enumerate(COMMANDS, start=1):
            keys = QLabel("<b>" + " or ".join(key_words(key) for key in command.keys) + "</b>")
            grid.addWidget(keys, row, 0)
            grid.addWidget(QLabel(command.label), row, 1)
            grid.addWidget(QLabel(command.explanation), row, 2)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self._scroll)
        layout.addWidget(buttons)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """As large as the page, or as the screen: with large letters the page scrolls, and Close stays in sight."""
        if event is not None:
            super().showEvent(event)
        self.ensurePolished()
        around = self.sizeHint() - self._scroll.sizeHint() + QSize(SLACK_PX, SLACK_PX)
        screen = self.screen().availableGeometry()
        self.resize((self._page.sizeHint() + around).boundedTo(screen.size() - QSize(0, TITLE_PX)))
        at, corner = self.pos(), screen.bottomRight() - QPoint(self.width(), self.height() + TITLE_PX)
        self.move(max(screen.left(), min(at.x(), corner.x())), max(screen.top(), min(at.y(), corner.y())))
