"""A program of its own for test_real_model: the bundled model in a real window, worked with by a mouse.

Arguments: a folder of images, a folder for the export, how many steps a round of learning takes (0: no round).
What was seen is printed as one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import napari
import numpy as np
from PIL import Image
from qtpy.QtWidgets import QApplication
from scipy import ndimage

STROKE = 40
"""Length of the stroke in pixels."""


def wait(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()


def settle(annotator: Any) -> None:
    while annotator.busy:
        QApplication.processEvents()
        time.sleep(0.01)  # the lane computes meanwhile, on the same core


def beside(mask: np.ndarray[Any, Any], structures: np.ndarray[Any, Any]) -> tuple[int, int]:
    """A pixel of no structure, some way outside of a mask and of the image's border."""
    away = ndimage.distance_transform_edt(~mask)
    wanted = max(mask.shape) / 20
    inside = np.zeros(mask.shape, bool)
    inside[10:-10, 10:-10] = True
    y, x = np.unravel_index(
        int(np.where(inside & (structures == 0), -abs(away - wanted), -np.inf).argmax()), mask.shape
    )
    return int(y), int(x)


def empty_run(labels: np.ndarray[Any, Any]) -> tuple[int, int]:
    """Start (y, x) of a run of background, ``STROKE`` pixels long and with room for the brush."""
    free = ndimage.minimum_filter(labels == 0, (9, STROKE + 9), mode="constant", cval=0)
    y, x = np.argwhere(free)[0]
    return int(y), int(x - STROKE // 2)


def open_late(steps: int) -> tuple[Any, bool]:
    """The dock in a napari that runs already, and whether torch was there before it."""
    viewer = napari.Viewer(show=True)
    viewer.add_image(np.random.default_rng(0).random((64, 64)))
    viewer.screenshot(canvas_only=True)  # the GL context is there, torch is not
    early = "torch" in sys.modules
    from napari_adasam.domain.settings import NEVER, LearnSettings, ModelSettings, Settings, TrainSettings
    from napari_adasam.ui.assembly import make_annotator
    from napari_adasam.ui.dock import AdasamDock

    train = TrainSettings(steps=max(1, steps), batch=1, views=1, warm_up=0.5, max_unlabelled=1, mild_from=NEVER)
    settings = Settings(ModelSettings(device="cpu"), train=train, learn=LearnSettings(every=0))
    dock = AdasamDock(viewer, partial(make_annotator, settings=settings))
    viewer.window.add_dock_widget(dock, name="late", area="right")
    viewer.window.set_geometry(0, 0, 1366, 768)
    return dock, early


def click(dock: Any, mouse: Any, told: dict[str, Any]) -> None:
    """A click of the first structure on what is not outlined."""
    session = dock.annotator.session
    before = session.labels(session.current).copy()
    told["spot"] = beside(before == 1, before)
    dock.commander.run("point")
    mouse.click(told["spot"])
    settle(dock.annotator)
    after = session.labels(session.current)
    told["clicks"] = [[point.y, point.x] for point in session.prompts(session.current, 1)[0]]
    told["changed_by_click"] = int(((before == 1) != (after == 1)).sum())
    told["others_changed_by_click"] = int(((before == 2) & (after != 2)).sum())


def draw(dock: Any, mouse: Any, told: dict[str, Any]) -> tuple[slice, slice]:
    """A stroke of the brush over background; where it went."""
    session = dock.annotator.session
    before = session.labels(session.current).copy()
    y, x = empty_run(before)
    dock.commander.run("brush")
    dock.canvas.masks.layer.brush_size = 5
    mouse.drag([(y, x), (y, x + STROKE // 2), (y, x + STROKE)])
    stroke = (slice(y, y + 1), slice(x, x + STROKE + 1))
    told["before_stroke"] = int((before[stroke] == 1).sum())
    told["stroke_in_session"] = int((session.labels(session.current)[stroke] == 1).sum())
    return stroke


def finish(dock: Any, frame_id: str, stroke: tuple[slice, slice], out: Path) -> dict[str, Any]:
    """Export, and compare with what was accepted."""
    session = dock.annotator.session
    accepted = session.annotations[frame_id].labels
    dock.export_panel.folder.setText(str(out))
    dock.export_panel.export.click()
    settle(dock.annotator)
    with Image.open(out / "masks" / f"{session.frame(frame_id).stem}.png") as picture:
        exported = np.asarray(picture)
    return {
        "accepted": len(session.annotations),
        "stroke_accepted": int((accepted[stroke] == 1).sum()),
        "written": sorted(path.name for path in out.rglob("*") if path.is_file()),
        "stroke_exported": int((exported[stroke] == 1).sum()),
        "exported_is_accepted": bool(np.array_equal(exported, accepted)),
    }


def work(images: Path, out: Path, steps: int) -> dict[str, Any]:
    """All of it."""
    dock, early = open_late(steps)
    from real_mouse import RealMouse

    annotator, mouse = dock.annotator, RealMouse(dock)
    dock.open([images])
    settle(annotator)
    wait(0.3)  # the window is laid out, the view fitted
    first = annotator.session.current
    told: dict[str, Any] = {"early": early, "suggested": sorted(annotator.session.suggestions(first))}
    click(dock, mouse, told)
    stroke = draw(dock, mouse, told)
    for _ in range(2 if steps else 1):
        dock.commander.run("accept")
        settle(annotator)
    if steps:
        dock.learn_panel.start.click()
        settle(annotator)
        report = annotator.reports[0]
        told |= {"losses": list(report.losses), "verdict": report.verdict}
    told |= finish(dock, first, stroke, out)
    dock.viewer.screenshot(canvas_only=False)
    dock.shut_down()
    dock.viewer.close()
    return told


if __name__ == "__main__":
    print(json.dumps(work(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))  # noqa: T201 - for its test
