"""The label image on the screen: suggestions are written into it, the clinician's strokes are read out of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Labels as LabelsLayer
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_adasam.domain.records import Labels, Mask
from napari_adasam.domain.structures import Structure
from napari_adasam.ui.at_once import slice_hidden
from napari_adasam.ui.placement import Placement

OPACITY = 0.45
LOOK_AGAIN_MS = 30
HISTORY = "_save_history"
"""napari's word for a step of a layer's history: where, values before, values after."""


def label_colors(structures: Sequence[Structure]) -> DirectLabelColormap:
    """napari's colour table for the structures; background and unknown values are clear."""
    clear = (0.0, 0.0, 0.0, 0.0)
    return DirectLabelColormap(color_dict={None: clear, 0: clear} | {one.value: one.color for one in structures})


class MaskLayer:
    """A projection of the session's labels in one napari Labels layer, which it makes and owns."""

    stroke = Signal(object)
    """The whole label image (height, width) uint8 after a stroke of the clinician has ended."""
    structure_picked = Signal(int)
    """Another structure's value was chosen in napari's own controls."""

    def __init__(self) -> None:
        self.layer: LabelsLayer | None = None
        self._writing = False
        self._telling = False
        self._known: Labels | None = None  # the session's labels that the layer shows, strokes yet untold aside
        self._late: Labels | None = None  # newer ones, that wait for the end of a stroke
        self._structures: tuple[Structure, ...] = ()
        self._current = 1
        self._told: Labels | None = None
        self._coloring = False

    @property
    def stroke_open(self) -> bool:
        """Whether the clinician is in the middle of a stroke, of which nobody has been told yet.

        napari has no public word for it. Its brush, eraser, bucket and encircling stroke all hold the layer's history
        back from the first pixel to the last.
        """
        return self.layer is not None and not self._writing and bool(getattr(self.layer, "_block_history", False))

    @property
    def polygon_open(self) -> bool:
        """Whether a polygon of napari's own tool is begun, and not filled yet."""
        return self.layer is not None and str(self.layer.mode) == "polygon" and bool(_corners(self.layer))

    def make(self, labels: Labels, placement: Placement) -> LabelsLayer:
        """Make a new layer for a frame; the caller puts it into the viewer."""
        self._known, self._late = np.array(labels), None
        layer = LabelsLayer(
            np.array(labels, dtype=np.uint8),
            name="Outlines",
            opacity=OPACITY,
            colormap=label_colors(self._structures),
            **placement.layer_arguments(),
        )
        self._keep_others(layer)
        layer.brush_size = max(5, round(max(labels.shape) / 40))
        layer.selected_label = self._current
        layer.events.paint.connect(self._on_paint)
        layer.events.selected_label.connect(self._on_selected_label)
        layer.events.colormap.connect(self._color)
        layer.events.mode.connect(lambda: self._keep_others(layer))
        self.layer = layer
        return layer

    def set_structures(self, structures: Sequence[Structure]) -> None:
        """Colour the values of these structures."""
        self._structures = tuple(structures)
        self._color()

    def choose(self, value: int) -> None:
        """Make the brush and the eraser work on this structure."""
        self._current = value
        if self.layer is not None and self.layer.selected_label != value:
            self.layer.selected_label = value

    def replace(self, labels: Labels, placement: Placement) -> None:
        """Show another frame's labels."""
        if self.layer is None:
            return
        self._told, self._late, self._known = None, None, np.array(labels)
        if _corners(self.layer):
            self.layer._overlays["polygon"].points = []  # begun on the frame before, it would be filled on this one
        self.layer.data = np.array(labels, dtype=np.uint8)
        placement.apply(self.layer)

    def part(self) -> None:
        """Share no pixels with what napari has made of the layer: "convert to image" hands them on as they are."""
        if self.layer is not None and not self.stroke_open:
            self.layer.data = np.array(self.layer.data)

    def write(self, labels: Labels) -> None:
        """Show newer labels of the same frame, as one step of napari's own history; after a stroke, if one is open."""
        layer = self.layer
        if layer is None:
            return
        if self.stroke_open and not self._telling:
            self._late = np.array(labels)
            QTimer.singleShot(LOOK_AGAIN_MS, self._write_late)
            return
        self._known = np.array(labels)
        shown: NDArray[np.uint8] = layer.data
        differs = shown != labels
        if not differs.any():
            return
        self._writing, self._told = True, None
        try:
            slice_hidden(layer)
            with layer.block_history():
                _put(layer, differs, np.asarray(labels, dtype=np.uint8))
        finally:
            self._writing = False

    @staticmethod
    def _keep_others(layer: LabelsLayer) -> None:
        """The eraser takes the chosen structure only; what a brush may take of others, the session decides."""
        layer.preserve_labels = str(layer.mode) == "erase"

    def _color(self, event: object = None) -> None:
        """Each structure has its colour, whatever napari's button that shuffles them does."""
        if self.layer is None or self._coloring:
            return
        self._coloring = True
        try:
            self.layer.colormap = label_colors(self._structures)
        finally:
            self._coloring = False

    def _on_paint(self, event: object = None) -> None:
        """Tell of a stroke; and look again a moment later, for napari tells of a polygon before it has filled it."""
        if not self._writing and self.layer is not None:
            self._tell_stroke()
            QTimer.singleShot(0, self._tell_if_changed)

    def _write_late(self) -> None:
        """Show what came during a stroke that changed nothing; one that did was told, and took it along."""
        if self._late is not None:
            labels, self._late = self._late, None
            self.write(labels)

    def _tell_stroke(self) -> None:
        if self.layer is None:
            return
        labels = np.array(self.layer.data, dtype=np.uint8)
        if self._late is not None:  # the stroke was made on older labels: only what it changed is the clinician's
            labels, self._late = np.where(labels == self._known, self._late, labels), None
        self._told, self._telling = labels, True
        try:
            self.stroke.emit(labels)
        finally:
            self._telling = False

    def _tell_if_changed(self) -> None:
        if self.layer is not None and self._told is not None and not np.array_equal(self.layer.data, self._told):
            self._tell_stroke()

    def _on_selected_label(self, event: object = None) -> None:
        """napari's label box, picker and `-` `=` `x` keys may leave the structures: then go back to the chosen one."""
        if self.layer is None or self.layer.selected_label == self._current:
            return
        picked = int(self.layer.selected_label)
        if picked in {one.value for one in self._structures}:
            self.structure_picked.emit(picked)
        else:
            self.layer.selected_label = self._current


def _put(layer: LabelsLayer, differs: Mask, labels: Labels) -> None:
    """Write what differs, as one step of napari's history.

    By the box around it: napari's public word takes an index for each pixel, which is half a second for six million of
    them. It has none for a box; where it has not even that of ``HISTORY``, this takes longer and is right.
    """
    note = getattr(layer, HISTORY, None)
    if note is None:
        changed = np.nonzero(differs)
        layer.data_setitem(changed, labels[changed])
        return
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    after = labels[box].copy()
    note((box, layer.data[box].copy(), after))
    layer.data[box] = after
    layer.refresh(extent=False, highlight=False)


def _corners(layer: LabelsLayer) -> list[Any]:
    """The corners of a polygon that is being drawn. napari has no public word for them; without any there are none."""
    return list(getattr(getattr(layer, "_overlays", {}).get("polygon"), "points", ()))
