"""The class activation maps on the screen: one faint Image layer a structure, aligned with the image to the pixel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from napari.layers import Image
from napari.utils.colormaps import Colormap

from napari_adasam.domain.records import Suggestion
from napari_adasam.domain.structures import Structure
from napari_adasam.ui.placement import Placement

OPACITY = 0.35


def map_colors(structure: Structure) -> Colormap:
    """From black, which adds nothing, to the structure's colour."""
    return Colormap(["#000000", structure.color], name=f"map {structure.value}")


def map_name(structure: Structure) -> str:
    """What the layer is called in napari's list."""
    return f"Map: {structure.name}"


class MapLayers:
    """The maps of the frame on the screen, by structure value. Makes and owns its layers."""

    def __init__(self) -> None:
        self.layers: dict[int, Image] = {}
        self.visible = True
        self._names: dict[int, str] = {}

    def make(self, structure: Structure, shape: tuple[int, int], placement: Placement) -> Image:
        """Make the layer of one structure, empty; the caller puts it into the viewer."""
        layer = Image(
            np.zeros(shape, np.float32),
            name=map_name(structure),
            colormap=map_colors(structure),
            contrast_limits=(0.0, 1.0),
            opacity=OPACITY,
            blending="additive",
            interpolation2d="linear",
            visible=self.visible,
            **placement.layer_arguments(),
        )
        self.layers[structure.value], self._names[structure.value] = layer, structure.name
        return layer

    def keep(self, structures: Iterable[Structure]) -> list[Image]:
        """Let go of all layers but those of these structures, which take another name where theirs has changed.

        Returns
        -------
        The layers that are let go, for the caller to take out of the viewer.
        """
        wanted = {one.value: one for one in structures}
        gone = [self.layers.pop(value) for value in list(self.layers) if value not in wanted]
        for value, layer in self.layers.items():
            if wanted[value].name != self._names[value]:
                layer.name, self._names[value] = map_name(wanted[value]), wanted[value].name
        return gone

    def show(self, suggestions: Mapping[int, Suggestion], shape: tuple[int, int], placement: Placement) -> None:
        """Show the maps of a frame of (height, width); a structure without a suggestion shows nothing."""
        for value, layer in self.layers.items():
            suggestion = suggestions.get(value)
            cam = np.zeros(shape, np.float32) if suggestion is None else suggestion.cam
            if layer.data is not cam:
                layer.data = cam
            placement.apply(layer)

    def set_visible(self, visible: bool) -> None:
        """Show or hide all maps."""
        self.visible = visible
        for layer in self.layers.values():
            layer.visible = visible
