"""Which of napari's axes are on the screen, and their scale. The image is in the last two, and outlined there alone."""

from __future__ import annotations

import numpy as np
from napari.layers import Image
from napari.viewer import Viewer

from napari_adasam.ui.placement import Placement


def rest_sliders(viewer: Viewer) -> None:
    """Keep what napari has no slider for at 0, which lies in every frame.

    A position beyond the edge of a smaller frame is moved by napari, which slices and draws every layer again.
    """
    dims = viewer.dims
    for axis in dims.displayed:
        if dims.point[axis]:
            dims.set_point(axis, 0.0)


def show_own_axes(viewer: Viewer) -> bool:
    """Bring the axes of the image back to the screen in 2D; whether others were there.

    A volume of somebody's own brings more axes along, and napari can roll them: the image is a line then, and what is
    drawn or clicked lands at its edge.
    """
    dims = viewer.dims
    own = (dims.ndim - 2, dims.ndim - 1)
    if dims.ndisplay != 2 or set(dims.displayed) == set(own):
        return False
    dims.order = (*(axis for axis in dims.order if axis not in own), *own)
    return True


def fit(viewer: Viewer, image: Image) -> None:
    """Show our image as large as it goes; beside layers of somebody's own in other units it may be a dot."""
    viewer.reset_view()
    low, high = image.extent.world
    lowest, highest = viewer.layers.extent.world[:, -2:]
    if np.allclose((lowest, highest), (low, high)):
        return  # as ever: nothing else is there
    viewer.scene.camera.center = tuple((low + high) / 2)
    viewer.scene.camera.zoom *= float(np.min((highest - lowest) / (high - low)))


def show_scale_bar(viewer: Viewer, placement: Placement) -> None:
    """A bar in mm where the scale is known; where it is not, the dock's badge says so and no bar misleads."""
    viewer.canvas.overlays.scale_bar.visible = placement.unit == "mm"
