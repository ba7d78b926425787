"""The clinician's tools on the canvas: points, box, brush, eraser, and the hand that moves the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any

from napari.viewer import Viewer
from psygnal import Signal

from napari_adasam.domain.records import Frame
from napari_adasam.domain.structures import Structure
from napari_adasam.services.annotator import Annotator
from napari_adasam.ui.canvas import Canvas
from napari_adasam.ui.guide import Looking
from napari_adasam.ui.placement import box_between, covers, inside, pixel_at, point_at

CLICK_REACH = 5.0
"""A press that moves less than this many screen pixels is a click; more is a drag, which moves the image."""
HOLD = "Space"
"""While this key is held, the mouse moves the image."""
NOT_TAKEN = (
    "The screen changed while the mouse was down, and {} was not taken. All else is kept. "
    "Go back (Z, or 5 from 3D) and do it again."
)
KEYS = "Keys: in brackets on the buttons to the right; all of them on one sheet with ?"


class Tool(StrEnum):
    """What the mouse does on the image."""

    MOVE = "move"
    POINT = "point"
    NOT_POINT = "not point"
    BOX = "box"
    BRUSH = "brush"
    ERASER = "eraser"


CLICKED = (Tool.POINT, Tool.NOT_POINT, Tool.BOX)
"""Tools of ours, of which napari thinks that the image is moved with them."""
LAYER_MODES = {Tool.BRUSH: "paint", Tool.ERASER: "erase"}
MODE_TOOLS = {mode: tool for tool, mode in LAYER_MODES.items()}


class Tools:
    """Which tool and which structure are in hand, and what a press on the canvas means. GUI thread."""

    tool_changed = Signal(object)
    structure_changed = Signal(int)
    outlines_toggled = Signal()
    """The outlines were shown or hidden, with our key or with napari's eye."""

    def __init__(self, viewer: Viewer, canvas: Canvas, annotator: Annotator) -> None:
        self.tool = Tool.MOVE
        self.structure = 1
        self._viewer = viewer
        self._canvas = canvas
        self._annotator = annotator
        viewer.mouse_drag_callbacks.append(self._on_press)
        viewer.mouse_move_callbacks.append(self._on_move)
        canvas.layer_made.connect(self._on_layer_made)
        canvas.volume.opening.connect(self._on_volume_opening)
        canvas.volume.changed.connect(self._on_volume)
        self._in_2d = Tool.MOVE
        self._double_clicks: list[Callable[..., Any]] = []
        self.tool_changed.connect(self._on_tool)
        self._in_dark: Tool | None = None  # taken while the outlines are hidden, of which napari knows nothing
        canvas.masks.structure_picked.connect(self.choose_structure)
        canvas.masks.stroke.connect(self._on_stroke)
        annotator.session.structures_changed.connect(self._on_structures)
        self._on_structures()

    def close(self) -> None:
        """Let go of the viewer and of the outlines' layer."""
        if self._on_press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_press)
        if self._on_move in self._viewer.mouse_move_callbacks:
            self._viewer.mouse_move_callbacks.remove(self._on_move)
        self.tool_changed.disconnect(self._on_tool)
        self._on_tool(Tool.MOVE)
        layer = self._canvas.masks.layer
        if layer is not None:
            for emitter, slot in self._followed(layer):
                emitter.disconnect(slot)
            layer.bind_key(HOLD, None)
        self._annotator.session.structures_changed.disconnect(self._on_structures)

    def choose(self, tool: Tool) -> None:
        """Take a tool in hand."""
        self.tool = tool
        layer = self._canvas.masks.layer
        self._in_dark = tool if layer is not None and not layer.visible else None
        if layer is not None:
            self._canvas.activate()
            layer.mode = LAYER_MODES.get(tool, "pan_zoom")
            if tool in CLICKED:
                layer.cursor = "crosshair"
            if tool not in LAYER_MODES:
                layer.mouse_pan = tool is not Tool.BOX
        self.tool_changed.emit(tool)

    def choose_structure(self, value: int) -> None:
        """Make prompts and strokes mean this structure."""
        self.structure = value
        self._canvas.masks.choose(value)
        self.structure_changed.emit(value)

    def next_structure(self) -> None:
        """Go to the next structure of the list, and round again."""
        values = [one.value for one in self._annotator.session.structures]
        if values:
            at = values.index(self.structure) if self.structure in values else -1
            self.choose_structure(values[(at + 1) % len(values)])

    @property
    def looking(self) -> Looking:
        """How the viewer shows what is in it."""
        how, outlines = self._canvas.volume.looking, self._canvas.masks.layer
        layers = list(self._viewer.layers)  # a slice of napari's own list is a list of layers with all its events
        if how != "flat" or outlines is None or outlines not in layers:
            return how
        if self._viewer.canvas.grid.enabled:
            return "grid"
        if not outlines.visible:
            return "hidden"
        above = layers[layers.index(outlines) + 1 :]
        return "covered" if any(covers(layer, outlines) for layer in above) else "flat"

    def current_structure(self) -> Structure | None:
        """The structure in hand; ``None`` where there are none."""
        return next((one for one in self._annotator.session.structures if one.value == self.structure), None)

    def _on_structures(self) -> None:
        values = [one.value for one in self._annotator.session.structures]
        if values and self.structure not in values:
            self.choose_structure(values[0])

    def _on_layer_made(self, layer: Any) -> None:
        masks = self._canvas.masks.layer
        if masks is not None and layer is masks:
            for emitter, slot in self._followed(masks):
                emitter.connect(slot)
            masks.bind_key(HOLD, self._while_held, overwrite=True)
            self._on_help()
            self.choose(self.tool)

    def _followed(self, layer: Any) -> tuple[tuple[Any, Callable[..., None]], ...]:
        """What the outlines' layer tells of, and what follows it."""
        events = layer.events
        return (events.mode, self._on_mode), (events.help, self._on_help), (events.visible, self._on_visible)

    def _on_volume_opening(self) -> None:
        self._in_2d = self.tool

    def _on_volume(self) -> None:
        """Take the tool in hand again that was in it before 3D: napari takes the brush away there."""
        if not self._canvas.volume.shown:
            self.choose(self._in_2d)

    def _on_help(self, event: object = None) -> None:
        """napari's line at the bottom names its own number keys, which lead away from ours."""
        layer = self._canvas.masks.layer
        if layer is not None and layer.help != KEYS:
            layer.help = self._viewer.help = KEYS

    def _on_visible(self, event: object = None) -> None:
        """Back in sight, napari takes the tool that it had before; one that was chosen since is the right one."""
        layer, tool = self._canvas.masks.layer, self._in_dark
        if layer is not None and layer.visible and tool is not None:
            self.choose(tool)
        self.outlines_toggled.emit()

    def _on_mode(self, event: object = None) -> None:
        """Follow napari's own tool buttons."""
        layer = self._canvas.masks.layer
        if layer is None:
            return
        tool = MODE_TOOLS.get(str(layer.mode))
        if tool is None and self.tool in LAYER_MODES:
            tool = Tool.MOVE
        if tool is not None and tool is not self.tool:
            self.tool = tool
            self.tool_changed.emit(tool)

    def _on_tool(self, tool: Tool) -> None:
        """Two quick clicks are no zoom while a tool is in hand that clicks: napari's answer to them waits."""
        answers = self._viewer.mouse_double_click_callbacks
        if tool in CLICKED:
            self._double_clicks.extend(answers)
            answers.clear()
        else:
            answers.extend(self._double_clicks)
            self._double_clicks.clear()

    def _on_stroke(self, labels: Any) -> None:
        self._annotator.stroke(labels)

    def _while_held(self, _layer: object) -> Iterator[None]:
        """Space moves the image while it is held, whatever the tool (napari calls this as a generator)."""
        tool = self.tool
        if tool is Tool.MOVE or self._canvas.masks.stroke_open:
            yield
            return
        self.choose(Tool.MOVE)
        yield
        if self.tool is Tool.MOVE:  # no other one was taken in hand meanwhile
            self.choose(tool)

    def _on_move(self, _viewer: Viewer, _event: object) -> None:
        """Back over the image with a tool: it works on the outlines, though others of ours were chosen, or none was."""
        if self.tool is Tool.MOVE or self._viewer.dims.ndisplay != 2:
            return
        chosen, ours = self._viewer.layers.selection, self._canvas.all_layers()
        if chosen.active is not self._canvas.masks.layer and all(layer in ours for layer in chosen):
            self._canvas.activate()

    def _on_press(self, viewer: Viewer, event: Any) -> Iterator[None]:
        """A press of the left button, up to its release (napari calls this as a generator)."""
        frame, image, structure = self._canvas.frame, self._canvas.image, self.current_structure()
        if frame is None or image is None or structure is None or event.button != 1 or viewer.dims.ndisplay != 2:
            return
        active = self._viewer.layers.selection.active
        if active is not None and active not in self._canvas.all_layers():
            return  # her own layer: what she draws there is not for us
        if self.tool in (Tool.POINT, Tool.NOT_POINT):
            yield from self._click(event, structure)
        elif self.tool is Tool.BOX:
            yield from self._draw_box(event, structure)

    def _click(self, event: Any, structure: Structure) -> Iterator[None]:
        frame, image = self._canvas.frame, self._canvas.image
        if frame is None or image is None:
            return
        pressed, start = pixel_at(image, event.position), tuple(event.pos)
        point = point_at(pressed, positive=(self.tool is Tool.POINT) is not ("Shift" in event.modifiers))
        moved = 0.0
        yield
        while event.type == "mouse_move":
            moved = max(moved, abs(event.pos[0] - start[0]), abs(event.pos[1] - start[1]))
            yield
        if moved > CLICK_REACH or not inside(pressed, (frame.height, frame.width)):
            return
        if self._still_shown(frame, "your click"):
            self._annotator.click(point, structure.value)

    def _draw_box(self, event: Any, structure: Structure) -> Iterator[None]:
        frame, image = self._canvas.frame, self._canvas.image
        if frame is None or image is None:
            return
        shape = (frame.height, frame.width)
        first = pixel_at(image, event.position)
        box = None
        yield
        while event.type == "mouse_move":
            if self._is_shown(frame):
                box = box_between(first, pixel_at(image, event.position), shape)
                self._canvas.draw_pending(structure, box)
            yield
        if not self._still_shown(frame, "your box"):
            self._canvas.draw_pending(structure, None)
            return
        box = box_between(first, pixel_at(image, event.position), shape)
        self._canvas.draw_pending(structure, box)
        if box is not None:
            self._annotator.box(box, structure.value)
            self._canvas.draw_pending(structure, None)  # still there where it was refused

    def _still_shown(self, frame: Frame, what: str) -> bool:
        """Whether the frame of the press is there at the release, too; keys may lead away between the two."""
        shown = self._is_shown(frame)
        if not shown:
            self._canvas.message.emit(NOT_TAKEN.format(what))
        return shown

    def _is_shown(self, frame: Frame) -> bool:
        now = self._canvas.frame
        return now is not None and now.id == frame.id and self._viewer.dims.ndisplay == 2
