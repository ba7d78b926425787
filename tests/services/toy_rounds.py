"""Toy images for rounds, and a predictor that serves a tiny model."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tiny import blob, tiny_net, tiny_vit

from napari_adasam.domain.rounds import RoundProgress, RoundReport
from napari_adasam.domain.settings import LearnSettings, ModelSettings, TrainSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.model import registry
from napari_adasam.model.adasam import AdaSam
from napari_adasam.services.ports import LabelledFrame, UnlabelledFrame
from napari_adasam.services.predictor import ModelPredictor

BONE = Structure(2, "bone")
SHORT = TrainSettings(steps=2, batch=1, views=2, warm_up=0.0, unlabelled_every=1, rank=2, lr=1e-2)
LET_PASS, REFUSE = LearnSettings(max_fall=2, max_fall_structure=2), LearnSettings(max_fall=-2)
Serving = Callable[..., ModelPredictor]


def labelled(count: int, start: int = 0) -> list[LabelledFrame]:
    return [LabelledFrame(f"f{i}", *blob(i), group=f"g{i}") for i in range(start, start + count)]


def unlabelled(count: int, present: dict[int, bool] | None = None) -> list[UnlabelledFrame]:
    return [UnlabelledFrame(f"u{i}", blob(100 + i)[0], present or {}) for i in range(count)]


def to_the_end(events: Iterator[RoundProgress | RoundReport]) -> RoundReport:
    *_, report = events
    assert isinstance(report, RoundReport)
    return report


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Serving:
    def serve(net: AdaSam | None = None) -> ModelPredictor:
        made = net or tiny_net(encoder=tiny_vit(depth=2))
        monkeypatch.setattr(registry, "load", lambda settings: made)
        return ModelPredictor(ModelSettings("tiny", device="cpu"))

    return serve
