"""Ten rounds in a row in one process: is time flat, and memory; and was the estimate right? No test: run it.

``OMP_NUM_THREADS=1 python tests/many_rounds.py [ROUNDS] [STEPS] [process]`` prints one JSON object a round: processor
seconds, wall seconds, the estimate made before the round, memory in use after it and at most within it (MB), all with
children. With ``process`` each round is in a process of its own, as in the window.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

from napari_adasam.domain.effort import Work
from napari_adasam.domain.rounds import RoundReport
from napari_adasam.domain.settings import LearnSettings, ModelSettings, TrainSettings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.evaluation.memory import resident_mb
from napari_adasam.files import phantom
from napari_adasam.services.gate import held_count
from napari_adasam.services.jobs import ASLEEP
from napari_adasam.services.ports import LabelledFrame, UnlabelledFrame
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.process_trainer import ProcessTrainer
from napari_adasam.services.torch_start import keep_triton_out
from napari_adasam.services.trainer import RoundTrainer

LABELLED, REST = 10, 10


class Most:
    """The most memory (MB) of this process and its children while it is open, seen ten times a second."""

    def __enter__(self) -> Most:
        self.mb, self._over = resident_mb(), threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            self.mb = max(self.mb, resident_mb())


def run(trainer: RoundTrainer | ProcessTrainer, *frames: Any) -> None:
    """A round to its end."""
    for event in trainer.round(*frames, tuple(MUSCLE_PRESET)):
        if event is ASLEEP:
            time.sleep(0.02)
    assert isinstance(event, RoundReport)
    assert event.accepted


def main(rounds: int, steps: int, process: bool) -> None:
    keep_triton_out()
    drawn = [phantom.draw(seed) for seed in range(LABELLED + REST)]
    labelled = [LabelledFrame(f"f{i}", one.pixels, one.labels, f"g{i}") for i, one in enumerate(drawn[:LABELLED])]
    rest = [UnlabelledFrame(f"u{i}", one.pixels) for i, one in enumerate(drawn[LABELLED:])]
    predictor = ModelPredictor(ModelSettings(device="cpu"))
    for frame in labelled:
        predictor.embedding(frame.frame_id, frame.pixels)
    held = held_count(LABELLED)
    for number in range(1, rounds + 1):
        watch = predictor.watch
        assert watch.speeds is not None
        assert watch.size is not None
        train = TrainSettings(steps=steps, seed=number)
        work = Work.of(train, LABELLED - held, held, REST, number - 1)
        expected = work.estimate(watch.speeds, watch.size, train.most_prompts)
        before, began, began_cpu = resident_mb(), time.monotonic(), sum(os.times()[:4])
        make = ProcessTrainer if process else RoundTrainer
        with Most() as most:
            run(make(predictor, train, LearnSettings(max_fall=2, max_fall_structure=2)), labelled, rest)
        row = {
            "round": number,
            "cpu_s": round(sum(os.times()[:4]) - began_cpu, 1),
            "wall_s": round(time.monotonic() - began, 1),
            "estimated_s": round(expected.seconds, 1),
            "mb_after": round(resident_mb()),
            "mb_most_beyond": round(most.mb - before),
            "estimated_mb": round(expected.bytes / 1e6),
        }
        sys.stdout.write(f"{json.dumps(row)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 10,
        int(sys.argv[2]) if len(sys.argv) > 2 else 6,
        "process" in sys.argv,
    )
