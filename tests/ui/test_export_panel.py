"""The export panel: it does not wait, says what is lost, and says what was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.panels.export import CURRENT, ExportPanel

from window_fakes import wait_idle  # isort: skip


def panel_of(dock: AdasamDock, tmp_path: Path, qtbot: Any) -> ExportPanel:
    """The panel, open, with two accepted images."""
    for _ in range(2):
        dock.commander.run("accept")
        wait_idle(dock, qtbot)
    for name, section in dock.sections.items():
        section.set_open(name == "export")
    panel = dock.export_panel
    panel.folder.setText(str(tmp_path / "out"))
    return panel


def test_it_exports_beside_the_work_and_says_so(
    make_dock: Callable[..., AdasamDock], images: Path, tmp_path: Path, qtbot: Any
) -> None:
    dock = make_dock(show=True)
    dock.open([images])
    wait_idle(dock, qtbot)
    panel = panel_of(dock, tmp_path, qtbot)
    assert "No frame has a scale" in panel.notes.text()
    assert "not a certified" not in panel.notes.text()
    panel.deidentify.click()
    assert "not a certified de-identification" in panel.notes.text()
    panel.export.click()
    assert dock.status_line.text.text().startswith("Exporting")
    assert not panel.export.isEnabled()
    wait_idle(dock, qtbot)
    assert panel.done.text() == "2 images exported: 6 files written to out."
    assert panel.export.isEnabled()
    assert not any("scan" in path.name for path in (tmp_path / "out").rglob("*"))
    for box in panel.formats.values():
        assert box.mapTo(dock, box.rect().topRight()).x() < dock.width()
        assert box.sizeHint().width() <= box.width() + 1


def test_one_image_and_a_failure(opened: AdasamDock, tmp_path: Path, qtbot: Any) -> None:
    panel = panel_of(opened, tmp_path, qtbot)
    panel.which.setCurrentText(CURRENT)
    assert not panel.export.isEnabled()
    assert "not accepted yet" in panel.reason.text()
    opened.annotator.go_to(opened.annotator.session.frames[0].id)
    wait_idle(opened, qtbot)
    panel.refresh()
    panel.export.click()
    wait_idle(opened, qtbot)
    assert sorted(path.stem for path in (tmp_path / "out" / "masks").iterdir()) == ["scan_0", "scan_0"]
    (tmp_path / "file").touch()
    panel.folder.setText(str(tmp_path / "file"))
    panel.export.click()
    wait_idle(opened, qtbot)
    assert "Nothing was exported" in opened.status_line.notice.text()
    assert panel.done.isHidden()
    assert panel.export.isEnabled()


def test_no_format_is_a_reason(opened: AdasamDock, tmp_path: Path, qtbot: Any) -> None:
    panel = panel_of(opened, tmp_path, qtbot)
    for name in ("png", "tiff", "csv"):
        panel.formats[name].click()
    assert panel.reason.text() == "Tick at least one format."
    panel.formats["coco"].click()
    assert panel.export.isEnabled()
