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
from napari_adasam.ui.at_once import take_out
from napari_adasam.ui.image_layer import image_layer
from napari_adasam.ui.mask_layer import OPACITY, label_colors
from napari_adasam.ui.placement import Placement

GAP = 0.03
"""Between the two, as a share of the width."""


class Beside:
    """Two layers of its own in a viewer; they are there only while something is compared. GUI thread."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self.layers: tuple[Layer, ...] = ()

    def show(
        self, pixels: NDArray[Any], labels: Labels, placement: Placement, structures: Sequence[Structure], name: str
    ) -> None:
        """Show other outlines (height, width) beside the frame, in place of those shown before."""
        new = not self.hide()
        image: Image = image_layer(pixels, placement)
        outlines = LabelsLayer(
            labels, opacity=OPACITY, colormap=label_colors(structures), **placement.layer_arguments()
        )
        outlines.editable = False
        image.name, outlines.name = f"Beside: {name}", f"Beside: outlines of {name}"
        for layer in (image, outlines):
            layer.translate = (0.0, labels.shape[1] * (1 + GAP) * placement.scale[1])
        self.layers = (image, outlines)
        for at, layer in enumerate(self.layers):
            self._viewer.layers.insert(at, layer)
        if new:
            self._viewer.reset_view()

    def hide(self) -> bool:
        """Take the second picture away; whether there was one."""
        shown, self.layers = self.layers, ()
        take_out(self._viewer, shown)
        return bool(shown)

    def close(self) -> None:
        """Take the second picture away, and show the first in full again."""
        if self.hide():
            self._viewer.reset_view()
