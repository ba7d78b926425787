"""Outcomes cross from the lane's thread to the GUI thread, in order."""

from __future__ import annotations

import threading
import time
from typing import Any

from qtpy.QtCore import QTimer

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


def test_the_window_lives_while_outcomes_come_faster_than_they_are_taken_in(qtbot: Any) -> None:
    bridge, order, beat = Bridge(), [], QTimer()
    beat.timeout.connect(lambda: order.append("beat"))

    def deliver(one: Outcome) -> None:
        time.sleep(0.002)
        order.append("outcome")

    bridge.connect_to(deliver)
    for number in range(30):
        bridge.forward(outcome(number))
    beat.start(0)
    qtbot.wait_until(lambda: order.count("outcome") == 30)
    assert order[: order.index("outcome", order.index("outcome") + 1)].count("beat") >= 1, "between the first two"
    assert order.count("beat") >= 20


def test_an_outcome_whose_delivery_fails_does_not_hold_back_the_next(qtbot: Any) -> None:
    bridge, arrived = Bridge(), []

    def deliver(one: Outcome) -> None:
        arrived.append(one.job_id)
        if one.job_id == 0:
            raise ValueError("expected")

    bridge.connect_to(deliver)
    with qtbot.capture_exceptions() as raised:
        for number in range(3):
            bridge.forward(outcome(number))
        qtbot.wait_until(lambda: arrived == [0, 1, 2])
    assert len(raised) == 1
