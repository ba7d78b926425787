"""What ``benchmark`` measures, and its figures: everything of it that needs no window."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_adasam.domain.errors import AdasamError, InputError
from napari_adasam.domain.settings import ModelSettings
from napari_adasam.evaluation.times import Times
from napari_adasam.files import phantom
from napari_adasam.files.exports import software_versions
from napari_adasam.files.readers import open_paths

MOBILE_SAM_SIZE = 1024
COLD_START = "napari_adasam.ui.cold_start"
COLD_START_LIMIT_S = 300

OnProgress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class SpeedPlan:
    """How much is measured.

    Parameters
    ----------
    images
        A folder of images; ``None`` draws some.
    model
        A registry name or a path.
    frames
        So many images at most.
    accepted
        Images that the rounds learn from.
    clicks
        While nothing else is under way.
    watch_s
        Seconds for which the gaps of the event loop are noted at a time.
    steps
        Optimiser steps of a round; ``None`` for the default.
    rounds
        Rounds that are clicked in and moved about in, after one that is left alone.
    cancels, cold_starts, encodings
        How often each of these is done.
    lane_steps
        Training steps at each place where training can be.
    peer_images
        Images that each program is measured on, after one that is not.
    """

    images: Path | None = None
    model: str = ModelSettings().name
    frames: int = 24
    accepted: int = 8
    clicks: int = 40
    watch_s: float = 15.0
    steps: int | None = None
    rounds: int = 1
    cancels: int = 3
    cold_starts: int = 3
    encodings: int = 8
    lane_steps: int = 50
    peer_images: int = 20

    def quick(self) -> SpeedPlan:
        """The same in seconds: enough to see that everything is measured, too little for figures."""
        less = replace(self, frames=6, accepted=2, clicks=3, watch_s=0.5, steps=8)
        return replace(less, cancels=1, cold_starts=1, encodings=2, lane_steps=3, peer_images=2)


@dataclass(slots=True)
class Figures:
    """Series of measured values by what they are of, in ms unless the name says otherwise."""

    series: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, what: str, *values: float) -> None:
        """Note values of a row."""
        self.series[what].extend(values)

    def rows(self) -> list[dict[str, Any]]:
        """One row a series, in the order in which they came; ratios have three digits."""
        found = ((what, Times.of(values, 1 if what.endswith(UNITS) else 3)) for what, values in self.series.items())
        return [{"what": what, **asdict(times)} for what, times in found if times is not None]


UNITS = ("_ms", "_s", "_mb")


def image_paths(plan: SpeedPlan, folder: Path) -> list[Path]:
    """The images of a plan; drawn into ``folder`` where it names none. InputError where there are too few."""
    if plan.images is None:
        phantom.write_samples(folder, plan.frames, seed=1)
        return sorted((folder / "images").iterdir())
    scans = plan.images / "images" if (plan.images / "images").is_dir() else plan.images
    paths = sorted(path for path in scans.iterdir() if path.is_file()) if scans.is_dir() else []
    if len(paths) <= plan.accepted:
        raise InputError(
            f"There are {len(paths)} images in {scans}, and more than {plan.accepted} are needed. Nothing was measured."
        )
    return paths[: plan.frames]


def encodings(plan: SpeedPlan, paths: Sequence[Path]) -> dict[str, list[float]]:
    """Encoding a picture in ms, and how many times as long the same network takes at MobileSAM's size; by turns."""
    from napari_adasam.services.predictor import ModelPredictor

    pictures = [clip.grey(0) for clip in open_paths(paths[: plan.encodings]).clips]
    predictors = [
        ModelPredictor(ModelSettings(name=plan.model, input_size=size, use_sector=False))
        for size in (None, MOBILE_SAM_SIZE)
    ]
    found: dict[str, list[float]] = {"encode_ms": [], "encode_1024_ms": [], "encode_ratio": []}
    for number in range(-1, plan.encodings):
        took = []
        for predictor in predictors:
            _ = predictor.net
            began = time.perf_counter()
            predictor.embedding(str(number), pictures[number % len(pictures)])
            took.append(1000 * (time.perf_counter() - began))
        if number >= 0:  # the first one warms up
            for what, value in zip(found, (took[0], took[1], took[1] / took[0]), strict=True):
                found[what].append(value)
    return found


def cold_start(plan: SpeedPlan, path: Path) -> dict[str, float]:
    """Open the dock, then the first suggestion of a picture, in a process of its own that has not imported torch.

    Raises AdasamError where the process does not come to its end.
    """
    order = json.dumps({"path": str(path), "model": plan.model, "began": time.time()})
    try:
        ended = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", COLD_START, order],
            capture_output=True,
            text=True,
            check=False,
            timeout=COLD_START_LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise AdasamError(f"A window that was opened anew gave no suggestion in {COLD_START_LIMIT_S} s.") from error
    if ended.returncode != 0:
        raise AdasamError(f"A window that was opened anew has failed: {last_line(ended.stderr)}")
    found: dict[str, float] = json.loads(last_line(ended.stdout))
    return found


def last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def setting() -> dict[str, Any]:
    """Where the figures were taken. Imports torch."""
    import torch

    graphics = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "graphics": graphics,
        "versions": software_versions(),
    }
