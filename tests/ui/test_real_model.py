"""The bundled model in a real window: the dock is opened late in a running napari, and a round is trained there.

In a process of its own: whoever imports triton after Mesa's GL has started ends with a segmentation fault, and no other
test may have imported torch before.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from napari_adasam.files.phantom import write_samples

SCRIPT = """
import json, sys
from functools import partial
from pathlib import Path
import napari
import numpy as np
from qtpy.QtWidgets import QApplication
from napari_adasam.domain.prompts import Point
from napari_adasam.domain.settings import LearnSettings, ModelSettings, Settings, TrainSettings
from napari_adasam.ui.assembly import make_annotator
from napari_adasam.ui.dock import AdasamDock

images, out = Path(sys.argv[1]), Path(sys.argv[2])
viewer = napari.Viewer(show=True)
viewer.add_image(np.random.default_rng(0).random((64, 64)))
viewer.screenshot(canvas_only=True)  # the GL context is there, torch is not
early = "torch" in sys.modules
train = TrainSettings(steps=2, batch=1, views=1, warm_up=0.5, max_unlabelled=1)
settings = Settings(ModelSettings(device="cpu"), train=train, learn=LearnSettings(every=0))
dock = AdasamDock(viewer, partial(make_annotator, settings=settings))
viewer.window.add_dock_widget(dock, name="late", area="right")
annotator, session = dock.annotator, dock.annotator.session


def settle():
    while annotator.busy:
        QApplication.processEvents()


dock.open([images])
settle()
first = session.current
frame = session.frame(first)
suggested = sorted(session.suggestions(first))
annotator.click(Point(frame.height / 2, frame.width / 2), 1)
settle()
clicked = int((session.labels(first) == 1).sum())
labels = session.labels(first).copy()
labels[-12:-4, 20:60] = 1
annotator.stroke(labels)
for _ in range(2):
    annotator.accept()
    settle()
annotator.start_round()
settle()
report = annotator.reports[0]
written = annotator.export(out)
viewer.screenshot(canvas_only=False)
print(json.dumps({
    "early": early, "suggested": suggested, "clicked": clicked, "accepted": len(session.annotations),
    "losses": list(report.losses), "verdict": report.verdict, "written": [path.name for path in written],
}))
dock.shut_down()
viewer.close()
"""


def test_open_suggest_click_brush_accept_learn_export_in_a_dock_opened_late(tmp_path: Path) -> None:
    write_samples(tmp_path / "data", 3, seed=5)
    script = tmp_path / "late.py"
    script.write_text(SCRIPT, encoding="utf-8")
    arguments = [sys.executable, str(script), str(tmp_path / "data" / "images"), str(tmp_path / "out")]
    ran = subprocess.run(arguments, capture_output=True, text=True, timeout=400)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.strip().splitlines()[-1])
    assert not told["early"], "napari itself imports torch, so this test shows nothing"
    assert told["suggested"] == [1, 2]
    assert told["clicked"] > 0
    assert told["accepted"] == 2
    assert len(told["losses"]) == 2
    assert all(loss > 0 for loss in told["losses"])
    assert told["verdict"]
    assert {"measurements.csv", "provenance.json"} <= set(told["written"])
