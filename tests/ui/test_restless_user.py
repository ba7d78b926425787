"""A restless user: anything in any order, in our dock and in napari, drawn at random from a seed.

Whatever she does, nothing may raise, what is accepted stays as it was accepted, the screen shows what is kept, and the
session opens again with all of it.
"""

from __future__ import annotations

import random
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from qtpy.QtWidgets import QApplication

from napari_adasam.domain.prompts import Point
from napari_adasam.domain.records import FrameStatus
from napari_adasam.files.store import Store
from napari_adasam.ui.commands import COMMANDS
from napari_adasam.ui.dock import AdasamDock

from real_mouse import RealMouse  # isort: skip
from window_fakes import CountingTrainer, brush, picture, wait_idle  # isort: skip

STEPS, PAUSE = 70, 35
NAMES = [one.name for one in COMMANDS if one.name != "help"]
MODES = ("paint", "erase", "fill", "pick", "pan_zoom", "polygon")


class RestlessUser:
    """What she does; each ``do_…`` is one thing, drawn as often as ``OFTEN`` says, otherwise once."""

    OFTEN = {"command": 4, "brush": 3, "mouse": 4, "accept": 2, "rest": 2}  # noqa: RUF012 - a constant

    def __init__(self, dock: AdasamDock, qtbot: Any, seed: int, folder: Path) -> None:
        self.dock, self.viewer, self.qtbot, self.folder = dock, dock.viewer, qtbot, folder
        self.annotator, self.session = dock.annotator, dock.annotator.session
        self.rng, self.mouse = random.Random(seed), RealMouse(dock)
        self.done: list[str] = []
        self.accepted: dict[str, Any] = {}
        names = [name.removeprefix("do_") for name in dir(self) if name.startswith("do_")]
        self._names = [name for name in names for _ in range(self.OFTEN.get(name, 1))]

    def act(self) -> None:
        """One thing at random, and a look at what is accepted."""
        name = self.rng.choice(self._names)
        self.done.append(name)
        getattr(self, f"do_{name}")()
        QApplication.processEvents()
        session = self.session
        closed = [one.id for one in session.frames if session.status(one.id) is FrameStatus.ACCEPTED]
        now = {frame_id: np.array(session.annotations[frame_id].labels) for frame_id in closed}
        if name not in ("accept", "command"):  # which may open a frame again, and accept it as it is then
            for frame_id in now.keys() & self.accepted.keys():
                np.testing.assert_array_equal(now[frame_id], self.accepted[frame_id])
        self.accepted = now

    def settle(self) -> None:
        """Wait; the screen then shows what is kept."""
        for _ in range(2):
            wait_idle(self.dock, self.qtbot)
            self.qtbot.wait(150)
        canvas = self.dock.canvas
        assert all(layer in self.viewer.layers for layer in canvas.layers())
        if canvas.frame is not None and canvas.masks.layer is not None and not canvas.masks.stroke_open:
            assert canvas.frame.id == self.session.current
            np.testing.assert_array_equal(canvas.masks.layer.data, self.session.labels(canvas.frame.id))

    def pixel(self) -> tuple[float, float]:
        """Somewhere on the picture, or just beside it."""
        return self.rng.uniform(-5, 65), self.rng.uniform(-5, 85)

    def layer(self) -> Any:
        """One of all layers; they are never all gone for long."""
        return self.rng.choice(list(self.viewer.layers))

    def do_command(self) -> None:
        self.dock.commander.run(self.rng.choice(NAMES))

    def do_accept(self) -> None:
        self.dock.commander.run("accept")

    def do_click(self) -> None:
        point = Point(self.rng.uniform(0, 49), self.rng.uniform(0, 79), self.rng.random() < 0.7)
        self.annotator.click(point, self.rng.choice((1, 2, 3)))

    def do_brush(self) -> None:
        layer = self.dock.canvas.masks.layer
        if layer is not None and layer in self.viewer.layers and layer.visible and self.viewer.dims.ndisplay == 2:
            brush(layer, (self.rng.randrange(50), self.rng.randrange(80)), self.rng.choice((0, 1, 2, 3, 7)))

    def do_mouse(self) -> None:
        if self.dock.canvas.image is not None and self.viewer.dims.ndisplay == 2:
            self.mouse.drag([self.pixel() for _ in range(self.rng.randrange(1, 5))])

    def do_mode(self) -> None:
        if self.dock.canvas.masks.layer is not None:
            self.dock.canvas.masks.layer.mode = self.rng.choice(MODES)

    def do_label(self) -> None:
        if self.dock.canvas.masks.layer is not None:
            self.dock.canvas.masks.layer.selected_label = self.rng.choice((0, 1, 2, 3, 9))

    def do_delete_layer(self) -> None:
        if self.viewer.layers:
            self.viewer.layers.remove(self.layer())

    def do_delete_all_layers(self) -> None:
        if self.rng.random() < 0.3:
            self.viewer.layers.clear()

    def do_own_layer(self) -> None:
        make = self.rng.choice(("add_image", "add_labels", "add_points", "add_shapes"))
        data = {"add_image": np.zeros((3, 40, 50)), "add_labels": np.zeros((60, 80), int)}
        getattr(self.viewer, make)(data.get(make, [[1.0, 2.0], [30.0, 40.0]]))

    def do_hide(self) -> None:
        if self.viewer.layers:
            layer = self.layer()
            layer.visible = not layer.visible

    def do_rename(self) -> None:
        if self.viewer.layers:
            self.layer().name = "renamed"

    def do_select(self) -> None:
        if self.viewer.layers:
            self.viewer.layers.selection.active = self.layer()

    def do_order_of_layers(self) -> None:
        if len(self.viewer.layers) > 1:
            self.viewer.layers.move(self.rng.randrange(len(self.viewer.layers)), 0)

    def do_3d(self) -> None:
        self.viewer.dims.ndisplay = self.rng.choice((2, 3))

    def do_slider(self) -> None:
        self.viewer.dims.set_current_step(0, self.rng.randrange(4))

    def do_own_prompt(self) -> None:
        points = self.dock.canvas.prompts.points
        if points is not None:
            points.add([[10.0, 10.0]])

    def do_delete_prompts(self) -> None:
        for layer in self.dock.canvas.prompts.layers():
            layer.selected_data = set(range(len(layer.data)))
            layer.remove_selected()

    def do_tick(self) -> None:
        self.annotator.tick(self.rng.choice((1, 2)), self.rng.choice((True, False, None)))

    def do_jump(self) -> None:
        self.annotator.go_to(self.rng.choice(self.session.frames).id)

    def do_structures(self) -> None:
        if self.rng.random() < 0.5:
            self.dock.structures_panel.add.click()
        elif len(self.session.structures) > 1:
            self.dock.structures_panel._remove(self.session.structures[-1].value)

    def do_order(self) -> None:
        self.annotator.set_order(self.rng.choice(("file", "random", "active")), 3)

    def do_learn(self) -> None:
        self.dock.learn_panel.start.click()

    def do_stop(self) -> None:
        self.dock.status_line.stop.click()

    def do_open(self) -> None:
        more = self.folder / "more"
        more.mkdir(exist_ok=True)
        number = len(list(more.iterdir()))
        Image.fromarray(picture(70, 90, shift=number % 9)).save(more / f"more_{number}.png")
        (more / "broken.png").write_bytes(b"no picture")
        self.dock.open([more])

    def do_export(self) -> None:
        self.dock.export_panel.folder.setText(str(self.folder / "out"))
        self.dock.export_panel.export.click()

    def do_rest(self) -> None:
        self.qtbot.wait(self.rng.randrange(100))


