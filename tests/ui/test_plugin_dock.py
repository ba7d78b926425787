"""The dock as napari itself opens, moves and closes it."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import QCoreApplication, QEvent, Qt

from napari_adasam.domain.session import Session
from napari_adasam.domain.settings import LearnSettings, Settings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.services.annotator import Annotator
from napari_adasam.services.lane import Outcome
from napari_adasam.ui import dock as dock_module
from napari_adasam.ui.dock import AdasamDock

from window_fakes import BrightnessPredictor, CountingTrainer, brush, wait_idle  # isort: skip

Add = Callable[[], tuple[Any, AdasamDock]]


@pytest.fixture
def viewer(
    make_napari_viewer: Callable[..., Any],
    predictor: BrightnessPredictor,
    trainer: CountingTrainer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """A viewer whose docks, made by napari, work on fakes and are kept in a folder of the test's."""

    def make_annotator(forward: Callable[[Outcome], None]) -> Annotator:
        settings = Settings(learn=LearnSettings(every=0))
        made = Annotator(Session(MUSCLE_PRESET), lambda: predictor, lambda _: trainer, settings, forward=forward)
        made.keep_by_itself(tmp_path / "home")
        return made

    monkeypatch.setattr(dock_module, "make_kept_annotator", make_annotator)
    return make_napari_viewer(show=True)


@pytest.fixture
def add(viewer: Any) -> Add:
    return lambda: viewer.window.add_plugin_dock_widget("napari-adasam")


def close(dock: Any, qtbot: Any) -> None:
    """Press napari's own "x", and let go of what it has let go of."""
    dock.title.close_button.click()
    qtbot.wait(50)
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def lanes() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "adasam-lane"]


def test_napari_opens_the_dock_by_the_plugins_name(add: Add, images: Path, qtbot: Any) -> None:
    _, dock = add()
    dock.open([images])
    wait_idle(dock, qtbot)
    assert all(layer.keymap for layer in dock.viewer.layers)
    assert set(dock.keys._bound) == {dock.viewer, *dock.viewer.layers}
    assert dock.open_panel.take.isHidden(), "our own layers are nothing to take in"
    brush(dock.canvas.masks.layer, (50, 10))
    assert dock.annotator.session.labels(dock.annotator.session.current)[50, 10] == 1
    dock.commander.run("accept")
    wait_idle(dock, qtbot)
    assert len(dock.annotator.session.annotations) == 1
    dock.shut_down()


def test_the_plugins_menu_opens_the_dock(viewer: Any, qtbot: Any) -> None:
    menu = viewer.window.plugins_menu
    menu.aboutToShow.emit()
    [action] = [one for one in menu.actions() if one.text().startswith("AdaSAM ultrasound")]
    action.trigger()
    [dock] = viewer.window.dock_widgets.values()
    assert isinstance(dock, AdasamDock)
    qtbot.wait_until(dock.isVisible)
    dock.shut_down()


def test_the_x_of_napari_ends_the_session_and_leaves_nothing(viewer: Any, add: Add, images: Path, qtbot: Any) -> None:
    calls, keys = list(viewer.mouse_drag_callbacks), dict(viewer.keymap)
    frame, dock = add()
    dock.open([images])
    wait_idle(dock, qtbot)
    parts = [weakref.ref(one) for one in (dock, dock.annotator, dock.canvas)]
    del dock
    close(frame, qtbot)
    del frame  # with PyQt a name for napari's widget keeps what it framed
    assert lanes() == []
    assert list(viewer.layers) == []
    assert (list(viewer.mouse_drag_callbacks), dict(viewer.keymap)) == (calls, keys)

    def gone() -> bool:
        gc.collect()
        return [part() for part in parts] == [None, None, None]

    qtbot.wait_until(gone)  # with PyQt what a signal is connected to goes some events later


def test_opened_again_the_earlier_work_is_there_once(viewer: Any, add: Add, images: Path, qtbot: Any) -> None:
    frame, dock = add()
    dock.open([images])
    wait_idle(dock, qtbot)
    dock.commander.run("accept")
    wait_idle(dock, qtbot)
    close(frame, qtbot)
    _, again = add()
    assert again is not dock
    again.open([images])
    wait_idle(again, qtbot)
    assert again.annotator.only_to_look_at == ""
    assert len(again.annotator.session.annotations) == 1
    assert list(viewer.layers) == again.canvas.layers()
    again.shut_down()


def test_floating_moving_and_hiding_close_nothing(viewer: Any, add: Add, images: Path, qtbot: Any) -> None:
    frame, dock = add()
    dock.open([images])
    wait_idle(dock, qtbot)
    frame.setFloating(True)
    qtbot.wait(20)
    frame.setFloating(False)
    frame.parent().addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, frame)
    qtbot.wait(20)
    frame.title.hide_button.click()
    qtbot.wait(20)
    frame.show()
    dock.setParent(None)  # as somebody who puts it elsewhere may do
    viewer.window.add_dock_widget(dock, name="elsewhere")
    qtbot.wait(20)
    assert list(viewer.layers) == dock.canvas.layers()
    dock.commander.run("accept")
    wait_idle(dock, qtbot)
    assert len(dock.annotator.session.annotations) == 1
    dock.shut_down()


WINDOW_GOES = """
import sys, threading, warnings
warnings.simplefilter("ignore")
from pathlib import Path
import napari
from napari_adasam.domain.session import Session
from napari_adasam.services.annotator import Annotator
from napari_adasam.ui.app import open_window
from napari_adasam.ui.director import Director, Wait, pause
from window_fakes import BrightnessPredictor, CountingTrainer

fake = BrightnessPredictor()
make = lambda forward: Annotator(Session(), lambda: fake, lambda _: CountingTrainer(fake), forward=forward)
viewer, dock = open_window([Path(sys.argv[1])], make)

def script():
    yield Wait(lambda: dock.canvas.whole and not dock.annotator.busy and len(viewer.layers) == 6, "the layers")
    dock.window().close()
    yield pause(60)

director = Director(script(), print)
director.timer.start()
napari.run()
dock.shut_down()
print([thread.name for thread in threading.enumerate()], file=sys.stdout)
"""


def test_a_window_that_is_closed_ends_the_session_without_a_word(images: Path) -> None:
    """napari cannot draw any more what changes in its layers."""
    done = subprocess.run(
        [sys.executable, "-c", WINDOW_GOES, str(images)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        check=False,
    )
    assert done.stdout.strip() == "['MainThread']", done.stderr
    assert "Traceback" not in done.stderr
