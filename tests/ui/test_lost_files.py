"""A stick is pulled out in the middle of the work: what is on the screen can still be worked on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_adasam.domain.calibration import Ruler
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import FrameStatus
from napari_adasam.ui.dock import AdasamDock

from window_fakes import picture, wait_idle  # isort: skip


def unplug(images: Path) -> Path:
    return images.rename(images.with_name("pulled out"))


def test_the_picture_on_the_screen_can_still_be_worked_on(opened: AdasamDock, images: Path, qtbot: Any) -> None:
    session, beside = opened.annotator.session, opened.annotate_panel.review.beside
    first = session.current
    assert first is not None
    unplug(images)
    opened.annotator.set_scale(Ruler((10.0, 10.0), (10.0, 50.0), 10.0))
    assert opened.canvas.image is not None
    assert tuple(opened.canvas.image.scale) == (0.25, 0.25)
    beside.setCurrentIndex(1)
    beside.activated.emit(1)
    assert len(opened.canvas.beside.layers) == 2
    opened.commander.run("accept")
    wait_idle(opened, qtbot)
    assert session.status(first) is FrameStatus.ACCEPTED


def test_a_scale_is_set_on_the_picture_that_is_shown_though_its_file_was_changed(
    opened: AdasamDock, images: Path, qtbot: Any
) -> None:
    canvas, card = opened.canvas, opened.annotate_panel.frame_card
    assert canvas.image is not None
    before = canvas.image.data
    Image.fromarray(np.flipud(picture())).save(images / "scan_0.png")
    assert opened.annotator.set_scale(Ruler((10.0, 10.0), (10.0, 50.0), 10.0))
    assert canvas.image.data is before
    for layer in canvas.layers():
        assert tuple(layer.scale) == (0.25, 0.25)
    assert opened.viewer.canvas.overlays.scale_bar.visible
    qtbot.wait_until(lambda: "0.25" in card.scale.text())
    assert "0.25" in opened.scale_panel.scale.text()
    assert opened.status_line.notice.text().startswith("scan_0.png is another file than when the session was made")


def test_another_picture_cannot_be_gone_to_and_a_sentence_says_so(opened: AdasamDock, images: Path, qtbot: Any) -> None:
    session = opened.annotator.session
    first, last = session.current, session.frames[-1].id
    unplug(images)
    opened.annotator.go_to(last)
    wait_idle(opened, qtbot)
    assert session.current == first
    assert opened.status_line.notice.text().startswith("scan_3.png ")


def test_a_file_that_was_changed_is_read_anew(opened: AdasamDock, images: Path) -> None:
    first = opened.annotator.session.current
    assert first is not None
    before = opened.annotator.pixels(first)
    away = unplug(images)
    assert opened.annotator.pixels(first) is before
    away.rename(images)
    assert opened.annotator.pixels(first) is before
    Image.fromarray(np.flipud(picture())).save(images / "scan_0.png")
    with pytest.raises(InputError, match="another file"):
        opened.annotator.pixels(first)
