"""Scripts in a living window: a generator of waits, taken further by a timer of the window's own event loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from qtpy.QtCore import QEventLoop, QTimer

from napari_adasam.domain.errors import AdasamError

TICK_MS = 15
PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Go on when ``ready``; ``what`` is said if it takes longer than is sane."""

    ready: Callable[[], bool]
    what: str


Script = Iterator[Wait]
Connect = Callable[[Callable[[], None]], object]


def pause(seconds: float) -> Wait:
    """Go on after so many seconds."""
    end = time.monotonic() + seconds
    return Wait(lambda: time.monotonic() >= end, "a moment")


class Director:
    """Takes a script further from the event loop's timer, until it ends or fails.

    Parameters
    ----------
    last_sign
        When (monotonic seconds) there was last a sign that work goes on; long silence ends the script.
    """

    def __init__(
        self, script: Script, on_end: Callable[[], None], last_sign: Callable[[], float] = lambda: 0.0
    ) -> None:
        self.error: BaseException | None = None
        self.ended = False
        self._script = script
        self._on_end = on_end
        self._last_sign = last_sign
        self._wait = Wait(lambda: True, "")
        self._since = time.monotonic()
        self.timer = QTimer()
        self.timer.setInterval(TICK_MS)
        self.timer.timeout.connect(self._tick)

    def _tick(self) -> None:
        try:
            if self._wait.ready():
                self._wait, self._since = next(self._script), time.monotonic()
            elif time.monotonic() - max(self._since, self._last_sign()) > PATIENCE_S:
                raise AdasamError(
                    f"Nothing has happened for {PATIENCE_S:.0f} s while {self._wait.what} was waited for. This ends."
                )
        except StopIteration:
            self._end()
        except Exception as error:  # noqa: BLE001 - Qt would swallow it; whoever plays it raises it again
            self.error = error
            self._end()

    def _end(self) -> None:
        self.timer.stop()
        self.ended = True
        self._on_end()


def play(script: Script, last_sign: Callable[[], float] = lambda: 0.0, gone: Connect | None = None) -> None:
    """Let the windows of this process live until a script has ended; raises what it raised.

    ``gone`` is given what to call if its window is closed before: that is an AdasamError.
    """
    loop = QEventLoop()
    director = Director(script, loop.quit, last_sign)
    if gone is not None:
        gone(loop.quit)
    director.timer.start()
    loop.exec()
    director.timer.stop()
    if director.error is not None:
        raise director.error
    if not director.ended:
        raise AdasamError("The window was closed before everything was measured. Nothing was written. Start it again.")
