"""The frame on the screen: image, maps, outlines and prompts as napari layers, a projection of the session.

Layers are held by reference: a new name does no harm, and a layer that is deleted comes back with a message. All lie in
the same place, so that a pixel of one is the pixel of every other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from napari.layers import Image, Layer
from napari.viewer import Viewer
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.prompts import Box
from napari_adasam.domain.records import Frame
from napari_adasam.domain.structures import Structure
from napari_adasam.services.annotator import Annotator
from napari_adasam.services.volumes import Volume
from napari_adasam.ui.at_once import at_once, take_out
from napari_adasam.ui.axes import fit, rest_sliders, show_own_axes, show_scale_bar
from napari_adasam.ui.beside import Beside
from napari_adasam.ui.drawn_prompts import drawn_prompts
from napari_adasam.ui.image_layer import Contrast, fits, image_layer, show_pixels
from napari_adasam.ui.laying import Laying, MakeLayer, back_words
from napari_adasam.ui.map_layers import MapLayers
from napari_adasam.ui.mask_layer import MaskLayer
from napari_adasam.ui.placement import Placement, extent, straighten
from napari_adasam.ui.prompt_layers import DrawnPrompt, PromptLayers
from napari_adasam.ui.volume_view import VolumeView

RESTORE_MS = 50
ANSWER_MS = 150
"""So long (ms) a point waits for its outline, to be drawn with it: drawing twice takes longer than the decoder."""


class Canvas:
    """One session's layers in one viewer. GUI thread."""

    message = Signal(str)
    frame_changing = Signal()
    """Another frame, another scale of it, or none is about to be shown: what else lies on it must go first."""
    frame_shown = Signal(str)
    layer_made = Signal(object)

    def __init__(self, viewer: Viewer, annotator: Annotator, restore: QTimer) -> None:
        self.viewer = viewer
        self.masks = MaskLayer()
        self.maps = MapLayers()
        self.prompts = PromptLayers()
        self.beside = Beside(viewer)
        self.volume = VolumeView(viewer)
        self.marks: tuple[Layer, ...] = ()
        self.image: Image | None = None
        self._contrast = Contrast()
        self._closing = ExitStack()
        self._windowless = False
        self._annotator = annotator
        self._session = annotator.session
        self._shown: Frame | None = None
        self._drawing: DrawnPrompt | None = None
        self._restore = restore
        self._restore.setSingleShot(True)
        self._restore.timeout.connect(self._bring_back)
        self._unanswered = QTimer(restore.parent())
        self._unanswered.setSingleShot(True)
        self._unanswered.timeout.connect(self._draw_prompts)
        self._laying = Laying(viewer, self.layers, restore.parent())
        self._connect()
        self.masks.set_structures(self._session.structures)
        if self._session.current is not None:
            self._on_current(self._session.current)

    @property
    def frame(self) -> Frame | None:
        """The frame on the screen."""
        return self._shown

    @property
    def whole(self) -> bool:
        """Whether all of our layers are there, if an image is; the first one's come one after the other."""
        return not self._laying.waiting

    def layers(self) -> list[Layer]:
        """Our layers, from the bottom up."""
        own = [self.image, *self.maps.layers.values(), self.masks.layer, self.prompts.boxes, self.prompts.points]
        return [layer for layer in own if layer is not None]

    def all_layers(self) -> list[Layer]:
        """Our layers, and those of ours that are there only at times: beside, in 3D, marks."""
        return [*self.layers(), *self.beside.layers, *self.volume.layers, *self.marks]

    def close(self) -> None:
        """Let go of the viewer and the session, and take our layers out, unless the viewer's window is gone."""
        self._closing.close()
        for waiting in (self._restore, self._unanswered, self._laying):
            waiting.stop()
        if self._windowless:
            return
        self.volume.close()
        self.beside.hide()
        self.frame_changing.emit()
        take_out(self.viewer, self.layers())

    def lose_window(self) -> None:
        """The viewer's window goes, and napari can no longer draw what changes in its layers."""
        self._windowless = True

    def activate(self) -> None:
        """Make the outlines the active layer, so that brush, eraser and keys work; not while a volume is shown."""
        if not self.volume.shown and self.masks.layer is not None and self.masks.layer in self.viewer.layers:
            self.viewer.layers.selection.active = self.masks.layer

    def set_maps_visible(self, visible: bool) -> None:
        """Show or hide the maps and the prompts drawn from them."""
        self.maps.set_visible(visible)
        self._draw_prompts()

    def set_masks_visible(self, visible: bool) -> None:
        """Show or hide the outlines."""
        if self.masks.layer is not None:
            self.masks.layer.visible = visible

    def draw_pending(self, structure: Structure, box: Box | None) -> None:
        """Show a box that is being drawn; ``None`` takes it back."""
        if box is None and self._drawing is None:
            return
        self._drawing = None if box is None else DrawnPrompt((), box, structure.color, by_clinician=True)
        self._draw_prompts()

    def _connect(self) -> None:
        session = self._session
        for signal, slot in (
            (self.viewer.layers.events.removed, self._on_removed),
            (self.viewer.dims.events.order, self._on_axes),
            (self.viewer.dims.events.ndisplay, self._on_axes),
            (self._laying.put, self._on_put),
            (self._laying.whole, self._on_whole),
            (session.current_changed, self._on_current),
            (session.setup_changed, self._on_setup),
            (session.labels_changed, self._on_labels),
            (session.suggestions_changed, self._on_suggestions),
            (session.structures_changed, self._on_structures),
            (self._annotator.volume_read, self._on_volume),
        ):
            signal.connect(slot)
            self._closing.callback(signal.disconnect, slot)

    def _on_volume(self, volume: Volume) -> None:
        if self._shown is not None and self._shown.file_id == volume.file_id:
            self.volume.show(volume, self._session.structures)
            if volume.note:
                self.message.emit(volume.note)
            for layer in self.volume.layers:
                self.layer_made.emit(layer)

    def _on_current(self, frame_id: str) -> None:
        self.volume.go_flat()
        self.frame_changing.emit()
        frame = self._session.frame(frame_id)
        before = self._shown
        self._shown = frame
        in_turns = self.image is None
        self._drawing = None
        placement, known = Placement.of(frame), self.layers()
        with at_once(*known):
            self._show_image(frame, again=before is not None and before.id == frame_id)
            self.masks.replace(self._session.labels(frame_id), placement)
            self._show_suggestions(frame)
        if self.image is not None:
            self._contrast.show(self.image, frame.file_id)
        self._make_missing(in_turns)
        self._on_axes()
        rest_sliders(self.viewer)
        if self.layers() != known:
            self._show_suggestions(frame)
        show_scale_bar(self.viewer, placement)
        if before is None or extent(before) != extent(frame):
            fit(self.viewer, self.layers()[0])
        self.activate()
        self.frame_shown.emit(frame_id)

    def _on_setup(self, frame_id: str) -> None:
        if self._shown is not None and frame_id == self._shown.id:
            self._on_current(frame_id)

    def _on_labels(self, frame_id: str) -> None:
        if self._shown is None or frame_id != self._shown.id:
            return
        self._drawing = None
        self.masks.write(self._session.labels(frame_id))
        if self._session.unanswered(frame_id):
            self._unanswered.start(ANSWER_MS)
        else:
            self._draw_prompts()

    def _on_suggestions(self, frame_id: str) -> None:
        if self._shown is not None and frame_id == self._shown.id:
            self._show_suggestions(self._shown)

    def _show_suggestions(self, frame: Frame) -> None:
        with at_once(*self.maps.layers.values(), *self.prompts.layers()):
            self.maps.show(self._session.suggestions(frame.id), (frame.height, frame.width), Placement.of(frame))
            self._draw_prompts()

    def _on_structures(self) -> None:
        self.volume.go_flat()
        structures = self._session.structures
        self.masks.set_structures(structures)
        with self._laying.ours_to_change():
            take_out(self.viewer, self.maps.keep(structures))
        self._make_missing()
        if self._shown is not None:
            self._show_suggestions(self._shown)

    def _on_removed(self, event: object = None) -> None:
        """The clinician deleted a layer: bring ours back a moment later, when napari has done with the deletion."""
        if self.volume.was_deleted():
            self.volume.close()
        if not self._laying.changing and any(layer not in self.viewer.layers for layer in self.layers()):
            self._restore.start(RESTORE_MS)

    def _show_image(self, frame: Frame, again: bool) -> None:
        try:
            pixels = self._annotator.pixels(frame.id)
        except AdasamError as error:
            if self.image is None or not again:
                raise
            self.message.emit(str(error))
            Placement.of(frame).apply(self.image)  # its file cannot be read any more, and what is shown stays
            return
        if self.image is not None and not fits(self.image, pixels):
            with self._laying.ours_to_change():
                take_out(self.viewer, [self.image])
            self.image = None
        if self.image is None:
            self.image = image_layer(pixels, Placement.of(frame))
        show_pixels(self.image, pixels, Placement.of(frame))

    def _on_axes(self, event: Any = None) -> None:
        if self._shown is not None and show_own_axes(self.viewer) and event is not None and event.type == "order":
            self.message.emit("The image stays on the screen. Turn a volume of your own in another window of napari.")

    def _make_missing(self, in_turns: bool = False) -> None:
        """Put into the viewer whichever of our layers is not there.

        ``in_turns``: image and outlines now, and each other one when the event loop has had a turn.
        """
        if self._shown is not None:
            self._laying.lay(self._makers(self._shown), in_turns)
            self.activate()

    def _on_put(self, layer: Layer) -> None:
        layer.events.affine.connect(self._on_transformed)
        self.activate()
        self.layer_made.emit(layer)

    def _on_transformed(self, event: Any) -> None:
        if straighten(event.source):
            self.message.emit("The image stays where it is: outlines and millimetres belong to its pixels.")

    def _on_whole(self) -> None:
        if self._shown is not None:
            self._show_suggestions(self._shown)

    def _makers(self, frame: Frame) -> Iterator[MakeLayer]:
        """What makes our layers where they are not there, those first that the work begins with."""
        placement, shape = Placement.of(frame), (frame.height, frame.width)
        yield lambda: self.image
        yield lambda: self.masks.layer or self.masks.make(self._session.labels(frame.id), placement)
        yield lambda: self.prompts.boxes or self.prompts.make_boxes(placement)
        yield lambda: self.prompts.points or self.prompts.make_points(placement)
        for one in self._session.structures:
            yield partial(self._map_of, one, shape, placement)

    def _map_of(self, structure: Structure, shape: tuple[int, int], placement: Placement) -> Layer:
        return self.maps.layers.get(structure.value) or self.maps.make(structure, shape, placement)

    def _bring_back(self) -> None:
        lost = [layer.name for layer in self.layers() if layer not in self.viewer.layers]
        if self.masks.layer is not None and self.masks.layer not in self.viewer.layers:
            self.masks.part()
        self._make_missing()
        if lost:
            self.message.emit(back_words(lost))

    def _draw_prompts(self) -> None:
        frame = self._shown
        self._unanswered.stop()
        if frame is None:
            return
        drawn = drawn_prompts(self._session, frame.id, self.maps.visible)
        self.prompts.show(drawn, (frame.height, frame.width), Placement.of(frame), self._drawing)
        self.activate()
