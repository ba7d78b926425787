"""*Keep session in…* copies on the lane while work goes on: nothing is lost, whatever happens in the middle of it."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from annotator_fakes import FULL, HEIGHT, WIDTH, Desk, make_desk, run_round, write_images
from PIL import Image

from napari_adasam.domain.errors import StorageError
from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.settings import LearnSettings, Settings
from napari_adasam.domain.structures import MUSCLE_PRESET, Structure
from napari_adasam.files import home, masks, store_copy
from napari_adasam.files.readers import open_paths
from napari_adasam.files.store import Store, is_session
from napari_adasam.files.store_copy import UNFINISHED, StoreCopy, session_at
from napari_adasam.services import copying, session_copy
from napari_adasam.services.copying import STOPPED

IMAGES = 8


def sit(place: Path) -> Desk:
    desk = make_desk(Settings(learn=LearnSettings(every=0)), MUSCLE_PRESET)
    desk.annotator.keep_by_itself(place / "home")
    return desk


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Desk]:
    """Eight images, six of them accepted with outlines of their own, kept by itself and opened again."""
    desk = sit(tmp_path)
    desk.annotator.open([write_images(tmp_path / "scans", IMAGES)])
    for number in range(6):
        desk.settle()
        stroke(desk, number)
        desk.accept()
    desk.annotator.close()
    again = sit(tmp_path)
    again.annotator.open([tmp_path / "scans"])
    again.settle()
    yield again
    again.annotator.close()


def stroke(desk: Desk, number: int, value: int = 1) -> np.ndarray:
    labels = desk.labels().copy()
    labels[1 : 3 + number, 2:9] = value
    desk.annotator.stroke(labels)
    return desk.labels().copy()


def old(desk: Desk) -> Path:
    assert desk.annotator.folder is not None
    return desk.annotator.folder


def accepted(folder: Path) -> dict[str, bytes]:
    record = Store.read(folder)
    assert record.problems == ()
    ids = [one for one, status in record.statuses.items() if status is FrameStatus.ACCEPTED]
    return {frame_id: record.annotations[frame_id].labels.tobytes() for frame_id in ids}


def in_memory(desk: Desk) -> dict[str, bytes]:
    return {frame_id: one.labels.tobytes() for frame_id, one in desk.session.annotations.items()}


@pytest.fixture
def turned(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when the lane has written all that was there at the start; its outcome is not taken in yet."""
    told, bring_down = threading.Event(), StoreCopy.bring_down

    def telling(self: StoreCopy) -> None:
        bring_down(self)
        told.set()

    monkeypatch.setattr(StoreCopy, "bring_down", telling)
    return told


def test_what_is_done_during_the_copy_is_in_both_places(kept: Desk, tmp_path: Path, turned: threading.Event) -> None:
    new, before = tmp_path / "study", old(kept)
    first, seventh = kept.session.frames[0].id, kept.current
    kept.annotator.go_to(first)
    assert kept.annotator.start_keeping(new)
    assert turned.wait(20)
    stroke(kept, 7, value=2)
    middle = kept.labels().copy()
    assert kept.annotator.accept()
    kept.annotator.go_to(first)
    kept.annotator.reopen()
    stroke(kept, 9)
    assert kept.annotator.accept()
    kept.annotator.go_to(seventh)
    assert kept.annotator.note("looked at twice")
    left = stroke(kept, 3)
    kept.annotator.set_structures([*MUSCLE_PRESET, Structure(3, "skin")])
    Image.fromarray(np.full((HEIGHT, WIDTH), 9, np.uint8)).save(tmp_path / "more.png")
    assert kept.annotator.open([tmp_path / "more.png"]) == []
    assert kept.annotator.folder == before
    assert len(accepted(before)) == 6
    kept.settle()
    assert kept.annotator.folder == new
    assert accepted(new) == in_memory(kept) == accepted(before)
    record = Store.read(new)
    assert len(record.frames) == IMAGES + 1
    assert record.structures[-1].name == "skin"
    assert record.remarks[seventh].note == "looked at twice"
    assert np.array_equal(record.drafts[seventh].annotation.labels, left)
    shown = [version.labels.open() for version in kept.annotator.versions(first)]
    assert any(np.array_equal(labels, middle) for labels in shown), "a version accepted and replaced meanwhile"
    assert kept.annotator.accept(), "and one goes on there"
    assert seventh in accepted(new)
    assert seventh not in accepted(before)


