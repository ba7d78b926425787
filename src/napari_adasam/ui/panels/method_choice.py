"""What a round of learning adapts: a list to choose from."""

from __future__ import annotations

from dataclasses import replace

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QComboBox

from napari_adasam.domain.settings import Method
from napari_adasam.services.annotator import Annotator

METHODS: dict[Method, tuple[str, str]] = {
    "adasam": ("ADA-SAM", "LoRA, the encoder's last stages, decoder and maps; from images without a mask too"),
    "lora": ("LoRA, accepted only", "As ADA-SAM, but from accepted images alone"),
    "medsa": ("Med-SA", "Small adapters in every block of the encoder; slower"),
    "masam": ("MA-SAM", "FacT and 3D adapters in every block, and a finer decoder; slower"),
    "decoder": ("Decoder only", "The encoder stays as it is; the fastest"),
}


class MethodChoice(QComboBox):
    """Chooses the method of the next round. A round under way goes on with its own."""

    def __init__(self, annotator: Annotator) -> None:
        super().__init__()
        self._annotator = annotator
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(4)
        for method, (name, meaning) in METHODS.items():
            self.addItem(name, method)
            self.setItemData(self.count() - 1, meaning, Qt.ItemDataRole.ToolTipRole)
        self.activated.connect(self._choose)
        self.refresh()

    def refresh(self) -> None:
        """Show what is set."""
        method = self._annotator.settings.train.method
        with QSignalBlocker(self):
            self.setCurrentIndex(self.findData(method))
        self.setToolTip(f"What the next round adapts. {METHODS[method][1]}.")

    def _choose(self, place: int) -> None:
        settings = self._annotator.settings
        train = replace(settings.train, method=self.itemData(place))
        if train != settings.train:
            self._annotator.set_settings(replace(settings, train=train))
        self.refresh()
