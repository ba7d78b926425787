"""Propagation in a window: one button for clips, where outlines came from, and how sure they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.utils.key_bindings import KeymapHandler
from window_fakes import picture, wait_idle

from napari_adasam.ui.dock import AdasamDock


@pytest.fixture
def clip(dock: AdasamDock, tmp_path: Path, qtbot: Any) -> AdasamDock:
    """A clip of five frames, open."""
    frames = np.stack([picture(shift=number) for number in range(5)])
    tifffile.imwrite(tmp_path / "cine.tif", frames, photometric="minisblack")
    dock.open([tmp_path / "cine.tif"])
    wait_idle(dock, qtbot)
    return dock


def test_the_button_takes_outlines_through_the_clip_and_the_card_says_so(clip: AdasamDock, qtbot: Any) -> None:
    panel, session = clip.annotate_panel, clip.annotator.session
    button, card = panel.buttons["propagate"], panel.frame_card
    assert button.isVisibleTo(panel)
    assert not button.isEnabled()
    assert "Accept an image of this clip first" in button.toolTip()
    clip.commander.run("accept")
    wait_idle(clip, qtbot)
    assert button.isEnabled()
    lines: list[str] = []
    clip.annotator.activity_changed.connect(lambda activity: lines.append(activity.text))
    button.click()
    wait_idle(clip, qtbot)
    assert any(line.startswith("Taking outlines through the clip: 2 of 4") for line in lines)
    assert card.source.text() == "Propagated from cine_0000, 93% sure"
    assert card.source.isVisibleTo(card)
    assert button.isEnabled(), "the job has ended"
    assert panel.structures.presence[1].text() == "propagated"
    assert [session.propagated(frame.id) is not None for frame in session.frames] == [False, True, True, True, True]
    clip.commander.run("accept")
    clip.commander.run("back")
    wait_idle(clip, qtbot)
    assert not card.source.isVisibleTo(card)


def test_the_rest_of_a_clip_is_skipped_by_button_or_key_and_undone_at_once(clip: AdasamDock, qtbot: Any) -> None:
    panel, session = clip.annotate_panel, clip.annotator.session
    button = panel.buttons["skip_file"]
    assert button.isVisibleTo(panel)
    clip.commander.run("accept")
    wait_idle(clip, qtbot)
    handler = KeymapHandler()
    handler.keymap_providers = [clip.viewer]
    handler.press_key("Y")
    wait_idle(clip, qtbot)
    assert [session.status(frame.id).value for frame in session.frames] == ["accepted", *["skipped"] * 4]
    assert not button.isEnabled()
    assert "accepted or skipped already" in button.toolTip()
    clip.commander.run("undo")
    wait_idle(clip, qtbot)
    assert [session.status(frame.id).value for frame in session.frames].count("skipped") == 0
    button.click()
    assert [session.status(frame.id).value for frame in session.frames].count("skipped") == 4


def test_there_is_no_button_for_single_images(opened: AdasamDock, make_dock: Callable[..., AdasamDock]) -> None:
    panel = opened.annotate_panel
    assert not panel.buttons["propagate"].isVisibleTo(panel)
    assert not panel.buttons["skip_file"].isVisibleTo(panel)
    assert not panel.frame_card.source.isVisibleTo(panel.frame_card)