def test_what_is_accepted_anew_during_the_copy_of_a_session_in_memory_is_there(
    tmp_path: Path, turned: threading.Event
) -> None:
    desk = make_desk(Settings(learn=LearnSettings(every=0)), MUSCLE_PRESET)
    desk.annotator.open([write_images(tmp_path / "scans", 3)])
    first = desk.current
    desk.accept()
    assert desk.annotator.start_keeping(tmp_path / "study")
    assert turned.wait(20)
    desk.annotator.go_to(first)
    desk.annotator.reopen()
    stroke(desk, 5)
    assert desk.annotator.accept()
    desk.settle()
    assert accepted(tmp_path / "study") == in_memory(desk)
    desk.annotator.close()


def test_much_that_is_done_during_the_copy_is_written_in_another_turn(
    kept: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[list[str]] = []
    turn = session_copy.SessionCopy._write

    def noted(self: session_copy.SessionCopy, *given: object) -> object:
        threads.append([threading.current_thread().name])
        for step in turn(self, *given):  # type: ignore[arg-type]
            threads[-1].append("frame")
            yield step

    monkeypatch.setattr(session_copy.SessionCopy, "_write", noted)
    assert kept.annotator.start_keeping(tmp_path / "study")
    for frame in kept.session.frames[:5]:
        kept.annotator.go_to(frame.id)
        stroke(kept, 12)
        assert kept.annotator.accept()
    kept.settle()
    assert [one[0] for one in threads] == ["adasam-lane", "adasam-lane", "MainThread"]
    assert len(threads[-1]) - 1 <= copying.FEW
    assert accepted(tmp_path / "study") == in_memory(kept)


def test_a_round_that_ends_during_the_copy_is_in_the_new_place(kept: Desk, tmp_path: Path) -> None:
    assert kept.annotator.start_keeping(tmp_path / "study")
    run_round(kept)
    kept.settle()
    record = Store.read(tmp_path / "study")
    assert [one.number for one in record.rounds] == [1]
    assert record.serving is not None
    assert record.serving.parent == tmp_path / "study" / "models"


def test_a_mask_is_read_back_once(kept: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    read, read_bytes = masks.read_mask, Path.read_bytes

    def reading(folder: Path, name: str) -> np.ndarray:
        if (folder / f"{name}.tif").exists():
            looked.append(str(folder / f"{name}.tif"))
        return read(folder, name)

    def reading_bytes(path: Path) -> bytes:
        looked.append(str(path))
        return read_bytes(path)

    monkeypatch.setattr(masks, "read_mask", reading)
    monkeypatch.setattr(Path, "read_bytes", reading_bytes)
    assert kept.annotator.start_keeping(tmp_path / "study")
    kept.settle()
    new = [path for path in looked if path.startswith(str(tmp_path / "study" / "masks"))]
    assert sorted(new) == sorted(map(str, (tmp_path / "study" / "masks").glob("*.tif")))
    assert len(new) == 6


def test_a_mask_that_is_not_there_as_it_was_written_is_told(
    kept: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masks, "write_whole", lambda path, content: path.write_bytes(content[:-1]) and path)
    assert kept.annotator.start_keeping(tmp_path / "study")
    kept.settle()
    (said,) = kept.problems
    assert "not on the disk as it was written" in said


def test_copying_again_and_again_makes_no_more_rows(kept: Desk, tmp_path: Path) -> None:
    counts = []
    for name in ("one", "two", "three"):
        assert kept.annotator.start_keeping(tmp_path / name)
        kept.settle()
        with sqlite3.connect(tmp_path / name / "session.sqlite") as connection:
            counts.append(connection.execute("SELECT count(*) FROM annotations").fetchone()[0])
        connection.close()
    assert counts == [12, 12, 12]
    assert len(kept.annotator.versions(kept.session.frames[0].id)) == 2  # what was suggested, and what was accepted


def test_a_second_copy_waits_for_the_first(kept: Desk, tmp_path: Path) -> None:
    assert kept.annotator.start_keeping(tmp_path / "study")
    assert "is being copied" in kept.annotator.why_not("save_as")
    assert not kept.annotator.start_keeping(tmp_path / "other")
    assert not kept.annotator.save_as(tmp_path / "other")
    assert all("is being copied" in said for said in kept.problems)
    assert kept.annotator.activity.text.startswith("Copying the session to study")
    assert kept.annotator.activity.cancellable
    kept.settle()
    assert kept.annotator.folder == tmp_path / "study"
    assert kept.annotator.why_not("save_as") == ""


def held_up(monkeypatch: pytest.MonkeyPatch, at: int) -> tuple[threading.Event, threading.Event]:
    """The copy stands at the mask of this number until the second event is set; the first one tells that it does."""
    there, go, written, write = threading.Event(), threading.Event(), [0], masks._write

    def slow(*given: object) -> None:
        written[0] += 1
        if written[0] == at:
            there.set()
            assert go.wait(10)
        write(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(masks, "_write", slow)
    return there, go


def nothing_left(folder: Path) -> bool:
    return {path.name for path in folder.rglob("*")} <= {"lock.sqlite"}


def test_a_copy_that_is_stopped_leaves_nothing_and_the_session_goes_on(
    kept: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, new = old(kept), tmp_path / "study"
    there, go = held_up(monkeypatch, 3)
    assert kept.annotator.start_keeping(new)
    assert there.wait(10)
    kept.annotator.cancel()
    go.set()
    kept.settle()
    assert kept.problems == [STOPPED]
    assert nothing_left(new)
    assert kept.annotator.folder == before
    kept.accept()
    assert len(accepted(before)) == 7
    assert kept.annotator.start_keeping(new)
    kept.settle()
    assert accepted(new) == in_memory(kept)


def test_a_disk_that_is_full_half_way_is_told_and_the_session_goes_on(
    kept: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, new, written, write = old(kept), tmp_path / "study", [0], masks._write

    def full(*given: object) -> None:
        written[0] += 1
        if written[0] > 3:
            raise StorageError(FULL)
        write(*given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(masks, "_write", full)
        assert kept.annotator.start_keeping(new)
        kept.settle()
    assert kept.problems == [FULL]
    assert nothing_left(new)
    assert kept.annotator.folder == before
    kept.accept()
    assert accepted(before) == in_memory(kept)


def test_a_disk_that_is_full_at_the_very_end_is_told_and_the_session_goes_on(
    kept: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, new = old(kept), tmp_path / "study"
    with monkeypatch.context() as patch:
        patch.setattr(home, "leave_word", _full_for(before, home.leave_word))
        assert kept.annotator.start_keeping(new)
        kept.settle()
    assert kept.problems == [FULL]
    assert nothing_left(new)
    kept.accept()
    assert accepted(before) == in_memory(kept)


def _full_for(folder: Path, leave: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
    def leaving(at: Path, new: Path) -> None:
        if at == folder:
            raise StorageError(FULL)
        leave(at, new)

    return leaving


def test_a_folder_that_cannot_be_written_or_holds_a_session_is_told(kept: Desk, tmp_path: Path) -> None:
    before = old(kept)
    (tmp_path / "file").write_text("no folder")
    assert kept.annotator.start_keeping(tmp_path / "file" / "study")
    kept.settle()
    other = Store.create(tmp_path / "other")
    other.save_structures(MUSCLE_PRESET)
    other.close()
    assert kept.annotator.start_keeping(tmp_path / "other")
    kept.settle()
    assert len(kept.problems) == 2
    assert "holds a session already" in kept.problems[1]
    assert Store.read(tmp_path / "other").frames == ()
    assert kept.annotator.folder == before
    kept.accept()
    assert accepted(before) == in_memory(kept)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="to the administrator all folders are open")
def test_a_folder_that_may_not_be_written_is_told(kept: Desk, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    assert kept.annotator.start_keeping(closed / "study")
    kept.settle()
    (said,) = kept.problems
    assert "may not be written to" in said
    kept.accept()


def test_a_session_in_memory_alone_is_copied_to_the_end_when_the_window_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = make_desk(Settings(learn=LearnSettings(every=0)), MUSCLE_PRESET)
    desk.annotator.open([write_images(tmp_path / "scans", 4)])
    for number in range(3):
        desk.settle()
        stroke(desk, number)
        desk.accept()
    there, go = held_up(monkeypatch, 2)
    assert desk.annotator.start_keeping(tmp_path / "study")
    assert there.wait(10)
    threading.Timer(0.2, go.set).start()
    desk.annotator.close()
    assert len(accepted(tmp_path / "study")) == 3


def test_a_kept_session_is_closed_at_once_in_the_middle_of_a_copy(
    kept: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, new = old(kept), tmp_path / "study"
    there, go = held_up(monkeypatch, 3)
    assert kept.annotator.start_keeping(new)
    assert there.wait(10)
    threading.Timer(0.2, go.set).start()
    kept.annotator.close()
    assert nothing_left(new)
    assert len(accepted(before)) == 6


def test_the_old_copy_may_be_deleted_while_the_window_is_open(kept: Desk, tmp_path: Path) -> None:
    for name in ("one", "two"):
        before = old(kept)
        assert kept.annotator.start_keeping(tmp_path / name)
        kept.settle()
        shutil.rmtree(before)
        kept.problems.clear()
        for frame in kept.session.frames[:6]:
            kept.annotator.go_to(frame.id)
            kept.settle()
            assert kept.labels().any()
        assert kept.problems == []
    assert len(in_memory(kept)) == 6


# -- kill -9 -----------------------------------------------------------------------------------------------------------

Patch = Callable[[], None]


def at_mask(number: int) -> Patch:
    def patch() -> None:
        written, write = [0], masks._write

        def killing(*given: object) -> None:
            written[0] += 1
            if written[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)
            write(*given)  # type: ignore[arg-type]

        masks._write = killing  # type: ignore[assignment]

    return patch


def at_call(owner: object, name: str, number: int = 1) -> Patch:
    def patch() -> None:
        called = [0]
        real = getattr(owner, name)

        def killing(*given: object) -> object:
            called[0] += 1
            if called[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*given)

        setattr(owner, name, killing)

    return patch


INSTANTS: dict[str, Patch] = {
    "at the first mask": at_mask(1),
    "at the last mask": at_mask(6),
    "at the rows of the past": at_call(store_copy.past, "carry"),
    "at the third status": at_call(Store, "save_annotation", 3),
    "before all is brought down": at_call(StoreCopy, "bring_down"),
    "before it is a session": at_call(store_copy, "replaced"),
    "when it is one": at_call(store_copy, "flush_folder", 1),
    "before the old word goes": at_call(home, "drop_word"),
    "before the images lead there": at_call(home, "leave_word", 2),
}


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
@pytest.mark.parametrize("instant", INSTANTS)
def test_a_process_that_is_killed_in_the_middle_loses_nothing(kept: Desk, tmp_path: Path, instant: str) -> None:
    before, new, scans = old(kept), tmp_path / "study", tmp_path / "scans"
    wanted = in_memory(kept)
    kept.annotator.close()
    child = os.fork()
    if child == 0:
        try:
            desk = sit(tmp_path)
            desk.annotator.open([before])
            INSTANTS[instant]()
            desk.annotator.start_keeping(new)
            desk.settle()
        finally:
            os._exit(1)
    _, ended = os.waitpid(child, 0)
    assert os.WIFSIGNALED(ended), "it was to be killed there"
    assert accepted(before) == wanted
    assert session_at(new) == (new if is_session(new) else before)
    assert open_paths([new]).clips == (), "masks of a copy are no pictures"
    for opened in (new, before, scans):
        desk = sit(tmp_path)
        said = desk.annotator.open([opened])
        desk.settle()
        assert in_memory(desk) == wanted
        assert desk.problems == []
        if opened == new:
            assert [one for one in said if "was not finished" in one] == ([] if is_session(new) else said)
        desk.annotator.close()
    if not is_session(new):
        desk = sit(tmp_path)
        desk.annotator.open([before])
        assert desk.annotator.start_keeping(new)
        desk.settle()
        assert accepted(new) == wanted
        assert not (new / UNFINISHED).exists()
        desk.annotator.close()
