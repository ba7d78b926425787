"""The volume in 3D, to be looked at: its picture, accepted outlines, and those that nobody has accepted.

Three layers of its own, only while it is shown. All other layers are hidden meanwhile, and nothing of them or of the
session is changed: going back shows the same frame with the same view, tool and steps to undo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari.layers import Image, Layer
from napari.layers import Labels as LabelsLayer
from napari.viewer import Viewer
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_adasam.domain.structures import Structure
from napari_adasam.services.volumes import Volume
from napari_adasam.ui.at_once import take_out
from napari_adasam.ui.guide import Looking
from napari_adasam.ui.image_layer import contrast_limits
from napari_adasam.ui.mask_layer import label_colors

SUGGESTED_OPACITY, ACCEPTED_OPACITY, PICTURE_OPACITY = 0.45, 1.0, 0.55
ANGLES = (0.0, -20.0, 110.0)
"""A look from the side, a little from above, in napari's Euler angles in degrees."""


@dataclass(frozen=True, slots=True)
class Before:
    """The 2D view as it was."""

    visible: tuple[tuple[Layer, bool], ...]
    active: Layer | None
    center: tuple[float, ...]
    zoom: float
    angles: tuple[float, ...]
    scale_bar: bool


class VolumeView:
    """Shows one volume in a viewer, and takes it away again. GUI thread."""

    opening = Signal()
    """It is about to be shown."""
    changed = Signal()
    """It was shown, or taken away."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._before: Before | None = None
        self.layers: tuple[Layer, ...] = ()

    @property
    def shown(self) -> bool:
        """Whether a volume is on the screen."""
        return self._before is not None

    @property
    def looking(self) -> Looking:
        """How the viewer shows what is in it."""
        if self.shown:
            return "volume"
        return "flat" if self._viewer.dims.ndisplay == 2 else "3d"

    def show(self, volume: Volume, structures: Sequence[Structure]) -> None:
        """Show a volume in place of the frame."""
        self.close()
        self.opening.emit()
        viewer, camera = self._viewer, self._viewer.scene.camera
        self._before = Before(
            tuple((layer, layer.visible) for layer in viewer.layers),
            viewer.layers.selection.active,
            tuple(camera.center),
            camera.zoom,
            tuple(camera.angles),
            viewer.canvas.overlays.scale_bar.visible,
        )
        self.layers = _layers(volume, structures)
        for layer, _ in self._before.visible:
            layer.visible = False
        for layer in self.layers:
            viewer.layers.append(layer)
        viewer.dims.ndisplay = 3
        viewer.reset_view()
        camera.angles = ANGLES
        viewer.layers.selection.active = self.layers[0]
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)
        self.changed.emit()

    def was_deleted(self) -> bool:
        """Whether one of its layers was taken out by hand."""
        return self.shown and any(layer not in self._viewer.layers for layer in self.layers)

    def close(self) -> None:
        """Take the volume away, and show what was there before, as it was."""
        before, self._before = self._before, None
        if before is None:
            return
        viewer, layers, self.layers = self._viewer, self.layers, ()
        viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)
        viewer.dims.ndisplay = 2
        take_out(viewer, layers)
        for layer, visible in before.visible:
            if layer in viewer.layers:
                layer.visible = visible
        camera = viewer.scene.camera
        camera.angles, camera.center, camera.zoom = before.angles, before.center, before.zoom
        viewer.canvas.overlays.scale_bar.visible = before.scale_bar
        if before.active in viewer.layers:
            viewer.layers.selection.active = before.active
        self.changed.emit()

    def go_flat(self) -> None:
        """Close it, and end napari's own 3D too, which its button begins and in which nothing can be outlined."""
        self.close()
        if self._viewer.dims.ndisplay != 2:
            self._viewer.dims.ndisplay = 2

    def _on_ndisplay(self, event: object = None) -> None:
        """napari's own button for 2D leads back to the frame, too, once napari has done with it."""
        QTimer.singleShot(0, self._follow)

    def _follow(self) -> None:
        if self.shown and self._viewer.dims.ndisplay == 2:
            self.close()


def _layers(volume: Volume, structures: Sequence[Structure]) -> tuple[Layer, ...]:
    place = {"scale": volume.scale, "units": (volume.unit,) * 3}
    image = Image(
        volume.grey,
        name=f"3D: {volume.name}",
        contrast_limits=contrast_limits(volume.grey),
        rendering="mip",
        opacity=PICTURE_OPACITY,
        blending="additive",
        **place,
    )
    made = [image]
    kinds = (("not accepted", volume.suggested, SUGGESTED_OPACITY), ("accepted", volume.accepted, ACCEPTED_OPACITY))
    for words, labels, opacity in kinds:
        name, colors = f"3D: {words}", label_colors(structures)
        outlines = LabelsLayer(labels, name=name, opacity=opacity, colormap=colors, blending="translucent", **place)
        outlines.editable = False
        made.append(outlines)
    return tuple(made)
