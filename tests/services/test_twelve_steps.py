"""One image from file to exported mask, in the twelve steps of the architecture, without a window.

The models are a parameter: fakes, and the bundled model with its real round. What is asserted holds for any model.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from annotator_fakes import FakePredictor, FakeTrainer

from napari_adasam.domain.prompts import Point
from napari_adasam.domain.records import FrameStatus, Labels, MaskOrigin
from napari_adasam.domain.rounds import RoundProgress, RoundReport
from napari_adasam.domain.session import Session
from napari_adasam.domain.settings import LearnSettings, ModelSettings, Settings, TrainSettings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.files.phantom import write_samples
from napari_adasam.files.readers import open_paths
from napari_adasam.files.store import Store
from napari_adasam.services.annotator import Annotator
from napari_adasam.services.ports import Predictor, Trainer

IMAGES = 5
SECONDS = 120.0


@dataclass(frozen=True)
class Makers:
    """What the annotator is given to make its models with."""

    predictor: Callable[[], Predictor]
    trainer: Callable[[Predictor], Trainer]
    settings: Settings


def fakes() -> Makers:
    predictor = FakePredictor()
    return Makers(lambda: predictor, lambda _: FakeTrainer(predictor), Settings(learn=LearnSettings(every=3)))


def bundled() -> Makers:
    """The bundled model and the real round, as short as a round can be."""
    from napari_adasam.services.predictor import ModelPredictor
    from napari_adasam.services.trainer import RoundTrainer

    train = TrainSettings(steps=2, batch=1, views=1, warm_up=0.5, max_unlabelled=1)
    settings = Settings(ModelSettings(device="cpu"), train=train, learn=LearnSettings(every=3))
    predictor = ModelPredictor(settings.model)
    return Makers(lambda: predictor, lambda _: RoundTrainer(predictor, train, settings.learn), settings)


@pytest.fixture(params=[fakes, bundled], ids=["fakes", "bundled model"])
def makers(request: pytest.FixtureRequest) -> Makers:
    """Models to walk the steps with."""
    made: Makers = request.param()
    return made


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Drawn ultrasound images."""
    write_samples(tmp_path / "data", IMAGES, seed=3)
    return tmp_path / "data" / "images"


class Walk:
    """One annotator with what it told."""

    def __init__(self, makers: Makers) -> None:
        self.annotator = Annotator(Session(MUSCLE_PRESET), makers.predictor, makers.trainer, makers.settings)
        self.session = self.annotator.session
        self.problems: list[str] = []
        self.progress: list[RoundProgress] = []
        self.reports: list[RoundReport] = []
        self.annotator.problem.connect(self.problems.append)
        self.annotator.round_progress.connect(self.progress.append)
        self.annotator.round_finished.connect(self.reports.append)

    @property
    def fingerprint(self) -> str:
        assert self.annotator.model is not None
        return self.annotator.model.fingerprint

    @property
    def current(self) -> str:
        assert self.session.current is not None
        return self.session.current

    def settle(self) -> None:
        assert self.annotator.wait_idle(SECONDS)


@pytest.fixture
def walk(makers: Makers) -> Iterator[Walk]:
    made = Walk(makers)
    yield made
    made.annotator.close()


def test_from_file_to_exported_mask(walk: Walk, scans: Path, tmp_path: Path) -> None:
    open_files(walk, scans, tmp_path / "session")  # 1, 2
    check_suggestions(walk)  # 3 to 8
    first = walk.current
    corrected = correct_and_accept(walk, tmp_path / "session")  # 9
    learn(walk)  # 10
    assert np.array_equal(walk.session.labels(first), corrected), "no model touches what is accepted"
    check_queue(walk)  # 11
    export(walk, first, tmp_path / "out")  # 12
    # a click in the middle may meet what the model suggests on top there
    assert all(one.startswith("“aponeurosis” is suggested here") for one in walk.problems)


def open_files(walk: Walk, scans: Path, folder: Path) -> None:
    """Files become frames of the session, and the session has a folder."""
    assert walk.annotator.open([scans]) == []
    assert [frame.id for frame in walk.session.frames] == [clip.frames[0].id for clip in open_paths([scans]).clips]
    assert walk.annotator.save_as(folder)


