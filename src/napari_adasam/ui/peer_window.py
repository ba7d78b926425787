"""Drives one SAM plugin's own widget in a real window: first mask of each new image, clicks, freezes, memory.

``python -m napari_adasam.ui.peer_window ORDER`` runs in the plugin's environment, where of this package only
what needs no more than napari is imported. It prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from shutil import copyfile
from time import perf_counter
from typing import Any

import napari
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from qtpy.QtWidgets import QApplication

from napari_adasam.evaluation.memory import resident_mb
from napari_adasam.ui.director import Script, Wait, pause, play
from napari_adasam.ui.pulse import Painting, Pulse

WEIGHTS = ".cache/napari-segment-anything/sam_vit_b_01ec64.pth"
"""Under the home folder: where both plugins look for ViT-B."""
PACKAGES = {
    "micro-sam": "micro_sam.sam_annotator",
    "napari-sam": "napari_sam._widget",
    "napari-segment-anything": "napari_segment_anything._widget",
}
SETTLE_S = 0.5
Pixels = NDArray[np.uint8]


class Driver(ABC):
    """One plugin in one viewer, by what its own buttons and keys call.

    ``begins`` is whether it shows the first image by itself, ``waits`` whether a mask needs a click.
    """

    begins, waits = False, True

    @abstractmethod
    def show(self, number: int) -> None:
        """Go to a new image and ask for its embedding, or whatever the plugin does then."""

    @abstractmethod
    def click(self, y: float, x: float) -> None:
        """A positive point, and its mask."""

    def answered(self) -> bool:
        """Whether what was asked for last is in the layers; where the calls above wait for it, it is."""
        return True


class MicroSam(Driver):
    """micro-sam's annotator of a series of images: its model is loaded once, keys N and S."""

    begins = True

    def __init__(self, viewer: Any, images: list[Pixels], order: dict[str, Any]) -> None:
        self._viewer = viewer
        annotate = import_module(PACKAGES["micro-sam"]).image_series_annotator
        out = str(Path(order["folder"]) / "out")
        settings = {"model_type": "vit_t", "checkpoint_path": order["weights"], "return_viewer": True}
        annotate(images, out, viewer=viewer, **settings)
        self._keys = {str(key).lower(): act for key, act in viewer.keymap.items()}

    def show(self, number: int) -> None:
        """The key N."""
        self._viewer.layers["committed_objects"].data[0, 0] = 1  # or it asks whether to go on without any
        self._keys["n"](self._viewer)  # which takes the points away too

    def click(self, y: float, x: float) -> None:
        """A point, and the key S."""
        self._viewer.layers["point_prompts"].add((y, x))
        self._keys["s"](self._viewer)


class NapariSam(Driver):
    """napari-sam: a button activates the widget for an image, a middle click is a point."""

    def __init__(self, viewer: Any, images: list[Pixels], order: dict[str, Any]) -> None:
        self._viewer, self._images = viewer, images
        _place_weights(order)
        self._widget = import_module(PACKAGES["napari-sam"]).SamWidget(viewer)
        viewer.window.add_dock_widget(self._widget)
        names = [self._widget.cb_model_type.itemText(row) for row in range(self._widget.cb_model_type.count())]
        self._widget.cb_model_type.setCurrentIndex([name.split()[0] for name in names].index("vit_b"))
        self._widget._load_model()

    def show(self, number: int) -> None:
        """The button "Activate"."""
        if self._widget.is_active:
            self._widget._activate()
        self._viewer.layers.clear()
        self._viewer.add_image(self._images[number], name="image")
        self._viewer.add_labels(np.zeros(self._images[number].shape, int), name="labels")
        self._widget._on_layers_changed()
        self._widget._activate()

    def click(self, y: float, x: float) -> None:
        """The middle button of the mouse."""
        self._widget.do_point_click(np.array([int(y), int(x)]), 1)


class NapariSegmentAnything(Driver):
    """napari-segment-anything: it encodes the image that it finds, and answers each new point."""

    def __init__(self, viewer: Any, images: list[Pixels], order: dict[str, Any]) -> None:
        self._viewer, self._images = viewer, images
        _place_weights(order)
        self._widget = import_module(PACKAGES["napari-segment-anything"]).SAMWidget(viewer, "vit_b")
        viewer.window.add_dock_widget(self._widget)

    def show(self, number: int) -> None:
        """Another image in place of the one before, which the plugin takes by itself, as the only one."""
        self._widget._cancel_annot()
        for layer in [one for one in self._viewer.layers if one.name.startswith("image")]:
            self._viewer.layers.remove(layer)
        self._viewer.add_image(self._images[number], name=f"image {number}")
        self._viewer.layers.move(len(self._viewer.layers) - 1, 0)

    def click(self, y: float, x: float) -> None:
        """A point in its layer."""
        self._widget._pts_layer.add((y, x))


