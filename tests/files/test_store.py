from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from session_facts import FRAMES, REPORT, annotation, reopened, same

from napari_adasam.domain.records import Annotation, FrameStatus, MaskOrigin, Spacing
from napari_adasam.domain.structures import MUSCLE_PRESET, Structure
from napari_adasam.files.lock import LOCK
from napari_adasam.files.store import DATABASE, SessionRecord, Store


def test_an_empty_session(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "deep" / "session")
    assert reopened(store) == SessionRecord()
    assert sorted(path.name for path in store.folder.iterdir()) == [LOCK, "masks", "models", DATABASE]


def test_everything_comes_back(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_frames(FRAMES)
    store.save_structures(MUSCLE_PRESET)
    store.save_status("f2-3", FrameStatus.SKIPPED)
    store.save_annotation(annotation())
    store.save_tick("f1", 2, False)
    store.save_tick("f1", 1, True)
    store.save_round(REPORT)
    record = reopened(store)
    assert record.frames == FRAMES
    assert record.structures == MUSCLE_PRESET
    assert record.statuses == {"f2-3": FrameStatus.SKIPPED, "f1": FrameStatus.ACCEPTED}
    assert record.ticks == {"f1": {1: True, 2: False}}
    assert record.rounds == (REPORT,)
    assert list(record.annotations) == ["f1"]
    assert same(record.annotations["f1"], annotation())
    assert record.problems == ()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    labels=arrays(np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 30))),
    shares=st.dictionaries(st.integers(1, 255), st.floats(0, 1)),
    seconds=st.floats(0, 1e6),
)
def test_any_annotation_comes_back(
    tmp_path_factory: pytest.TempPathFactory, labels: np.ndarray, shares: dict[int, float], seconds: float
) -> None:
    store = Store.create(tmp_path_factory.mktemp("session"))
    given_one = Annotation("f", labels, dict.fromkeys(shares, MaskOrigin.DRAWN), shares, seconds, "m")
    store.save_annotation(given_one)
    found = reopened(store).annotations["f"]
    assert same(found, given_one)
    assert not found.labels.flags.writeable


def test_the_latest_row_holds_and_the_earlier_ones_stay(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.save_frames(FRAMES)
    store.save_frames([replace(FRAMES[1], spacing=Spacing(1, 1, "by hand"))])
    store.save_structures(MUSCLE_PRESET)
    store.save_structures([Structure(7, "bone")])
    store.save_annotation(annotation(fill=1))
    store.save_annotation(annotation(fill=2))
    store.save_status("f1", FrameStatus.CORRECTED)
    store.save_tick("f1", 1, True)
    store.save_tick("f1", 1, None)
    record = reopened(store)
    assert [frame.id for frame in record.frames] == ["f1", "f2-3"]
    assert record.frames[1].spacing == Spacing(1, 1, "by hand")
    assert record.structures == (Structure(7, "bone"),)
    assert record.annotations["f1"].labels.max() == 2
    assert record.statuses["f1"] is FrameStatus.CORRECTED
    assert record.ticks == {}
    assert len(list(store.masks.iterdir())) == 2
    with sqlite3.connect(tmp_path / DATABASE) as database:
        assert database.execute("SELECT count(*) FROM annotations").fetchone() == (2,)
    database.close()


@pytest.mark.parametrize("change", ["UPDATE statuses SET status = 'new'", "DELETE FROM statuses"])
def test_rows_cannot_be_changed(tmp_path: Path, change: str) -> None:
    store = Store.create(tmp_path)
    store.save_status("f1", FrameStatus.ACCEPTED)
    store.close()
    database = sqlite3.connect(tmp_path / DATABASE)
    with pytest.raises(sqlite3.IntegrityError, match="rows are never changed"):
        database.execute(change)
    database.close()


def test_the_same_mask_is_one_file(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    for key in ("f1", "f2"):
        store.save_annotation(annotation(key))
    assert len(list(store.masks.iterdir())) == 1
    assert len(reopened(store).annotations) == 2


def test_commits_are_flushed_to_the_disk(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_threads_may_save_at_the_same_time(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    threads = [
        threading.Thread(target=lambda key=f"f{number}": store.save_annotation(annotation(key, fill=2)))  # type: ignore[misc]
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(reopened(store).annotations) == {f"f{number}" for number in range(8)}


WRITER = """
import sys
from pathlib import Path
import numpy as np
from napari_adasam.domain.records import Annotation, MaskOrigin
from napari_adasam.files.store import Store

store = Store.create(Path(sys.argv[1]))
for number in range(10_000):
    labels = np.full((40, 50), number % 250 + 1, np.uint8)
    store.save_annotation(Annotation(f"f{number}", labels, {1: MaskOrigin.DRAWN}, {1: 1.0}, 1.0, ""))
    print(number, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_nothing_accepted_is_lost_when_the_program_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    said = [writer.stdout.readline() for _ in range(12)]
    writer.send_signal(signal.SIGKILL)
    said += writer.stdout.readlines()
    writer.wait()
    writer.stdout.close()
    accepted = [int(line) for line in said if line.endswith("\n") and line.strip()]
    assert len(accepted) >= 12
    store = Store.open(folder)
    record = store.load()
    store.close()
    assert record.problems == ()
    for number in accepted:
        assert record.statuses[f"f{number}"] is FrameStatus.ACCEPTED
        assert (record.annotations[f"f{number}"].labels == number % 250 + 1).all()
