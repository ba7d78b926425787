"""Files and folders dropped on napari or on the dock: few layers, frames read when they are shown, nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication

from napari_adasam.domain.errors import InputError
from napari_adasam.files.clips import Clip
from napari_adasam.ui import reader
from napari_adasam.ui.dock import AdasamDock
from napari_adasam.ui.reader import LazyFrames, get_reader, read_layers

from window_fakes import picture, wait_idle  # isort: skip

FRAMES = 500


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What napari would warn of."""
    sentences: list[str] = []
    monkeypatch.setattr(reader, "show_warning", sentences.append)
    return sentences


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the frames that were read from their files."""
    numbers: list[int] = []
    read = Clip.read

    def counted(clip: Clip, index: int) -> Any:
        numbers.append(index)
        return read(clip, index)

    monkeypatch.setattr(Clip, "read", counted)
    return numbers


def drop(dock: AdasamDock, what: list[Path] | str) -> bool:
    """Drag paths or text onto the dock and let go; whether the dock would take them."""
    mime = QMimeData()
    if isinstance(what, str):
        mime.setText(what)
    else:
        mime.setUrls([QUrl.fromLocalFile(str(path)) for path in what])
    rules = (Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    over = QPointF(20, 20)
    enter = QDragEnterEvent(over.toPoint(), *rules)
    enter.ignore()
    QApplication.sendEvent(dock, enter)
    if enter.isAccepted():
        QApplication.sendEvent(dock, QDropEvent(over, *rules))
    return enter.isAccepted()


def test_a_folder_and_files_dropped_on_the_dock_are_taken_in(
    dock: AdasamDock, images: Path, tmp_path: Path, qtbot: Any
) -> None:
    other = tmp_path / "other.png"
    Image.fromarray(picture(50, 70)).save(other)
    assert dock.open_panel.kept.text() == "You can also drop files or folders onto this panel."
    assert drop(dock, [images])
    wait_idle(dock, qtbot)
    assert [frame.stem for frame in dock.annotator.session.frames] == [f"scan_{number}" for number in range(4)]
    assert drop(dock, [other, images / "scan_0.png"])
    wait_idle(dock, qtbot)
    assert [frame.stem for frame in dock.annotator.session.frames][4:] == ["other"]


def test_text_dropped_on_the_dock_is_refused(dock: AdasamDock) -> None:
    assert not drop(dock, "some words")
    assert dock.annotator.session.frames == ()


def test_a_folder_opened_in_napari_is_one_lazy_layer_and_is_offered_once(
    dock: AdasamDock, images: Path, qtbot: Any
) -> None:
    [layer] = dock.viewer.open(str(images), plugin="napari-adasam")
    assert layer.name == "exams"
    assert layer.data.shape == (4, 60, 80)
    for number in range(4):
        dock.viewer.dims.set_point(0, number)
        np.testing.assert_array_equal(layer.data[number], picture(shift=number))
    assert dock.open_panel.take.text() == "Take in the folder open in napari"
    dock.open_panel.take.click()
    wait_idle(dock, qtbot)
    assert len(dock.annotator.session.frames) == 4
    assert dock.open_panel.take.isHidden()
    assert layer not in dock.viewer.layers  # the session shows it now, and not twice
    assert dock.viewer.dims.ndim == 2
    dock.viewer.add_image(np.zeros((8, 8)))
    assert dock.open_panel.take.isHidden()
    [again] = dock.viewer.open(str(images), plugin="napari-adasam")
    assert dock.open_panel.take.isHidden()
    assert again in dock.viewer.layers  # whoever wants it twice gets it twice


def test_what_the_dock_opens_itself_is_no_longer_offered(dock: AdasamDock, images: Path, qtbot: Any) -> None:
    dock.viewer.open(str(images), plugin="napari-adasam")
    assert not dock.open_panel.take.isHidden()
    dock.open([images / "scan_0.png"])
    wait_idle(dock, qtbot)
    assert dock.open_panel.take.text() == "Take in the 3 images open in napari"
    dock.open([images])
    wait_idle(dock, qtbot)
    assert dock.open_panel.take.isHidden()


def test_of_a_long_clip_only_the_frames_shown_are_read(
    make_napari_viewer: Callable[..., Any], tmp_path: Path, reads: list[int], qtbot: Any
) -> None:
    path = tmp_path / "long.tif"
    tifffile.imwrite(path, np.zeros((FRAMES, 32, 40), np.uint8) + np.arange(FRAMES).astype(np.uint8)[:, None, None])
    viewer = make_napari_viewer(show=True)
    [layer] = viewer.open(str(path), plugin="napari-adasam")
    qtbot.wait(50)
    shown = {int(viewer.dims.point[0])}
    for number in (3, 250, 251, 499):
        viewer.dims.set_point(0, number)
        qtbot.wait(20)
        assert (layer.data[number] == number % 256).all()
        shown.add(number)
    assert set(reads) <= {0, *shown}  # the first one tells size and contrast
    assert len(reads) <= len(shown) + 1


def test_several_files_at_once_are_one_layer(images: Path) -> None:
    paths = [str(path) for path in sorted(images.iterdir())]
    [(data, arguments, kind)] = get_reader(paths)(paths)  # type: ignore[misc]
    assert (kind, data.shape) == ("image", (4, 60, 80))
    assert arguments["metadata"][reader.FILES] == paths


def test_each_size_is_a_layer_and_the_commonest_sizes_are_shown(tmp_path: Path, told: list[str]) -> None:
    for number, height in enumerate((20, 30, 30, 40, 40, 50, 50, 60, 60)):
        Image.fromarray(picture(height, 80)).save(tmp_path / f"{number}.png")
    layers = read_layers(str(tmp_path))
    assert [data.shape for data, _, _ in layers] == [(2, height, 80) for height in (30, 40, 50, 60)]
    assert told == ["1 images of other sizes are not shown here; the AdaSAM ultrasound panel opens them."]


def test_files_that_cannot_be_read_are_told_of_and_the_rest_is_shown(images: Path, told: list[str]) -> None:
    (images / "scan_0.png").write_bytes(b"\x89PNG no more")
    [(data, _, _)] = read_layers(str(images))
    assert data.shape == (3, 60, 80)
    assert len(told) == 1
    assert "scan_0.png" in told[0]
    for path in images.iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"scan_0\.png is empty"):
        read_layers(str(images))


def test_a_first_image_that_breaks_after_its_header_is_left_out(
    images: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Clip.read

    def broken(clip: Clip, index: int) -> Any:
        if clip.path.name == "scan_0.png":
            raise InputError("scan_0.png is damaged.")
        return read(clip, index)

    monkeypatch.setattr(Clip, "read", broken)
    [(data, _, _)] = read_layers(str(images))
    assert data.shape == (3, 60, 80)
    assert told == ["scan_0.png is damaged."]


def test_colour_and_depth_follow_the_first_image(tmp_path: Path) -> None:
    grey = picture()
    tifffile.imwrite(tmp_path / "a.tif", grey.astype(np.uint16) * 257)
    Image.fromarray(np.dstack([grey] * 3)).save(tmp_path / "b.png")
    Image.fromarray(grey).save(tmp_path / "c.png")
    [(deep, arguments, _)] = read_layers(str(tmp_path))
    assert (deep.dtype, deep.shape, arguments["rgb"]) == (np.uint16, (3, 60, 80), False)
    for number in range(3):
        np.testing.assert_array_equal(deep[number], grey.astype(np.uint16) * 257)
    (tmp_path / "a.tif").rename(tmp_path / "d.tif")
    [(colour, arguments, _)] = read_layers(str(tmp_path))
    assert (colour.dtype, colour.shape, arguments["rgb"]) == (np.uint8, (3, 60, 80, 3), True)
    for number in range(3):
        np.testing.assert_array_equal(colour[number], np.dstack([grey] * 3))


def test_lazy_frames_are_indexed_like_an_array(tmp_path: Path) -> None:
    values = np.arange(5 * 20 * 30, dtype=np.uint16).reshape(5, 20, 30)
    tifffile.imwrite(tmp_path / "clip.tif", values)
    [(clip, _, _)] = read_layers(str(tmp_path / "clip.tif"))
    assert isinstance(clip, LazyFrames)
    for key in (3, -1, slice(1, 3), (2, slice(4, 9)), (slice(1, 4), 2, 3), ([4, 0], slice(None), 1)):
        np.testing.assert_array_equal(clip[key], values[key])
    np.testing.assert_array_equal(np.asarray(clip), values)
    assert (len(clip), clip.size, clip.ndim) == (5, 3000, 3)
