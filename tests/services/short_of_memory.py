"""A round in a process whose address space is limited. No test: :mod:`test_short_of_memory` runs it as a child.

``python short_of_memory.py MIB`` takes a short round with the bundled model, with so many MiB beyond what the model and
the pictures take, and prints what it said as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import torch

from napari_adasam.domain.rounds import RoundReport
from napari_adasam.domain.settings import LearnSettings, ModelSettings, PromptSettings, TrainSettings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.files import phantom
from napari_adasam.services.ports import LabelledFrame, UnlabelledFrame
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.sentences import sentence
from napari_adasam.services.torch_start import keep_triton_out
from napari_adasam.services.trainer import RoundTrainer


def in_use() -> int:
    """The address space of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def main(mib: int) -> None:
    keep_triton_out()
    torch.set_num_threads(1)
    drawn = [phantom.draw(seed) for seed in range(2)]
    labelled = [LabelledFrame("f0", drawn[0].pixels, drawn[0].labels, "g0")]
    unlabelled = [UnlabelledFrame("u0", drawn[1].pixels)]
    predictor = ModelPredictor(ModelSettings(device="cpu", use_sector=False))
    for frame in (*labelled, *unlabelled):
        predictor.embedding(frame.frame_id, frame.pixels)
    train = TrainSettings(steps=1, batch=1, views=1, warm_up=0.0)
    steps = iter(
        RoundTrainer(predictor, train, LearnSettings(max_fall=2, max_fall_structure=2)).round(
            labelled, unlabelled, tuple(MUSCLE_PRESET)
        )
    )
    limit = in_use() + mib * 2**20
    unlimited = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit, unlimited[1]))
    try:
        *_, report = steps
        assert isinstance(report, RoundReport)
        told = {"verdict": report.verdict, "accepted": report.accepted}
    except (RuntimeError, MemoryError) as error:
        told = {"error": sentence(error, "Learning"), "cause": str(error)}
    resource.setrlimit(resource.RLIMIT_AS, unlimited)
    answers = predictor.suggest("f0", labelled[0].pixels, tuple(MUSCLE_PRESET), PromptSettings())
    sys.stdout.write(json.dumps(told | {"answers": len(answers)}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
