"""Rounds in a process of their own: the same result, and whatever may become of a process."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lane_fakes import SECONDS, Heard
from tiny import BELLY, tiny_net, tiny_vit
from toy_rounds import LET_PASS, REFUSE, SHORT, Serving, labelled, serving, to_the_end, unlabelled

from napari_adasam.domain.errors import InputError, ModelError
from napari_adasam.domain.rounds import RoundProgress, RoundReport
from napari_adasam.domain.settings import LearnSettings, PromptSettings
from napari_adasam.services import child as child_module
from napari_adasam.services import process_trainer
from napari_adasam.services.child import Child
from napari_adasam.services.lane import Job, JobKind
from napari_adasam.services.ports import Picture, Pixels
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.process_trainer import MODULE, Assignment, ProcessTrainer
from napari_adasam.services.regions import Region
from napari_adasam.services.trainer import RoundTrainer

__all__ = ["serving"]  # a fixture
ENDLESS = replace(SHORT, steps=100_000)
LONG = 300.0


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """So that both processes add up in the same order, and other tests leave it a share of the cores."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("NAPARI_ADASAM_NICE", "0")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Round:
    """A round of a process, as a job of a lane."""

    def __init__(self, heard: Heard, trainer: ProcessTrainer, frames: int = 3) -> None:
        self.heard, self._trainer, self._frames = heard, trainer, frames
        self.job = heard.lane.submit(Job(JobKind.TRAIN, self._work))

    def _work(self) -> Iterator[object]:
        yield from self._trainer.round(labelled(self._frames), unlabelled(2), (BELLY,))

    @property
    def seen(self) -> list[object]:
        return [one.value for one in self.heard.of(self.job) if one.state == "progress"]

    @property
    def steps(self) -> int:
        return sum(isinstance(one, RoundProgress) and one.step > 0 for one in self.seen)

    def until(self, enough: Callable[[], bool]) -> None:
        """Importing torch takes long in a process of its own."""
        end = time.monotonic() + LONG
        while not enough():
            assert time.monotonic() < end
            self.heard.outcomes += self.heard.waiting()
            time.sleep(0.01)

    def end(self) -> BaseException | None:
        self.until(lambda: self.heard.end(self.job) is not None)
        return self.heard.end(self.job).error

    def report(self) -> RoundReport:
        error = self.end()
        assert error is None, error
        last = self.seen[-1]
        assert isinstance(last, RoundReport)
        return last


@pytest.fixture
def predictor(serving: Serving) -> ModelPredictor:
    made = serving(tiny_net(encoder=tiny_vit(depth=2)))
    made.info()
    return made


def test_it_gives_what_a_round_on_the_thread_gives_bit_for_bit(
    heard: Heard, predictor: ModelPredictor, serving: Serving
) -> None:
    other = serving(copy.deepcopy(predictor.net))
    here = to_the_end(RoundTrainer(other, SHORT, LET_PASS).round(labelled(3), unlabelled(2), (BELLY,)))
    there = Round(heard, ProcessTrainer(predictor, SHORT, LET_PASS)).report()
    assert here.accepted
    assert there.accepted
    assert there.losses == here.losses
    assert there.after == here.after
    assert there.model == here.model == predictor.info().fingerprint == other.info().fingerprint
    assert predictor.info().lineage == other.info().lineage
    assert (predictor.rounds, predictor.past) == (other.rounds, other.past)
    assert predictor.info().earlier == 1


def test_what_it_has_encoded_and_timed_is_there_for_the_next_round(heard: Heard, predictor: ModelPredictor) -> None:
    Round(heard, ProcessTrainer(predictor, SHORT, LET_PASS)).report()
    keys = set(predictor.activations.of(tuple(f"f{i}" for i in range(3))))
    assert any("/plain/" in key for key in keys), keys
    assert any("/plain/" not in key for key in keys), "augmented views, too"
    assert predictor.watch.times["labelled"] > 0
    assert "encode" not in predictor.watch.times


def test_a_refused_student_changes_nothing_that_serves(heard: Heard, predictor: ModelPredictor) -> None:
    before = predictor.info()
    net = predictor.net
    report = Round(heard, ProcessTrainer(predictor, SHORT, REFUSE)).report()
    assert not report.accepted
    assert predictor.info() == before
    assert predictor.net is net
    assert predictor.rounds == 1
    assert predictor.past.held


