"""The prompts on the screen: boxes in a Shapes layer, clicks in a Points layer.

A thin box and a ring are what the model drew from its map; a thick box, a disc (belongs) and an ``x`` (does not belong)
are the clinician's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Points, Shapes

from napari_adasam.domain.prompts import Box, Point
from napari_adasam.ui.at_once import at_once, slice_hidden
from napari_adasam.ui.placement import Placement, box_corners


@dataclass(frozen=True, slots=True)
class DrawnPrompt:
    """The points and box of one prompt, in the colour of its structure."""

    points: tuple[Point, ...]
    box: Box | None
    color: str
    by_clinician: bool


class PromptLayers:
    """Owns one Shapes and one Points layer; the clinician draws through the tools, and cannot in these layers."""

    def __init__(self) -> None:
        self.boxes: Shapes | None = None
        self.points: Points | None = None
        self._drawn_boxes: object = None
        self._drawn_points: object = None

    def make_boxes(self, placement: Placement) -> Shapes:
        """Make the layer of boxes; the caller puts it into the viewer."""
        self.boxes = Shapes(ndim=2, name="Prompt boxes", opacity=0.9, **placement.layer_arguments())
        only_to_look_at(self.boxes)
        self._drawn_boxes = None
        return self.boxes

    def make_points(self, placement: Placement) -> Points:
        """Make the layer of clicks; the caller puts it into the viewer."""
        self.points = Points(
            ndim=2, name="Prompt points", opacity=1.0, canvas_size_limits=(9, 16), **placement.layer_arguments()
        )
        only_to_look_at(self.points)
        self._drawn_points = None
        return self.points

    def show(
        self, prompts: Iterable[DrawnPrompt], shape: tuple[int, int], placement: Placement, drawing: DrawnPrompt | None
    ) -> None:
        """Draw the prompts of a frame of (height, width), and the box that is being drawn.

        What is on the screen already is not drawn again: that would take the window longer than the decoder's answer.
        """
        drawn = [*prompts, drawing] if drawing is not None else list(prompts)
        boxes = [one for one in drawn if one.box is not None]
        points = [(point, one) for one in drawn for point in one.points]
        if (wanted := (boxes, shape)) != self._drawn_boxes or self._was_changed(self.boxes, len(boxes)):
            self._show_boxes(boxes, shape)
            self._drawn_boxes = wanted
        if (wanted_points := (points, shape)) != self._drawn_points or self._was_changed(self.points, len(points)):
            self._show_points(points, shape)
            self._drawn_points = wanted_points
        for layer in self.layers():
            placement.apply(layer)

    def layers(self) -> list[Shapes | Points]:
        """Those that are made."""
        return [layer for layer in (self.boxes, self.points) if layer is not None]

    @staticmethod
    def _was_changed(layer: Shapes | Points | None, count: int) -> bool:
        """Whether somebody added or deleted in the layer itself."""
        return layer is not None and len(layer.data) != count

    def _show_boxes(self, drawn: list[DrawnPrompt], shape: tuple[int, int]) -> None:
        layer = self.boxes
        if layer is None or (not drawn and not len(layer.data)):
            return
        unit = max(shape) / 500
        with at_once(layer):
            take_all_out(layer)
            if drawn:
                layer.add_rectangles(
                    [np.array(box_corners(one.box)) for one in drawn if one.box is not None],
                    edge_width=[unit * (2.0 if one.by_clinician else 1.0) for one in drawn],
                    edge_color=[one.color for one in drawn],
                    face_color="transparent",
                )
            layer.selected_data = set()

    def _show_points(self, rows: list[tuple[Point, DrawnPrompt]], shape: tuple[int, int]) -> None:
        layer = self.points
        if layer is None or (not rows and not len(layer.data)):
            return
        with at_once(layer):
            layer.selected_data = set()
            layer.data = np.array([(point.y, point.x) for point, _ in rows], dtype=float).reshape(-1, 2)
            slice_hidden(layer)
            if rows:
                layer.symbol = [_symbol(point, one.by_clinician) for point, one in rows]
                layer.face_color = [one.color for _, one in rows]
                layer.border_color = ["white" if one.by_clinician else one.color for _, one in rows]
                layer.border_width = 0.15
                layer.size = max(shape) / 45


def only_to_look_at(layer: Shapes | Points) -> None:
    """Leave napari's tools no hold on a layer: what they move there would no longer be what is kept."""
    layer.events.editable.connect(_shut)
    layer.editable = False


def _shut(event: Any) -> None:
    """napari's controls open layers of shapes and points again when they are made for one, and on the way out of 3D."""
    event.source.editable = False


def take_all_out(layer: Shapes) -> None:
    """Leave no shape in a layer. After ``data = []`` napari fails at the next shape where it shows three dimensions."""
    layer.selected_data = set(range(len(layer.data)))
    layer.remove_selected()


def _symbol(point: Point, by_clinician: bool) -> str:
    if not by_clinician:
        return "ring"
    return "disc" if point.positive else "x"
