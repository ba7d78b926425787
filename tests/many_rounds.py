"""Ten rounds in a row in one process: is time flat, and memory; and was the estimate right? No test: run it.

``OMP_NUM_THREADS=1 python tests/many_rounds.py [ROUNDS] [STEPS]`` prints one JSON object a round: processor seconds of
the process, wall seconds, the estimate made before the round, memory in use after it and at most within it (MB).
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from napari_adasam.domain.effort import Work
from napari_adasam.domain.rounds import RoundReport
from napari_adasam.domain.settings import LearnSettings, ModelSettings, TrainSettings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.files import phantom
from napari_adasam.services.gate import held_count
from napari_adasam.services.ports import LabelledFrame, UnlabelledFrame
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.torch_start import keep_triton_out
from napari_adasam.services.trainer import RoundTrainer

LABELLED, REST = 10, 10


def in_use() -> float:
    """Memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def most_since_last() -> float:
    """The most memory of this process in MB since this was called last (Linux)."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


def main(rounds: int, steps: int) -> None:
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
        before, _ = in_use(), most_since_last()
        began, began_cpu = time.monotonic(), time.process_time()
        trainer = RoundTrainer(predictor, train, LearnSettings(max_fall=2, max_fall_structure=2))
        *_, report = trainer.round(labelled, rest, tuple(MUSCLE_PRESET))
        assert isinstance(report, RoundReport)
        row = {
            "round": number,
            "cpu_s": round(time.process_time() - began_cpu, 1),
            "wall_s": round(time.monotonic() - began, 1),
            "estimated_s": round(expected.seconds, 1),
            "mb_after": round(in_use()),
            "mb_most_beyond": round(most_since_last() - before),
            "estimated_mb": round(expected.bytes / 1e6),
        }
        sys.stdout.write(f"{json.dumps(row)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10, int(sys.argv[2]) if len(sys.argv) > 2 else 6)