def test_clicks_are_answered_while_it_runs_and_cancelling_ends_the_process(
    heard: Heard, predictor: ModelPredictor
) -> None:
    before = predictor.info()
    going = Round(heard, ProcessTrainer(predictor, ENDLESS, LET_PASS))
    going.until(lambda: going.steps > 2)
    (child,) = children()
    click = heard.lane.submit(Job(JobKind.SUGGEST, lambda: "a mask"))  # not even one that may come within a step
    heard.until_ended(click)
    began = time.monotonic()
    heard.lane.cancel(going.job)
    heard.until_ended(going.job)
    assert time.monotonic() - began < 1.0
    assert heard.end(going.job).state == "cancelled"
    assert predictor.info() == before
    assert child not in children()


def test_it_pauses_and_goes_on(heard: Heard, predictor: ModelPredictor) -> None:
    going = Round(heard, ProcessTrainer(predictor, ENDLESS, LET_PASS))
    going.until(lambda: going.steps > 2)
    (child,) = children()
    heard.lane.pause(going.job)
    time.sleep(1.0)
    before = processor_time(child)
    time.sleep(0.5)
    assert processor_time(child) - before < 0.1
    heard.lane.pause(going.job, False)
    steps = going.steps
    going.until(lambda: going.steps > steps + 50)
    heard.lane.cancel(going.job)


