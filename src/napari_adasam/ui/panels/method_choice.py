"""What a round of learning adapts: a list to choose from."""

from __future__ import annotations

from dataclasses import replace

from qtpy.QtCore import QSignalBlocker, Qt

from napari_adasam.domain.settings import Method
from napari_adasam.services.annotator import Annotator
from napari_adasam.ui.by_keys import by_tab
from napari_adasam.ui.elided import ElidedList
from napari_adasam.ui.section import allow

DEEP = 3
"""Slices or frames that are looked at together, where that is chosen."""
CHOICES: tuple[tuple[Method, int, str, str], ...] = (
    ("adasam", 1, "ADA-SAM", "LoRA, the encoder's last stages, decoder and maps; from images without a mask too"),
    ("lora", 1, "LoRA, accepted only", "As ADA-SAM, but from accepted images alone"),
    ("medsa", 1, "Med-SA", "Small adapters in every block of the encoder; slower"),
    ("medsa", DEEP, "Med-SA, 3 slices", "Med-SA that sees each frame of a clip or volume with both neighbours; slow"),
    ("masam", 1, "MA-SAM", "FacT and 3D adapters in every block, and a finer decoder; slower"),
    ("masam", DEEP, "MA-SAM, 3 slices", "MA-SAM that sees each frame of a clip or volume with both neighbours; slow"),
    ("decoder", 1, "Decoder only", "The encoder stays as it is; fast"),
    ("classifier", 1, "Maps only", "What finds structures learns, and clicks are answered as before; the fastest"),
)
"""Method, slices, name and meaning."""


class MethodChoice(ElidedList):
    """Chooses the method of the next round. A round under way goes on with its own."""

    def __init__(self, annotator: Annotator) -> None:
        super().__init__()
        self._annotator = annotator
        by_tab(self)
        self.setSizeAdjustPolicy(ElidedList.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(4)
        self.setAccessibleName("What it adapts")
        for place, (_, _, name, meaning) in enumerate(CHOICES):
            self.addItem(name)
            self.setItemData(place, meaning, Qt.ItemDataRole.ToolTipRole)
        self.activated.connect(self._choose)
        self.refresh()

    def refresh(self) -> None:
        """Show what is set."""
        train = self._annotator.settings.train
        depth = DEEP if train.looks_at > 1 else 1
        place = next(i for i, (method, slices, *_) in enumerate(CHOICES) if (method, slices) == (train.method, depth))
        with QSignalBlocker(self):
            self.setCurrentIndex(place)
        self.setProperty("tip", f"What the next round adapts. {CHOICES[place][3]}.")
        allow(self, self._annotator.why_not("set_settings"))

    def _choose(self, place: int) -> None:
        settings = self._annotator.settings
        method, slices, *_ = CHOICES[place]
        train = replace(settings.train, method=method, slices=slices)
        if train != settings.train:
            self._annotator.set_settings(replace(settings, train=train))
        self.refresh()
