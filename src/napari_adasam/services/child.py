"""A Python process of this program's own: runs one of its modules, and takes and gives messages by pipes.

Messages are pickled: both ends are this program, and nobody else can write into the pipes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue

from napari_adasam.services.torch_start import ASLEEP, WAITING

logger = logging.getLogger(__name__)

ROOT = Path(__file__).parents[2]
MODEST = "10"
"""How far behind other processes it stands where two want the same core, as ``nice`` counts; not on Windows."""
PATIENCE = 5.0
"""How long (s) a process that nothing more can be read from may take to end by itself."""
SAID = 2000
"""Characters of its last words that are logged."""


class ChildEndedError(Exception):
    """The process is gone: it has crashed, or the system has ended it. ``code`` is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


class Child:
    """A process with two threads that write and read for it; no method waits for it, but :meth:`end`.

    Parameters
    ----------
    module
        Run as ``python -m module``; it takes messages from stdin and writes them to stdout.
    wake
        Called on a thread of its own whenever there is something to :meth:`take`.
    outbox
        Messages for it, those from before it was started first.
    """

    def __init__(self, module: str, wake: Callable[[], None], outbox: SimpleQueue[object]) -> None:
        self._wake = wake
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._inbox: SimpleQueue[object] = SimpleQueue()
        self._outbox = outbox
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],  # -P: nothing is imported from whatever folder this is started in
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=_environment(),
            creationflags=_flags(),
        )
        for work in (self._write, self._read):
            threading.Thread(target=work, name=f"adasam-child-{work.__name__}", daemon=True).start()

    def take(self) -> object:
        """The next message, ``None`` where there is none yet; raises ChildEndedError where none will come."""
        try:
            message = self._inbox.get_nowait()
        except Empty:
            return None
        if isinstance(message, ChildEndedError):
            raise message
        return message

    def end(self) -> None:
        """End the process, whatever it is doing. Harmless where it has ended."""
        self._process.kill()
        self._outbox.put(self)
        self._process.wait()

    def _write(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        try:
            while (message := self._outbox.get()) is not self:
                pickle.dump(message, pipe, protocol=pickle.HIGHEST_PROTOCOL)
                pipe.flush()
        except OSError:
            logger.debug("the process has ended before it was told everything")
        finally:
            with contextlib.suppress(OSError):  # of what it has not taken
                pipe.close()

    def _read(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        try:
            while True:
                self._inbox.put(pickle.load(pipe))
                self._wake()
        except Exception as error:  # noqa: BLE001 - half a message is a process that has ended, too
            code = self._ended()
            self._log(code, error)
            self._inbox.put(ChildEndedError(code))
            self._wake()
        finally:
            pipe.close()

    def _ended(self) -> int:
        """Its exit code; it is ended where it lives on, as after a message that there is no memory to read."""
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _log(self, code: int, error: Exception) -> None:
        with self._said as said:
            size = said.seek(0, os.SEEK_END)
            said.seek(max(0, size - SAID))
            words = said.read().decode(errors="replace")
        logger.info("a process has ended with code %d (%s): %s", code, type(error).__name__, words)


def _environment() -> dict[str, str]:
    """That of this process; threads sleep while they wait, see ``share_cores`` in :mod:`.torch_start`."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {WAITING: ASLEEP} | os.environ | {"PYTHONPATH": path}


def _flags() -> int:
    """How Windows starts it: behind other programs, and without a console."""
    if sys.platform == "win32":
        return subprocess.BELOW_NORMAL_PRIORITY_CLASS | subprocess.CREATE_NO_WINDOW
    return 0


def stand_back() -> None:
    """In the child: let whatever a person waits for go first on the processor's cores.

    ``NAPARI_ADASAM_NICE`` says how far, in place of :data:`MODEST`: 0 where nobody waits.
    """
    if sys.platform != "win32":
        os.nice(int(os.environ.get("NAPARI_ADASAM_NICE", MODEST)))
