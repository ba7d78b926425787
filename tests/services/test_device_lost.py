"""A graphics card that stops answering: back to the processor, with a sentence, and with what was learned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from annotator_fakes import Desk, FakePredictor, FakeTrainer, write_images

from napari_adasam.domain.prompts import Point
from napari_adasam.domain.session import Session
from napari_adasam.domain.settings import LearnSettings, Settings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.services.annotator import Annotator
from napari_adasam.services.ports import ModelInfo
from napari_adasam.services.sentences import DEVICE_LOST, is_device_lost, sentence

GONE = RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronously reported")


@dataclass
class OnDevice(FakePredictor):
    """On the card first; on the processor where the settings ask for it."""

    device: str = "cuda"

    def info(self) -> ModelInfo:
        return replace(super().info(), device=self.device)


class Computer:
    """An annotator whose card can be unplugged."""

    def __init__(self, folder: Path) -> None:
        self.made: list[OnDevice] = []
        self.annotator = Annotator(
            Session(MUSCLE_PRESET), self.make, lambda made: FakeTrainer(made), Settings(learn=LearnSettings(every=0))
        )  # type: ignore[arg-type]
        self.problems: list[str] = []
        self.annotator.problem.connect(self.problems.append)
        self.annotator.open([write_images(folder, 3)])
        self.settle()

    def make(self) -> OnDevice:
        self.made.append(OnDevice(device="cpu" if self.annotator.settings.model.device == "cpu" else "cuda"))
        return self.made[-1]

    def settle(self) -> None:
        assert self.annotator.wait_idle(10.0)

    def device(self) -> str:
        assert self.annotator.model is not None
        return self.annotator.model.device


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return Computer(tmp_path / "images")


def test_a_lost_card_is_left_for_the_processor_with_one_sentence(computer: Computer) -> None:
    annotator = computer.annotator
    assert computer.device() == "cuda"
    computer.made[0].fails = GONE
    annotator.click(Point(5, 5), 1)
    computer.settle()
    assert computer.problems == [DEVICE_LOST]
    assert computer.device() == "cpu"
    annotator.click(Point(5, 5), 1)
    computer.settle()
    assert annotator.session.current is not None
    assert not annotator.session.unanswered(annotator.session.current)
    assert computer.problems == [DEVICE_LOST]
    assert len(computer.made) == 2
    annotator.close()


def test_what_was_learned_and_kept_serves_again(computer: Computer, tmp_path: Path) -> None:
    annotator = computer.annotator
    assert annotator.save_as(tmp_path / "session")
    assert annotator.accept()
    computer.settle()
    assert annotator.start_round()
    computer.settle()
    assert annotator.model is not None
    assert annotator.model.fingerprint == "v2"
    computer.made[0].fails = GONE
    annotator.suggest()
    computer.settle()
    assert (computer.device(), annotator.model.fingerprint) == ("cpu", "v2")
    annotator.close()


def test_full_memory_and_other_errors_are_no_lost_card() -> None:
    assert is_device_lost(GONE)
    assert not is_device_lost(RuntimeError("CUDA error: out of memory"))
    assert not is_device_lost(RuntimeError("shapes do not fit"))
    assert sentence(GONE, "Learning") == DEVICE_LOST


def test_on_the_processor_such_an_error_changes_nothing(desk: Desk) -> None:
    desk.settle()
    desk.predictor.fails = GONE
    desk.annotator.suggest()
    desk.settle()
    assert desk.annotator.settings.model.device != "cpu"
