"""Marks on the picture that are no outline of a structure: a line of known length, the corners of the scan sector."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import numpy as np
from napari.layers import Shapes
from napari.viewer import Viewer
from numpy.typing import NDArray
from psygnal import Signal

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.sector import Sector
from napari_adasam.domain.ticks import Ticks
from napari_adasam.services.annotator import Annotator
from napari_adasam.ui.at_once import take_out
from napari_adasam.ui.canvas import Canvas
from napari_adasam.ui.placement import Placement, inside, pixel_at
from napari_adasam.ui.prompt_layers import only_to_look_at, take_all_out
from napari_adasam.ui.tools import CLICK_REACH, Tool, Tools

MARK_COLOR, SECTOR_COLOR = "#f0e442", "#56b4e9"


class Mark(StrEnum):
    """What is being marked."""

    SCALE = "scale"
    RECTANGLE = "rectangle"
    POLYGON = "polygon"


ENOUGH = {Mark.SCALE: 2, Mark.RECTANGLE: 2}
"""Clicks after which a mark is complete; a polygon is when the clinician says so."""


class Marking:
    """Collects clicks for one mark at a time, and draws them and the sector. GUI thread.

    Its layer is held by reference, comes with the first mark on an image, and goes with the image. It is hidden while
    there is nothing to show: where a layer of shapes is taken out and the mouse is pressed twice before the canvas is
    drawn again, software OpenGL ends the process (napari 0.9.2, Mesa 22).
    """

    changed = Signal()
    problem = Signal(str)

    def __init__(self, viewer: Viewer, canvas: Canvas, tools: Tools, annotator: Annotator) -> None:
        self.mark: Mark | None = None
        self.points: list[tuple[float, float]] = []
        self.ticks: Ticks | None = None
        self.layer: Shapes | None = None
        self.sector_shown = False
        self.sector: Sector | None = None
        self._hidden = False
        self._viewer = viewer
        self._canvas = canvas
        self._tools = tools
        self._annotator = annotator
        viewer.mouse_drag_callbacks.append(self._on_press)
        canvas.frame_changing.connect(self._lift)
        canvas.frame_shown.connect(self._on_frame)
        tools.tool_changed.connect(self._on_tool)

    @property
    def complete(self) -> bool:
        """Whether there are clicks enough for the mark."""
        return self.mark is not None and len(self.points) >= ENOUGH.get(self.mark, 3)

    def close(self) -> None:
        """Let go of the viewer."""
        if self._on_press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_press)
        self._canvas.frame_changing.disconnect(self._lift)
        self._canvas.frame_shown.disconnect(self._on_frame)
        self._tools.tool_changed.disconnect(self._on_tool)

    def start(self, mark: Mark) -> None:
        """Collect clicks for a mark, from the first one on; the drawing tools are put away, and 3D is ended."""
        self._canvas.volume.go_flat()
        self._tools.choose(Tool.MOVE)
        self.mark, self.points, self.ticks = mark, [], None
        if self._canvas.masks.layer is not None:
            self._canvas.masks.layer.cursor = "crosshair"
        self.draw()

    def propose(self, ticks: Ticks) -> None:
        """Show the marks of a ruler as a line of known length, for the clinician to say how long."""
        self.start(Mark.SCALE)
        self.points, self.ticks = [ticks.first, ticks.last], ticks
        self.draw()

    def stop(self) -> None:
        """Forget the clicks."""
        self.mark, self.points, self.ticks = None, [], None
        if self._canvas.masks.layer is not None:
            self._canvas.masks.layer.cursor = "standard"
        self.draw()

    def show_sector(self, shown: bool) -> None:
        """Show or hide the outline of the scan sector; it ends 3D."""
        self._canvas.volume.go_flat()
        self.sector_shown = shown
        self.draw()

    def draw(self) -> None:
        """Show what is marked."""
        frame = self._canvas.frame
        lines = [] if frame is None else [*self._sector_lines(), *self._mark_lines()]
        layer = self.layer
        if layer is None and lines:
            layer = self.layer = self._make()
        if layer is None or frame is None:
            self.changed.emit()
            return
        Placement.of(frame).apply(layer)
        take_all_out(layer)
        if lines and layer not in self._viewer.layers:
            self._viewer.layers.append(layer)
            self._canvas.layer_made.emit(layer)
            self._canvas.activate()  # napari takes a new layer in hand, and tools would not work on the outlines
        self._hide(layer, not lines)
        width = max(frame.height, frame.width) / 400
        for line, color in lines:
            layer.add_paths([line], edge_width=width, edge_color=color)
        layer.selected_data = set()
        self._canvas.activate()
        self.changed.emit()

    def _hide(self, layer: Shapes, hidden: bool) -> None:
        """Hide the layer, or show it where it is hidden by this and not by the clinician."""
        if hidden and layer.visible:
            layer.visible, self._hidden = False, True
        elif not hidden and self._hidden:
            layer.visible, self._hidden = True, False

    def _make(self) -> Shapes:
        """A layer that is there to be looked at."""
        layer = Shapes(ndim=2, name="Scale and sector", opacity=1.0)
        only_to_look_at(layer)
        self._canvas.marks = (layer,)
        return layer

    def _sector_lines(self) -> list[tuple[NDArray[np.float64], str]]:
        frame = self._canvas.frame
        self.sector = None
        if not self.sector_shown or frame is None:
            return []
        try:
            self.sector = self._annotator.sector_soon(frame.id, self.draw)
        except AdasamError as error:
            self.problem.emit(str(error))
        if self.sector is None:
            return []
        outline = self.sector.outline
        edge = (-0.5, -0.5, frame.height - 0.5, frame.width - 0.5)
        corners = outline or (edge[:2], (edge[0], edge[3]), edge[2:], (edge[2], edge[1]))
        points = np.clip(np.array([*corners, corners[0]]), edge[:2], edge[2:])
        return [(points, SECTOR_COLOR)]

    def _mark_lines(self) -> list[tuple[NDArray[np.float64], str]]:
        frame = self._canvas.frame
        if frame is None or not self.points:
            return []
        arm = max(frame.height, frame.width) / 80
        lines = []
        for y, x in self.points if self.ticks is None else self.ticks.places():
            lines += [np.array([[y - arm, x], [y + arm, x]]), np.array([[y, x - arm], [y, x + arm]])]
        points = np.array(self.points)
        if self.mark is Mark.RECTANGLE and len(points) == 2:
            (y0, x0), (y1, x1) = points
            points = np.array([[y0, x0], [y0, x1], [y1, x1], [y1, x0], [y0, x0]])
        if len(points) > 1:
            lines.append(points)
        return [(line, MARK_COLOR) for line in lines]

    def _on_press(self, _viewer: Viewer, event: Any) -> Iterator[None]:
        frame, image = self._canvas.frame, self._canvas.image
        if self.mark is None or frame is None or image is None or event.button != 1:
            return
        active = self._viewer.layers.selection.active
        if active is not None and active not in (*self._canvas.layers(), self.layer):  # her own layer: not for us
            return
        start, pressed, moved = event.pos, pixel_at(image, event.position), 0.0
        yield
        while event.type == "mouse_move":
            moved = max(moved, abs(event.pos[0] - start[0]), abs(event.pos[1] - start[1]))
            yield
        if moved <= CLICK_REACH and inside(pressed, (frame.height, frame.width)):
            self.add(pressed)

    def add(self, point: tuple[float, float]) -> None:
        """Take a click at an image pixel (y, x); one too many begins the mark anew."""
        if self.mark is None:
            return
        if self.mark in ENOUGH and self.complete:
            self.points, self.ticks = [], None
        self.points.append(point)
        self.draw()

    def _lift(self) -> None:
        """Out of the viewer: with the scale of before, the layer would spoil the view and the scale bar's unit."""
        if self.layer is not None:
            take_out(self._viewer, [self.layer])

    def _on_frame(self, _frame_id: str) -> None:
        self.stop()

    def _on_tool(self, tool: Tool) -> None:
        if self.mark is not None and tool is not Tool.MOVE:
            self.stop()
