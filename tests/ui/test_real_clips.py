"""Real files in the window: an ultrasound cine of 120 frames and a volume of 35 slices, each as one item."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from window_fakes import wait_idle

from napari_adasam.services.exporting import ExportOrder
from napari_adasam.services.volumes import IN_TIME
from napari_adasam.ui.dock import AdasamDock


def run(dock: AdasamDock, qtbot: Any, *names: str) -> None:
    for name in names:
        dock.commander.run(name)
        wait_idle(dock, qtbot)


def draw(dock: AdasamDock, rows: slice, columns: slice) -> None:
    """Draw a block of the first structure on the frame on the screen, and nothing else."""
    session = dock.annotator.session
    labels = np.zeros_like(session.labels(session.current or ""))
    for structure in session.structures:
        dock.annotator.clear_structure(structure.value)
    labels[rows, columns] = 1
    dock.annotator.stroke(labels)


def test_a_cine_is_one_item_with_thickness_over_its_seconds(dock: AdasamDock, shared_data: Path, qtbot: Any) -> None:
    dock.open([shared_data / "dicom" / "color3d_jpeg_baseline.dcm"])
    wait_idle(dock, qtbot)
    panel = dock.annotate_panel
    assert panel.frame_card.chosen.count() == 1
    draw(dock, slice(200, 240), slice(250, 400))
    run(dock, qtbot, "accept", "back", "propagate")
    assert panel.frame_card.chosen.itemText(0).endswith("1 accepted, 119 to do (119 propagated)")
    assert panel.buttons["volume"].toolTip() == IN_TIME
    run(dock, qtbot, "measure_stack")
    (curve,) = panel.stack.plot.curves
    assert len(curve.points) == 120
    assert curve.points[-1].at == pytest.approx(119 * 0.033333, rel=1e-4)
    assert curve.points[0].value == pytest.approx(40 * 0.5104970559, rel=0.02)
    assert "so they have no volume" in panel.stack.figures.text()


def test_a_volume_is_measured_shown_and_written_back_in_its_own_geometry(
    dock: AdasamDock, shared_data: Path, tmp_path: Path, qtbot: Any
) -> None:
    source = sorted((shared_data / "hippocampus_mr" / "images").iterdir())[0]
    dock.open([source])
    wait_idle(dock, qtbot)
    session, slices = dock.annotator.session, range(10, 16)
    for at in slices:
        dock.annotator.go_to(session.frames[at].id)
        wait_idle(dock, qtbot)
        draw(dock, slice(20, 30) if at not in (10, 15) else slice(0, 0), slice(10, 22))
        if at in (10, 15):
            dock.annotator.tick(1, False)
            dock.annotator.tick(2, False)
        assert dock.annotator.accept()
    run(dock, qtbot, "measure_stack")
    assert f"<b>{4 * 10 * 12} mm³</b>" in dock.annotate_panel.stack.figures.text()
    dock.annotator.go_to(session.frames[12].id)
    wait_idle(dock, qtbot)
    run(dock, qtbot, "volume")
    assert dock.canvas.volume.layers[0].data.shape == (35, 52, 34)
    run(dock, qtbot, "volume")
    assert dock.viewer.dims.ndisplay == 2
    assert session.current == session.frames[12].id
    dock.annotator.start_export(ExportOrder(tmp_path / "out", ("nifti", "csv")))
    wait_idle(dock, qtbot)
    theirs, ours = nibabel.load(source), nibabel.load(tmp_path / "out" / "masks" / source.name)
    assert ours.shape == theirs.shape
    assert np.array_equal(ours.affine, theirs.affine)
    expected = np.zeros(theirs.shape, np.uint8)
    expected[10:22, 20:30, 11:15] = 1
    assert np.array_equal(np.asarray(ours.dataobj), expected)
    assert f",volume,{4 * 10 * 12}.0000,mm³,accepted," in (tmp_path / "out" / "stacks.csv").read_text(encoding="utf-8")
