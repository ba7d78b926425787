"""The benchmark: processes that open the dock anew, a real window that a script works in, and encoding."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QApplication

from napari_adasam.domain.settings import NEVER, LearnSettings, Settings
from napari_adasam.evaluation.speed import (
    Figures,
    OnProgress,
    SpeedPlan,
    cold_start,
    encodings,
    image_paths,
    setting,
)
from napari_adasam.ui.app import open_window
from napari_adasam.ui.assembly import make_annotator
from napari_adasam.ui.director import play
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.speed_script import PHASES, SpeedScript

WINDOW = (1366, 768)


def run_benchmark(plan: SpeedPlan, on_progress: OnProgress) -> dict[str, Any]:
    """Measure everything; what ``benchmark`` prints.

    Raises
    ------
    AdasamError
        If the model cannot be loaded, a round fails, or the window is closed before the end.
    """
    figures = Figures()
    with tempfile.TemporaryDirectory() as name:
        paths = image_paths(plan, Path(name))
        on_progress(0, PHASES, "opening the dock in a new process")
        for _ in range(plan.cold_starts):
            for what, value in cold_start(plan, paths[0]).items():
                figures.add(what, value)
        device = played_in_window(plan, paths, figures, on_progress)
        on_progress(PHASES - 1, PHASES, "encoding")
        for what, values in encodings(plan, paths).items():
            figures.add(what, *values)
    on_progress(PHASES, PHASES, "done")
    return {"model": plan.model, "device": device, "images": len(paths), **setting(), "rows": figures.rows()}


def played_in_window(
    plan: SpeedPlan,
    paths: list[Path],
    figures: Figures,
    on_progress: OnProgress,
    make: Callable[[SpeedPlan, AdasamDock, list[Path], OnProgress], SpeedScript] = SpeedScript,
) -> str:
    """Play a script in a window of its own, and note its figures; returns the device."""
    before = Settings()
    steps = plan.steps or before.train.steps
    settings = replace(
        before,
        model=replace(before.model, name=plan.model),
        # What is accepted here is what was suggested: measured on that, any model does well.
        train=replace(before.train, steps=steps, mild_from=NEVER),
        learn=LearnSettings(every=0),
    )
    viewer, dock = open_window(make=partial(make_annotator, settings=settings))
    viewer.window.set_geometry(0, 0, *WINDOW)
    QApplication.processEvents()
    script = make(plan, dock, paths, on_progress)
    try:
        play(script.steps(), lambda: script.last_sign, dock.destroyed.connect)
        model = dock.annotator.model
        viewer.close()
    finally:
        script.close()
        dock.shut_down()
    figures.series.update(script.figures.series)
    return "" if model is None else model.device
