"""The export panel: it does not wait, says what is lost, and says what was written."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QPushButton

from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.panels.export import CHOSEN, CURRENT, ExportPanel
from napari_adasam.ui.panels.frame_choice import CHECKED, FrameChoice

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
    assert "No image has a scale" in panel.notes.text()
    assert panel.aid.isVisible()
    assert panel.aid.text() == "An aid for research, not a medical device."
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
    panel.which.setCurrentIndex(CURRENT)
    panel.refresh()
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


def test_chosen_images_a_table_and_an_erosion(opened: AdasamDock, tmp_path: Path, qtbot: Any) -> None:
    panel = panel_of(opened, tmp_path, qtbot)
    first, second, *_ = opened.annotator.session.frames
    answers = [None, (), (second.id,)]
    asked = []

    def answer(parent: object, frames: list[Any], chosen: tuple[str, ...]) -> Any:
        asked.append(([frame.id for frame in frames], list(chosen)))
        return answers.pop(0)

    panel.choose_frames = answer
    for reason in ("Choose at least one image.", "Choose at least one image.", ""):
        panel.which.setCurrentIndex(CHOSEN)
        panel.which.activated.emit(CHOSEN)
        assert panel.reason.text() == reason
    assert asked[0] == ([first.id, second.id], [first.id, second.id])
    assert panel.which.currentText() == "Chosen images: 1…"
    table = tmp_path / "files.csv"
    table.write_text(f"file,side\n{Path(second.path).name},left\n")
    panel.set_table(table)
    assert panel.table_button.text() == "Without files.csv"
    panel.erosion.setValue(1.5)
    assert not panel.blank.isEnabled()
    panel.export.click()
    wait_idle(opened, qtbot)
    assert [path.stem for path in (tmp_path / "out" / "masks").glob("*.png")] == [second.stem]
    rows = list(csv.DictReader((tmp_path / "out" / "measurements.csv").read_text(encoding="utf-8").splitlines()))
    assert {(row["frame"], row["side"]) for row in rows} == {(second.stem, "left")}
    notes = [row["note"] for row in rows if row["measure"].startswith("echo")]
    assert notes
    assert all(note.endswith("; border not left out: no scale") for note in notes)
    panel.table_button.click()
    assert panel.table is None


def test_the_list_of_images_to_choose_from(opened: AdasamDock, qtbot: Any) -> None:
    frames = opened.annotator.session.frames
    dialog = FrameChoice(opened, frames, [frames[2].id])
    assert dialog.chosen() == (frames[2].id,)
    dialog.list.item(0).setCheckState(CHECKED)
    assert dialog.chosen() == (frames[0].id, frames[2].id)
    assert dialog.count.text() == "2 of 4"
    ticks = {button.text(): button for button in dialog.findChildren(QPushButton)}
    ticks["Tick none"].click()
    assert dialog.chosen() == ()
    ticks["Tick all"].click()
    assert len(dialog.chosen()) == 4
    dialog.close()


def test_no_format_is_a_reason(opened: AdasamDock, tmp_path: Path, qtbot: Any) -> None:
    panel = panel_of(opened, tmp_path, qtbot)
    for name in ("png", "tiff", "csv"):
        panel.formats[name].click()
    assert panel.reason.text() == "Tick at least one format."
    panel.formats["coco"].click()
    assert panel.export.isEnabled()
