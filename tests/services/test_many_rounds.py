"""Ten rounds in a row in one process leave nothing behind; tests/many_rounds.py does it with the bundled model."""

from __future__ import annotations

import gc
from dataclasses import replace

import torch
from tiny import BELLY
from toy_rounds import LET_PASS, SHORT, Serving, labelled, serving, to_the_end, unlabelled

from napari_adasam.services.predictor import EARLIER
from napari_adasam.services.trainer import RoundTrainer

__all__ = ["serving"]  # a fixture


def tensors() -> tuple[int, int]:
    """How many tensors there are, and their bytes."""
    gc.collect()
    alive = [one for one in gc.get_objects() if issubclass(type(one), torch.Tensor)]
    return len(alive), sum(one.nbytes for one in alive)


def test_ten_rounds_leave_no_more_behind_than_the_models_to_go_back_to(serving: Serving) -> None:
    predictor = serving()
    counts, lineages = [], []
    for number in range(10):
        trainer = RoundTrainer(predictor, replace(SHORT, steps=1, seed=number), LET_PASS)
        report = to_the_end(trainer.round(labelled(2), unlabelled(1), (BELLY,)))
        assert report.accepted
        del trainer, report
        counts.append(tensors())
        lineages.append(len(predictor.info().lineage))
    assert counts[EARLIER] != counts[0]  # the earlier models that are kept
    assert len(set(counts[EARLIER + 1 :])) == 1, counts
    assert lineages == list(range(lineages[0], lineages[0] + 10))
