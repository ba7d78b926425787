"""A training with a tiny model that can be killed. No test: :mod:`test_killed_training` runs it as a child.

``python training_child.py DATASET OUT…`` trains to each OUT in turn, and prints each step that has reached the disk.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "model"))

from tiny import BELLY, tiny_net

from napari_adasam.domain.rounds import RoundProgress
from napari_adasam.domain.settings import ModelSettings, TrainSettings
from napari_adasam.model import registry
from napari_adasam.services import part_file
from napari_adasam.services.torch_start import keep_triton_out
from napari_adasam.services.training import TrainOptions, train_dataset


def main(folder: Path, outs: list[Path]) -> None:
    keep_triton_out()
    part_file.EVERY_S, part_file.SHARE = 0.0, 1e9
    train = TrainSettings(steps=4, batch=1, views=2, warm_up=0.3, rank=2)
    options = TrainOptions(labels=3, model=ModelSettings("tiny", device="cpu"), train=train)
    for out in outs:
        net = tiny_net(structures=(BELLY,))
        registry.load = lambda settings, net=net: net  # type: ignore[misc]
        told: list[int] = []

        def heard(event: RoundProgress, told: list[int] = told) -> None:
            if event.step and event.step not in told:
                told.append(event.step)
                if len(told) > 1:  # the step before this one was written when this one had begun
                    print(told[-2], flush=True)  # noqa: T201

        train_dataset(folder, out, options, heard, lambda sentence: print(sentence, file=sys.stderr))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(one) for one in sys.argv[2:]])