def test_a_pause_that_comes_while_the_process_starts_holds_it(
    heard: Heard,
    predictor: ModelPredictor,
    as_module: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    lines = (
        "second = pickle.load(sys.stdin.buffer); open(os.environ['SECOND'], 'w').write(repr(second)); time.sleep(60)"
    )
    monkeypatch.setenv("SECOND", str(tmp_path / "second"))
    going: list[int] = []

    class Slow(Child):
        def __init__(self, *given: Any) -> None:
            heard.lane.pause(going[0])
            super().__init__(*given)

    monkeypatch.setattr(process_trainer, "Child", Slow)
    trainer = ProcessTrainer(predictor, ENDLESS, module=as_module(lines))
    predictor.info()
    heard.hold()
    going.append(Round(heard, trainer).job)
    heard.gate.set()
    end = time.monotonic() + 20
    while read(tmp_path / "second") != "True":
        assert time.monotonic() < end, "nobody has told the process to pause"
        time.sleep(0.05)
    heard.lane.cancel(going[0])
    heard.until_ended(going[0])


@pytest.mark.parametrize("of", ["regions", "neighbours"])
def test_frames_whose_file_cannot_be_looked_at_are_left_out(
    heard: Heard, predictor: ModelPredictor, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    def damaged(frame_id: str) -> None:
        if frame_id in ("f1", "u0"):
            raise InputError("clip.avi is damaged.")

    def around(frame: Picture, slices: int) -> None:
        damaged(frame.frame_id)

    real = predictor.seen

    def seen(frame_id: str, pixels: Pixels) -> tuple[str, Region | None]:
        damaged(frame_id)
        return real(frame_id, pixels)

    if of == "regions":
        monkeypatch.setattr(predictor, "seen", seen)
    else:
        monkeypatch.setattr(predictor.neighbours, "around", around)
    report = Round(heard, ProcessTrainer(predictor, SHORT, LET_PASS)).report()
    assert (report.labelled + report.held_out, report.unlabelled) == (2, 1)
    assert report.verdict.endswith("2 images were left out, because their files cannot be read: clip.avi is damaged.")


def test_where_no_accepted_frame_can_be_looked_at_the_round_says_why(
    heard: Heard, predictor: ModelPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object) -> None:
        raise InputError("clip.avi is damaged.")

    monkeypatch.setattr(predictor, "seen", damaged)
    error = Round(heard, ProcessTrainer(predictor, SHORT, LET_PASS)).end()
    assert isinstance(error, InputError)
    assert "clip.avi is damaged." in str(error)


# -- processes that do not do as they should -------------------------------------------------------------------------


@pytest.fixture
def as_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Make a module for the process, of these lines; ``tell`` is there to send with."""

    def made(lines: str) -> str:
        head = """
            import os, pickle, pickletools, sys, time, types
            told = types.SimpleNamespace(read=sys.stdin.buffer.read, readline=sys.stdin.buffer.readline)
            for _ in pickletools.genops(told):  # to its end; nothing is made of it, for that takes torch
                pass
            def tell(message):
                pickle.dump(message, sys.stdout.buffer)
                sys.stdout.buffer.flush()
        """
        Path(tmp_path, "stand_in.py").write_text(textwrap.dedent(head) + textwrap.dedent(lines))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return "stand_in"

    return made


@pytest.mark.parametrize("lines", ["os._exit(3)", "os.write(1, b'half a'); os._exit(3)"])
def test_a_crash_is_a_sentence_and_changes_nothing(
    heard: Heard, predictor: ModelPredictor, as_module: Callable[[str], str], lines: str
) -> None:
    before = predictor.info()
    error = Round(heard, ProcessTrainer(predictor, SHORT, module=as_module(lines))).end()
    assert isinstance(error, ModelError)
    assert "(code 3)" in str(error)
    assert predictor.info() == before
    report = Round(heard, ProcessTrainer(predictor, SHORT, LET_PASS)).report()  # and the next one runs
    assert report.accepted


def test_a_process_that_says_what_cannot_be_read_is_ended(
    heard: Heard, predictor: ModelPredictor, as_module: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where memory is full while the new weights are taken over: the process would wait for ever."""
    monkeypatch.setattr(child_module, "PATIENCE", 0.2, raising=False)
    began = time.monotonic()
    lines = "os.write(1, b'half a'); time.sleep(60)"
    error = Round(heard, ProcessTrainer(predictor, SHORT, module=as_module(lines))).end()
    assert isinstance(error, ModelError)
    assert time.monotonic() - began < 40
    assert "all annotations are as they were" in str(error)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [("MemoryError('full')", MemoryError), ("RuntimeError('CUDA error: unspecified launch failure')", RuntimeError)],
)
def test_an_error_there_is_the_error_here(
    heard: Heard,
    predictor: ModelPredictor,
    as_module: Callable[[str], str],
    raised: str,
    expected: type[BaseException],
) -> None:
    error = Round(heard, ProcessTrainer(predictor, SHORT, module=as_module(f"tell({raised}); time.sleep(60)"))).end()
    assert type(error) is expected


def test_a_message_of_another_kind_is_refused(
    heard: Heard, predictor: ModelPredictor, as_module: Callable[[str], str]
) -> None:
    error = Round(heard, ProcessTrainer(predictor, SHORT, module=as_module("tell(1); time.sleep(60)"))).end()
    assert isinstance(error, TypeError)


def test_what_the_round_raises_comes_through(heard: Heard, predictor: ModelPredictor) -> None:
    error = Round(heard, ProcessTrainer(predictor, SHORT), frames=0).end()
    assert isinstance(error, ModelError)
    assert "no accepted frame" in str(error)


def test_it_ends_when_the_window_is_gone(predictor: ModelPredictor) -> None:
    given = (tuple(labelled(3)), (), (BELLY,), {f"f{i}": None for i in range(3)}, {}, None)
    settings = (ENDLESS, LearnSettings(), PromptSettings())
    order = Assignment(predictor.settings, pickle.dumps(predictor.serving), settings, *given)
    command = [sys.executable, "-m", MODULE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        pickle.dump(order, child.stdin)
        child.stdin.flush()
        assert isinstance(pickle.load(child.stdout), RoundProgress)
        child.stdin.close()
        while child.stdout.read(65536):  # what it has said before it noticed
            pass
        assert child.wait(SECONDS) == 0


def test_an_error_that_cannot_be_read_again_keeps_its_words() -> None:
    from napari_adasam.services.round_process import _pickled

    class NoPickleError(Exception):
        pass

    found = pickle.loads(_pickled(NoPickleError("why")))
    assert isinstance(found, RuntimeError)
    assert "NoPickleError: why" in str(found)
    assert isinstance(pickle.loads(_pickled(InputError("a sentence"))), InputError)


def test_a_result_that_there_is_no_memory_to_send_is_an_error() -> None:
    from napari_adasam.services.round_process import _pickled

    class Large:
        def __reduce__(self) -> str:
            raise MemoryError

    assert isinstance(pickle.loads(_pickled(Large())), MemoryError)


def children() -> list[int]:
    """Processes that run rounds for this one."""
    found = [pid for thread in Path("/proc/self/task").iterdir() for pid in read(thread / "children").split()]
    return [int(pid) for pid in found if MODULE in read(Path("/proc", pid, "cmdline"))]


def read(path: Path) -> str:
    """A file of ``/proc``; empty where its thread or process has just ended."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def processor_time(pid: int) -> float:
    """Seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