def check_suggestions(walk: Walk) -> None:
    """The frame was encoded, classified, prompted and segmented on the lane; the masks are one undo step."""
    walk.settle()
    annotator, session, first = walk.annotator, walk.session, walk.current
    frame, suggestions = session.frame(first), session.suggestions(first)
    assert set(suggestions) == {1, 2}
    for one in suggestions.values():
        assert one.mask.shape == one.cam.shape == (frame.height, frame.width)
        assert one.cam.min() >= 0
        assert one.cam.max() <= 1
        assert 0 <= one.presence <= 1
        assert bool(one.prompts) or not one.mask.any()
        assert one.model == walk.fingerprint
    assert session.status(first) is FrameStatus.SUGGESTED
    suggested = session.labels(first).copy()
    assert annotator.undo()
    assert not session.labels(first).any()
    assert annotator.redo()
    assert np.array_equal(session.labels(first), suggested)


def paint(walk: Walk) -> None:
    """A stroke of the brush near the lower border, which no suggestion has."""
    labels = walk.session.labels(walk.current).copy()
    labels[-12:-4, 20:60] = 1
    walk.annotator.stroke(labels)
    assert (walk.session.labels(walk.current)[-12:-4, 20:60] != 0).all()


def correct_and_accept(walk: Walk, folder: Path) -> Labels:
    """A point, a box and a brush, one step each; then accept, which is on the disk."""
    annotator, session, first = walk.annotator, walk.session, walk.current
    frame = session.frame(first)
    annotator.click(Point(frame.height / 2, frame.width / 2), 1)
    walk.settle()
    annotator.box((10.0, 10.0, frame.height - 40.0, frame.width - 10.0), 1)
    walk.settle()
    assert session.status(first) is FrameStatus.CORRECTED
    assert (session.labels(first) == 1).any()
    paint(walk)
    corrected = session.labels(first).copy()
    assert annotator.accept()
    assert np.array_equal(Store.read(folder).annotations[first].labels, corrected)
    found = session.suggestions(first)[1].mask.any()
    assert session.annotations[first].origins[1] is (MaskOrigin.CORRECTED if found else MaskOrigin.DRAWN)
    return corrected


def learn(walk: Walk) -> None:
    """Accepted frames and the rest start a round by themselves; a student that passes the gate serves."""
    before = walk.fingerprint
    for _ in range(2):
        walk.settle()
        paint(walk)
        assert walk.annotator.accept()
    assert walk.annotator.training
    walk.settle()
    assert walk.progress
    assert len(walk.reports) == len(walk.annotator.reports) == 1
    assert walk.reports[0].verdict
    assert (walk.fingerprint != before) == walk.reports[0].accepted
    assert {one.model for one in walk.session.suggestions(walk.current).values()} == {walk.fingerprint}


def check_queue(walk: Walk) -> None:
    """The queue offers the frames that are left, and says why."""
    walk.annotator.set_order("active")
    walk.settle()
    left = walk.annotator.queue
    assert set(left) == {one.id for one in walk.session.frames} - set(walk.session.annotations)
    words = walk.annotator.why(left[0])
    assert words
    assert "not looked" not in words


def export(walk: Walk, first: str, folder: Path) -> None:
    """Masks, measurements and provenance are written."""
    frame, annotations = walk.session.frame(first), walk.session.annotations
    written = walk.annotator.export(folder)
    assert len(written) == 2 * len(annotations) + 2
    rows = list(csv.DictReader((folder / "measurements.csv").read_text(encoding="utf-8").splitlines()))
    areas = {(row["frame"], row["structure"]): float(row["value"]) for row in rows if row["measure"] == "area"}
    pixel = frame.spacing.pixel_area_mm2 if frame.spacing else 1.0
    expected = float((annotations[first].labels == 1).sum()) * pixel
    assert areas[frame.stem, "muscle belly"] == pytest.approx(expected, rel=1e-3)
    provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    assert provenance["model"]["fingerprint"] == walk.fingerprint
