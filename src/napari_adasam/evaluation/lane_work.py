"""The same encoding and the same training steps, to be done inline, on a thread or in a process of its own.

``python -m napari_adasam.evaluation.lane_work STEPS`` does them in this process: one line of JSON after each.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.settings import ModelSettings, TrainSettings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.evaluation.speed import last_line
from napari_adasam.files import phantom

MODULE = "napari_adasam.evaluation.lane_work"
READY = "ready"


@dataclass(frozen=True, slots=True)
class Done:
    """One piece of the work, ``"ready"``, ``"encode"`` or ``"step"``: when it began and ended, in s of the clock."""

    what: str
    began: float
    at: float


def work(steps: int, model: str = ModelSettings().name) -> Generator[Done, None, None]:
    """Encode one picture, then train; yields after each piece, and first when the model is loaded.

    A step is one labelled view with two prompts: half of the default step, and of the same parts.
    """
    from napari_adasam.services.ports import LabelledFrame
    from napari_adasam.services.predictor import ModelPredictor
    from napari_adasam.services.trainer import RoundTrainer

    began, drawn = time.time(), phantom.draw(3)
    predictor = ModelPredictor(ModelSettings(name=model))
    predictor.info()
    yield Done(READY, began, time.time())
    began = time.time()
    predictor.embedding("frame", drawn.pixels)
    yield Done("encode", began, time.time())
    settings = TrainSettings(method="lora", steps=steps, batch=1, most_prompts=2)
    frame = LabelledFrame("frame", drawn.pixels, drawn.labels, "group")
    done, began = 0, time.time()
    for progress in RoundTrainer(predictor, settings, gated=False).round([frame], [], tuple(MUSCLE_PRESET)):
        if getattr(progress, "step", 0) > done:
            done += 1
            yield Done("step", began, time.time())
            began = time.time()


def in_a_process(steps: int, model: str = ModelSettings().name) -> Iterator[Done]:
    """The same in a process of its own, read line by line. AdasamError if that does not come to its end."""
    command = [sys.executable, "-W", "ignore", "-m", MODULE, str(steps), model]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            for line in child.stdout:
                yield Done(**json.loads(line))
            problem = last_line(child.stderr.read()) if child.stderr is not None else ""
        finally:
            child.kill()
    if child.returncode != 0:
        raise AdasamError(f"The process that trains has failed: {problem}")


def main() -> None:
    """Do the work, one line a piece."""
    from napari_adasam.services.torch_start import keep_triton_out, share_cores

    keep_triton_out()
    share_cores()
    for done in work(int(sys.argv[1]), sys.argv[2]):
        sys.stdout.write(f"{json.dumps(asdict(done))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
