"""Outcomes cross from the lane's thread to the GUI thread, in order."""

from __future__ import annotations

import threading
from typing import Any

from napari_adasam.services.lane import JobKind, Outcome
from napari_adasam.ui.bridge import Bridge


def outcome(number: int) -> Outcome:
    return Outcome(number, JobKind.SUGGEST, "frame", 0, "progress")


def test_outcomes_arrive_on_the_gui_thread_in_order(qtbot: Any) -> None:
    bridge, arrived = Bridge(), []

    def deliver(one: Outcome) -> None:
        arrived.append((one.job_id, threading.current_thread() is threading.main_thread()))

    def send() -> None:
        for number in range(50):
            bridge.forward(outcome(number))

    bridge.connect_to(deliver)
    thread = threading.Thread(target=send)
    thread.start()
    thread.join()
    assert arrived == []
    qtbot.wait_until(lambda: len(arrived) == 50)
    assert arrived == [(number, True) for number in range(50)]


def test_a_closed_bridge_drops_what_is_on_its_way(qtbot: Any) -> None:
    bridge, arrived = Bridge(), []
    bridge.connect_to(arrived.append)
    bridge.forward(outcome(1))
    bridge.close()
    qtbot.wait(20)
    assert arrived == []
