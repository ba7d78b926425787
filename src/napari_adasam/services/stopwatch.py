"""How fast this computer does the parts of a round: measured whenever they are done, and kept for the next sitting."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

from napari_adasam.domain.effort import ModelSize, Speeds
from napari_adasam.domain.errors import StorageError
from napari_adasam.files.atomic import make_folder, write_whole
from napari_adasam.services.lane import held_seconds

logger = logging.getLogger(__name__)

Part = Literal["encode", "labelled", "unlabelled", "measured"]
WEIGHT = 0.2
"""How much a new time counts beside those before it."""


class Stopwatch:
    """Times parts on the lane's thread; ``speeds`` and ``size`` may be read on any: they are replaced whole.

    Parameters
    ----------
    path
        A JSON file of speeds by computer's device and model, kept between sittings; ``None`` for nowhere.
    clock
        Monotonic seconds.
    """

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.path, self._clock = path, clock
        self._key = ""
        self._times: dict[str, float] = {}
        self._inner = 0.0
        self.speeds: Speeds | None = None
        self.size: ModelSize | None = None

    def begin(self, key: str, size: ModelSize) -> None:
        """Time this model from now on; what an earlier sitting has measured is taken up."""
        self._key, self.size = key, size
        self._times = {name: float(value) for name, value in self._kept().get(key, {}).items()}
        self._renew()

    @property
    def times(self) -> Mapping[str, float]:
        """Seconds by part, as they were timed so far."""
        return dict(self._times)

    def learn(self, times: Mapping[str, float]) -> None:
        """Take over times of a round's own parts that were taken in another process."""
        self._times |= {part: seconds for part, seconds in times.items() if part != "encode"}
        self._renew()

    def note_view(self, size: int) -> None:
        """A view takes so many bytes where it is kept."""
        if self.size is not None and self.size.view != size:
            self.size = replace(self.size, view=size)

    @contextmanager
    def timing(self, part: Part, slices: int = 1) -> Iterator[None]:
        """Time what is done in the block, without the other parts in it and without pauses. Failures do not count.

        The time of a step that looks at ``slices`` together is kept as that of one.
        """
        outer, self._inner = self._inner, 0.0
        began = self._now()
        try:
            yield
            taken = self._now() - began
            own = (taken - self._inner) / slices
            before = self._times.get(part, own)
            self._times[part] = before + WEIGHT * (own - before)
            self._renew()
        finally:
            self._inner = outer + self._now() - began

    def keep(self) -> None:
        """Write what was measured, for the next sitting; what the disk does not take is logged, and not kept."""
        if self.path is None or not self._times:
            return
        try:
            make_folder(self.path.parent)
            write_whole(self.path, json.dumps(self._kept() | {self._key: self._times}).encode())
        except StorageError as error:
            logger.warning("this computer's speed is not kept for the next time: %s", error)

    def _now(self) -> float:
        return self._clock() - held_seconds()

    def _renew(self) -> None:
        if "encode" in self._times or "labelled" in self._times:
            encode = self._times.get("encode") or self._times["labelled"] / Speeds.guessed(1.0).labelled
            self.speeds = Speeds(**{**asdict(Speeds.guessed(encode)), **self._times})

    def _kept(self) -> dict[str, dict[str, float]]:
        """What the file holds; nothing where there is none, or it is damaged."""
        if self.path is None:
            return {}
        try:
            found = json.loads(self.path.read_bytes())
            return {
                str(key): {name: float(row[name]) for name in asdict(Speeds.guessed(1)) if name in row}
                for key, row in found.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}
