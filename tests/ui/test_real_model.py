"""The bundled model in a real window: the dock is opened late in a running napari, clicks and strokes come by mouse.

In a process of its own: whoever imports triton after Mesa's GL has started ends with a segmentation fault, and no other
test may have imported torch before.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import real_session

from napari_adasam.files.phantom import write_samples

STROKE = real_session.STROKE + 1


def work(images: Path, out: Path, steps: int) -> dict[str, Any]:
    """Run the session; what it tells."""
    command = [sys.executable, str(Path(real_session.__file__)), str(images), str(out), str(steps)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    told: dict[str, Any] = json.loads(ran.stdout.strip().splitlines()[-1])
    return told


def check_corrections(told: dict[str, Any]) -> None:
    """The click changed the outline that was there; the stroke is in the session, the accepted mask and the export."""
    assert told["suggested"] == [1, 2]
    [click] = told["clicks"]
    assert max(abs(click[0] - told["spot"][0]), abs(click[1] - told["spot"][1])) <= 1
    assert told["changed_by_click"] > 0
    assert told["others_changed_by_click"] == 0
    assert told["before_stroke"] == 0
    assert told["stroke_in_session"] == told["stroke_accepted"] == told["stroke_exported"] == STROKE
    assert told["exported_is_accepted"]
    assert {"measurements.csv", "provenance.json"} <= set(told["written"])


def test_open_suggest_click_brush_accept_learn_export_in_a_dock_opened_late(tmp_path: Path) -> None:
    write_samples(tmp_path / "data", 3, seed=5)
    told = work(tmp_path / "data" / "images", tmp_path / "out", steps=2)
    assert not told["early"], "napari itself imports torch, so this test shows nothing"
    check_corrections(told)
    assert told["accepted"] == 2
    assert len(told["losses"]) == 2
    assert all(loss > 0 for loss in told["losses"])
    assert told["verdict"]


def test_a_real_image_is_corrected_by_mouse_accepted_and_exported(shared_data: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(sorted((shared_data / "muscle" / "images").iterdir())[0], images)
    told = work(images, tmp_path / "out", steps=0)
    check_corrections(told)
    assert told["accepted"] == 1
