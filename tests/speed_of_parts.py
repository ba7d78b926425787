"""Processor time of each hot path, and how long a click waits while a round runs. No test: run it as a script.

``OMP_NUM_THREADS=1 python tests/speed_of_parts.py [parts] [waits]`` prints one JSON object a line. It counts the time
of the computing thread alone, so that other programs on the machine do not change it much. Images are drawn.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.settings import LearnSettings, ModelSettings, PromptSettings, TrainSettings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.files import phantom
from napari_adasam.model.canvas import normalise
from napari_adasam.services import interludes
from napari_adasam.services import trainer as trainer_module
from napari_adasam.services.gate import Held
from napari_adasam.services.ports import LabelledFrame, UnlabelledFrame
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.torch_start import keep_triton_out
from napari_adasam.services.trainer import Material, RoundTrainer
from napari_adasam.services.unlabelled import Unlabelled
from napari_adasam.services.views import Views

STRUCTURES = tuple(MUSCLE_PRESET)


def show(**row: object) -> None:
    sys.stdout.write(f"{json.dumps(row)}\n")
    sys.stdout.flush()


def measure(what: str, work: Callable[[], object], runs: int = 5) -> None:
    work()
    times = []
    for _ in range(runs):
        began = time.thread_time()
        work()
        times.append(1000 * (time.thread_time() - began))
    show(what=what, median_ms=round(float(np.median(times)), 1), least_ms=round(min(times), 1))


def frames(count: int) -> list[LabelledFrame]:
    drawn = [phantom.draw(seed) for seed in range(count)]
    return [LabelledFrame(f"f{i}", one.pixels, one.labels, f"g{i}") for i, one in enumerate(drawn)]


def parts() -> None:
    """Encoding, a click, a suggestion, the preparation of a view, and a training step on either kind of frame."""
    predictor, given = ModelPredictor(ModelSettings(device="cpu")), frames(2)
    one, rest = given[0], UnlabelledFrame("u", given[1].pixels)
    trainer = RoundTrainer(predictor, TrainSettings(), gated=False)
    grey, valid = predictor.square(one.pixels, None)
    image = normalise(grey[None], valid[None])
    with torch.no_grad():
        measure("encode", lambda: predictor.net.sam.encoder(image))
    click = Prompt(points=(Point(200, 200),))
    measure("click", lambda: predictor.segment("f0", one.pixels, click, None))
    measure("suggestion", lambda: predictor.suggest("f0", one.pixels, STRUCTURES, PromptSettings()))
    student, since = trainer._student(STRUCTURES)
    teacher = trainer._student(STRUCTURES)[0].requires_grad_(False).eval()
    views, rng = Views(predictor, student, since), np.random.default_rng(0)
    material = Material(Held((one,), ()), (), STRUCTURES)
    measure("view", lambda: (predictor.activations.clear(), views.labelled(one, 1)), runs=3)
    measure("labelled step", lambda: trainer._labelled(student, views, material, rng), runs=8)
    unlabelled = Unlabelled((rest,), STRUCTURES, views, trainer.train, trainer.prompts)
    measure("unlabelled step", lambda: unlabelled.loss(student, teacher, rng, 0.5).backward(), runs=6)


def waits() -> None:
    """How long a click that comes at any instant of a round waits for its turn; the click itself not counted."""
    given, rest = frames(5), [UnlabelledFrame(f"u{i}", one.pixels) for i, one in enumerate(frames(9)[5:])]
    predictor = ModelPredictor(ModelSettings(device="cpu"))
    predictor.info()
    turns, ends = [time.thread_time()], [time.thread_time()]
    interludes.give_way = trainer_module.give_way = lambda: turns.append(time.thread_time())
    trainer = RoundTrainer(predictor, TrainSettings(steps=8, warm_up=0.4), LearnSettings())
    for _ in trainer.round(given, rest, STRUCTURES):
        ends.append(time.thread_time())
    for what, points in (("wait with turns within a step", sorted(turns + ends)), ("wait for the step's end", ends)):
        gaps = 1000 * np.diff(points)
        instants = np.random.default_rng(0).choice(gaps, 100_000, p=gaps / gaps.sum())
        found = instants * np.random.default_rng(1).random(len(instants))
        p50, p95, p99 = (round(float(one), 1) for one in np.percentile(found, (50, 95, 99)))
        show(what=what, p50=p50, p95=p95, p99=p99, max=round(float(gaps.max()), 1), turns=len(points))


if __name__ == "__main__":
    keep_triton_out()
    torch.set_num_threads(1)
    for name in sys.argv[1:] or ("parts", "waits"):
        {"parts": parts, "waits": waits}[name]()