@pytest.fixture
def kept(
    make_dock: Callable[..., AdasamDock], images: Path, tmp_path: Path, qtbot: Any, trainer: CountingTrainer
) -> AdasamDock:
    """A dock with images of two sizes and a stack, in a session that is kept in ``session``."""
    stack = np.stack([picture(shift=number) for number in range(5)])
    tifffile.imwrite(images / "stack.tif", stack, imagej=True, metadata={"axes": "TYX"})
    Image.fromarray(picture(50, 90)).save(images / "wide.png")
    dock = make_dock(show=True)
    dock.open([images])
    wait_idle(dock, qtbot)
    dock.annotator.save_as(tmp_path / "session")
    trainer.seconds = 0.02
    return dock


@pytest.fixture
def raised(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was raised where Qt called us, which nobody else would hear of."""
    found: list[str] = []
    monkeypatch.setattr(sys, "excepthook", lambda *told: found.append("".join(traceback.format_exception(*told))))
    return found


@pytest.mark.parametrize("seed", [5])
def test_nothing_she_does_raises_or_changes_what_is_accepted(
    kept: AdasamDock, raised: list[str], tmp_path: Path, qtbot: Any, seed: int
) -> None:
    user = RestlessUser(kept, qtbot, seed, tmp_path)
    for step in range(STEPS):
        user.act()
        if step % PAUSE == PAUSE - 1:
            user.settle()
        assert not raised, (user.done[-10:], raised[0])
    assert user.accepted
    kept.shut_down()
    store = Store.open(tmp_path / "session")
    try:
        record = store.load()
        assert not record.problems
        for frame_id, labels in user.accepted.items():
            assert record.statuses[frame_id] is FrameStatus.ACCEPTED
            np.testing.assert_array_equal(np.asarray(record.annotations[frame_id].labels), labels)
    finally:
        store.close()
