"""The split view: the same image a second time, to the right of the first, with other outlines on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari.layers import Image, Layer
from napari.layers import Labels as LabelsLayer
from napari.viewer import Viewer
from numpy.typing import NDArray

from napari_adasam.domain.records import Labels
from napari_adasam.domain.structures import Structure
from napari_adasam.ui.at_once import at_once, take_out
from napari_adasam.ui.image_layer import Contrast, fits, image_layer
from napari_adasam.ui.mask_layer import OPACITY, label_colors
from napari_adasam.ui.placement import Placement

GAP = 0.03
"""Between the two, as a share of the width."""


class Beside:
    """Two layers of its own in a viewer; they are there only while something is compared. GUI thread."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._shown: tuple[Image, LabelsLayer] | None = None
        self._contrast = Contrast()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Picture and outlines, if they are shown."""
        return self._shown or ()

    def show(
        self, pixels: NDArray[Any], labels: Labels, placement: Placement, structures: Sequence[Structure], name: str
    ) -> None:
        """Show other outlines (height, width) beside the frame, in place of those shown before.

        In the same layers, if they can show it: to take layers out and put others in takes a second.
        """
        known = self._shown
        image, outlines = self._shown = self._that_fit(pixels) or self._make(pixels, labels, placement)
        with at_once(image, outlines):
            image.data, outlines.data = pixels, labels
            for layer in (image, outlines):
                layer.scale, layer.units = placement.scale, (placement.unit, placement.unit)
                layer.translate = (0.0, labels.shape[1] * (1 + GAP) * placement.scale[1])
        self._contrast.show(image, "")
        outlines.editable = False  # which other data opens again
        outlines.colormap = label_colors(structures)
        image.name, outlines.name = f"Beside: {name}", f"Beside: outlines of {name}"
        if self._shown != known:
            for at, layer in enumerate(self.layers):
                self._viewer.layers.insert(at, layer)
        if not known:
            self._viewer.reset_view()

    def _that_fit(self, pixels: NDArray[Any]) -> tuple[Image, LabelsLayer] | None:
        """The layers that are there, if they can show these pixels; they are taken away if not."""
        shown = self._shown
        if shown is not None and fits(shown[0], pixels) and all(one in self._viewer.layers for one in shown):
            return shown
        self.hide()
        return None

    @staticmethod
    def _make(pixels: NDArray[Any], labels: Labels, placement: Placement) -> tuple[Image, LabelsLayer]:
        outlines = LabelsLayer(labels, opacity=OPACITY, **placement.layer_arguments())
        return image_layer(pixels, placement), outlines

    def hide(self) -> bool:
        """Take the second picture away; whether there was one."""
        layers, self._shown = self.layers, None
        take_out(self._viewer, layers)
        return bool(layers)

    def close(self) -> None:
        """Take the second picture away, and show the first in full again."""
        if self.hide():
            self._viewer.reset_view()
