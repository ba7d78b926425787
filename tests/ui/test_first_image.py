"""The first image in a window: what napari needs for it is made before, and its layers come one in a turn."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from napari_adasam.services import sources
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.panels.annotate import COMING

from window_fakes import wait_idle  # isort: skip

STEPS = """
import sys, threading
import pint
from napari_adasam.ui import first_layers
lazy = lambda: isinstance(pint.get_application_registry().get(), pint.LazyRegistry)
done = []
def work():
    steps = first_layers.prepare()
    try:
        while True:
            next(steps)
    except StopIteration as end:
        done.append(end.value)
thread = threading.Thread(target=work)
thread.start()
thread.join()
print("pandas" in sys.modules, lazy())
{between}
done[0]()
print(lazy(), str(pint.Unit("mm")), pint.get_application_registry().get() is {expected})
"""


def outcome(between: str, expected: str) -> list[str]:
    code = STEPS.format(between=between, expected=expected)
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    return ended.stdout.split()


def test_units_are_read_beside_and_put_in_place_where_nobody_has_asked_for_one() -> None:
    """The process's own table of units changes on the thread that calls the end of it, and not before."""
    expected = "pint.Unit('mm')._REGISTRY"
    assert outcome("", expected) == ["True", "True", "False", "millimeter", "True"]


def test_units_that_somebody_uses_already_stay() -> None:
    between = "pint.Unit('s'); theirs = pint.get_application_registry().get()"
    assert outcome(between, "theirs") == ["True", "True", "False", "millimeter", "True"]


def test_the_first_image_comes_with_its_outlines_and_the_rest_follows(
    dock: AdasamDock, images: Path, qtbot: Any
) -> None:
    at_first: list[list[str]] = []
    dock.canvas.frame_shown.connect(lambda _: at_first.append([type(one).__name__ for one in dock.canvas.layers()]))
    dock.open([images])
    qtbot.wait_until(lambda: bool(at_first), timeout=60_000)
    assert at_first[0] == ["Image", "Labels"]
    wait_idle(dock, qtbot)
    kinds = ["Image", "Image", "Image", "Labels", "Shapes", "Points"]
    assert [type(one).__name__ for one in dock.canvas.layers()] == kinds
    assert list(dock.viewer.layers) == dock.canvas.layers()
    assert dock.viewer.layers.selection.active is dock.canvas.masks.layer
    assert dock.canvas.maps.layers[1].data.any(), "the suggestion's map is on the layer that came later"


def test_another_image_meanwhile_has_all_layers_at_once(dock: AdasamDock, images: Path, qtbot: Any) -> None:
    seen: list[bool] = []

    def go_on(_: str) -> None:
        seen.append(dock.canvas.whole)
        if len(seen) == 1:
            dock.annotator.go_to(dock.annotator.session.frames[1].id)

    dock.canvas.frame_shown.connect(go_on)
    dock.open([images])
    qtbot.wait_until(lambda: len(seen) == 2, timeout=60_000)
    assert seen == [False, True]
    wait_idle(dock, qtbot)
    assert list(dock.viewer.layers) == dock.canvas.layers()
    assert len(dock.canvas.layers()) == 6


def test_a_large_file_of_a_reopened_session_is_waited_for_with_a_word(
    make_dock: Callable[..., AdasamDock], images: Path, tmp_path: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_dock()
    first.open([images])
    wait_idle(first, qtbot)
    assert first.annotator.save_as(tmp_path / "session")
    first.shut_down()
    monkeypatch.setattr(sources, "QUICK_BYTES", 0)
    again = make_dock()
    again.open([tmp_path / "session"])
    assert again.annotator.session.current is None
    assert "being opened" in again.hint.text()
    assert again.annotate_panel.reason.text() == COMING
    wait_idle(again, qtbot)
    assert again.canvas.image is not None
    assert "Look at the outlines" in again.hint.text()
