"""Several changes to layers, told to napari as one.

Each property that is set makes napari slice the layer, draw its thumbnail and send it to the graphics card anew, and
each that moves or resizes it makes napari compute the extent of all layers and the sliders too: 3 to 30 ms a property.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext

from napari.components import LayerList, ViewerModel
from napari.layers import Layer, Points, Shapes


@contextmanager
def at_once(*layers: Layer) -> Iterator[None]:
    """Hold back what these layers compute and tell, and do it once at the end. GUI thread; may be nested.

    What lies elsewhere then is told to the viewer once, by the first of the layers that has moved: so layers that move
    together are given together. Not told is what only concerns one kind of layer, such as contrast limits.
    """
    places = [_place(layer) for layer in layers]
    chosen = [isinstance(layer, Points | Shapes) and bool(layer.selected_data) for layer in layers]
    with ExitStack() as held:
        for layer in layers:
            held.enter_context(layer.events.blocker_all())
            if not isinstance(layer, Points | Shapes):  # whose properties need the slice of the data set before them
                # napari has no public word for it; where it has no such word at all, this takes longer and is right
                held.enter_context(getattr(layer, "_block_refresh", nullcontext)())
        yield
    for layer, was_chosen in zip(layers, chosen, strict=True):
        layer.refresh(highlight=was_chosen)  # marks of what is chosen are a shader of their own, compiled each time
    moved = [layer for layer, place in zip(layers, places, strict=True) if _place(layer) != place]
    for layer, place in zip(layers, places, strict=True):
        if _place(layer)[-1] != place[-1]:
            layer.events.units()
    if moved:
        moved[0].events.scale()


def take_out(viewer: ViewerModel, layers: Iterable[Layer]) -> None:
    """Take those of the layers that are in the viewer out of it.

    napari clears up behind them all at once, which takes long with torch loaded, and not behind each.
    """
    there = [layer for layer in layers if layer in viewer.layers]
    if not there:
        return
    with getattr(viewer.layers, "batched_update", nullcontext)():  # where napari has no such word, one by one
        for layer in there:
            viewer.layers.remove(layer)


@contextmanager
def without_choosing(layers: LayerList) -> Iterator[None]:
    """Within, a layer that is put in is not made the chosen one: to choose it and then ours again takes 60 ms."""
    word = "_activate_on_insert"  # napari has no public one; where it has not this one either, it chooses as ever
    before = getattr(layers, word, None)
    if before is not None:
        setattr(layers, word, False)
    try:
        yield
    finally:
        if before is not None:
            setattr(layers, word, before)


def slice_hidden(layer: Layer) -> None:
    """Let napari's slice of a hidden layer hold its data: it slices what is seen alone, but reads from all."""
    if not (layer.visible and layer.loaded):
        layer.set_view_slice()


def _place(layer: Layer) -> tuple[object, ...]:
    """Where a layer lies in the world, and in which units; points and shapes lie on the picture, wherever they are."""
    shape = () if isinstance(layer, Points | Shapes) else layer.data.shape
    turned = (layer.rotate.tobytes(), layer.shear.tobytes(), layer.affine.affine_matrix.tobytes())
    return shape, tuple(layer.scale), tuple(layer.translate), turned, tuple(layer.units)
