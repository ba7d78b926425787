"""The meter of the event loop's gaps sees a window that does not answer."""

from __future__ import annotations

import time
from typing import Any

from qtpy.QtCore import QTimer

from napari_adasam.ui.pulse import Pulse


def test_a_frozen_window_is_a_gap_and_a_living_one_is_not(qtbot: Any) -> None:
    pulse = Pulse()
    pulse.start()
    qtbot.wait(200)
    calm = pulse.stop()
    pulse.start()
    QTimer.singleShot(50, lambda: time.sleep(0.4))
    qtbot.wait(600)
    frozen = pulse.stop()
    assert calm is not None
    assert frozen is not None
    assert calm.p50 < 50
    assert frozen.max >= 390
    assert calm.n > 5


def test_what_the_script_itself_holds_up_is_left_out(qtbot: Any) -> None:
    pulse = Pulse()
    pulse.start()
    QTimer.singleShot(50, lambda: (time.sleep(0.4), pulse.skip()))
    qtbot.wait(600)
    rest = pulse.stop()
    assert rest is not None
    assert rest.max < 390
