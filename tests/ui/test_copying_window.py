"""*Keep session in…* in the window: it goes on meanwhile, says how far it is, and can be stopped."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtWidgets import QFileDialog

from napari_adasam.files import masks
from napari_adasam.files.store import Store, is_session
from napari_adasam.services.copying import STOPPED
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.pulse import Pulse

from window_fakes import brush, wait_idle  # isort: skip

SLOW_S = 0.4


@pytest.fixture
def slow(opened: AdasamDock, tmp_path: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> AdasamDock:
    """Four images accepted with outlines of their own, to be kept on a disk that takes 0.4 s a mask."""
    for row in range(4):
        layer = opened.canvas.masks.layer
        assert layer is not None
        brush(layer, (50, 10 + 10 * row))
        opened.commander.run("accept")
        wait_idle(opened, qtbot)
    write = masks._write

    def slowly(*given: Any) -> None:
        time.sleep(SLOW_S)
        write(*given)

    monkeypatch.setattr(masks, "_write", slowly)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_given: str(tmp_path / "study"))
    return opened


def test_the_window_lives_while_a_session_is_copied(slow: AdasamDock, tmp_path: Path, qtbot: Any) -> None:
    panel, line, pulse = slow.open_panel, slow.status_line, Pulse()
    qtbot.wait(300)
    pulse.start()
    panel.save.click()
    assert line.text.text().startswith("Copying the session to study")
    assert not panel.save.isEnabled()
    assert "is being copied" in panel.save.toolTip()
    assert line.stop.isEnabled()
    qtbot.wait_until(lambda: line.bar.maximum() == 4 and line.bar.value() > 1, timeout=10_000)
    qtbot.wait_until(lambda: slow.annotator.folder == tmp_path / "study", timeout=10_000)
    gaps = pulse.stop()
    assert gaps is not None
    assert gaps.max < 1000 * SLOW_S, "four masks take four times as long"
    wait_idle(slow, qtbot)
    assert panel.kept.text() == "Kept in study"
    assert panel.save.isEnabled()
    assert len(Store.read(tmp_path / "study").annotations) == 4


def test_a_copy_is_stopped_with_the_button(slow: AdasamDock, tmp_path: Path, qtbot: Any) -> None:
    slow.open_panel.save.click()
    qtbot.wait_until(lambda: slow.status_line.bar.value() > 1, timeout=10_000)
    slow.status_line.stop.click()
    wait_idle(slow, qtbot)
    assert slow.status_line.notice.text() == STOPPED
    assert slow.annotator.folder is None
    assert not is_session(tmp_path / "study")
    assert slow.open_panel.save.isEnabled()