class Ours(Driver):
    """Our own window: the first mask of an image comes without a click, if the model was taught the structures."""

    def __init__(self, viewer: Any, images: list[Pixels], order: dict[str, Any]) -> None:
        from napari_adasam.services.torch_start import keep_triton_out

        keep_triton_out()
        from napari_adasam.domain.settings import LearnSettings, ModelSettings, Settings
        from napari_adasam.ui.assembly import make_annotator
        from napari_adasam.ui.dock import AdasamDock

        settings = Settings(model=ModelSettings(name=order["weights"]), learn=LearnSettings(every=0))
        self.waits = order["clicked"]
        self._dock = AdasamDock(viewer, partial(make_annotator, settings=settings))
        viewer.window.add_dock_widget(self._dock, name="AdaSAM ultrasound", area="right")
        self._annotator, self._session = self._dock.annotator, self._dock.annotator.session
        self._annotator.open([Path(path) for path in order["images"]])
        self._frames = [frame.id for frame in self._session.frames]

    def show(self, number: int) -> None:
        """Go to the image; its suggestion is on its way."""
        self._annotator.go_to(self._frames[number])

    def click(self, y: float, x: float) -> None:
        """A point; its outline is on its way."""
        from napari_adasam.domain.prompts import Point

        self._annotator.click(Point(y, x), self._session.structures[0].value)

    def answered(self) -> bool:
        """Whether the lane's answer has come."""
        frame_id = self._session.current
        if frame_id is None or self._session.unanswered(frame_id):
            return False
        return self.waits or bool(self._session.scores(frame_id))


DRIVERS: dict[str, Callable[[Any, list[Pixels], dict[str, Any]], Driver]] = {
    "micro-sam": MicroSam,
    "napari-sam": NapariSam,
    "napari-segment-anything": NapariSegmentAnything,
}


def _place_weights(order: dict[str, Any]) -> None:
    """Lay the checkpoint where the plugin looks for the published file."""
    path = Path.home() / WEIGHTS
    path.parent.mkdir(parents=True, exist_ok=True)
    copyfile(order["weights"], path)


class PeerScript:
    """Goes through the images, the first of them unmeasured. GUI thread."""

    def __init__(self, driver: Driver, images: list[Pixels], order: dict[str, Any]) -> None:
        self.series: dict[str, list[float]] = {}
        self._driver, self._images, self._order = driver, images, order
        self._rng = np.random.default_rng(0)

    def steps(self) -> Script:
        """Each image: its first mask, then clicks."""
        numbers = list(range(1, len(self._images)))
        if not self._driver.begins:
            self._driver.show(0)
        if self._driver.waits:
            self._click(0)
        yield Wait(self._driver.answered, "the model")
        yield pause(SETTLE_S)
        self._painting = Painting()  # not before: the canvas of a window without a layer is hidden
        for number in reversed(numbers) if self._order["backwards"] else numbers:
            yield pause(SETTLE_S)
            yield from self._timed("first_mask", partial(self._first, number))
            for _ in range(self._order["clicks"]):
                yield pause(SETTLE_S)
                yield from self._timed("click", partial(self._click, number))
            self.series.setdefault("memory_mb", []).append(resident_mb())

    def _first(self, number: int) -> None:
        self._driver.show(number)
        if self._driver.waits:
            self._click(number)

    def _click(self, number: int) -> None:
        y, x = self._rng.uniform(0.3, 0.7, 2) * self._images[number].shape
        self._driver.click(float(y), float(x))

    def _timed(self, what: str, act: Callable[[], None]) -> Script:
        """The time to the drawing with the answer, and the longest gap of the event loop until a moment after it."""
        pulse = Pulse()
        pulse.start()
        began = perf_counter()
        act()
        self._painting.watch(self._driver.answered)
        yield Wait(self._painting.done, what)
        yield pause(0.05)
        pulse.stop()
        self.series.setdefault(f"{what}_ms", []).append(1000 * (self._painting.at - began))
        self.series.setdefault(f"freeze_{what}_ms", []).append(max(pulse.gaps))


def main() -> None:
    """Play the order of the command line; what a plugin does when its window goes is its own affair."""
    try:
        found = _played(json.loads(sys.argv[1]))
    except Exception:  # noqa: BLE001 - the last line that is read is to be this one's
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    sys.stdout.write(f"{json.dumps(found)}\n")
    sys.stdout.flush()
    os._exit(0)


def _played(order: dict[str, Any]) -> dict[str, Any]:
    images = [np.asarray(Image.open(path).convert("L")) for path in order["images"]]
    if order["early"]:
        import_module(PACKAGES[order["name"]])
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1366, 768)
    viewer.add_image(images[0])  # as in a napari that is in use: it has drawn before the plugin comes
    viewer.screenshot(flash=False)
    viewer.layers.clear()
    driver = DRIVERS.get(order["name"], Ours)(viewer, images, order)
    QApplication.processEvents()
    script = PeerScript(driver, images, order)
    play(script.steps())
    if order["picture"]:
        viewer.screenshot(order["picture"], canvas_only=False, flash=False)
    versions = {name: metadata.version(name) for name in ("napari", "torch", "numpy", *order["packages"])}
    return {"series": script.series, "versions": versions}


if __name__ == "__main__":
    main()
