"""A training that was stopped goes on as if it had not been: the same weights and losses, bit for bit."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tiny import APONEUROSIS, BELLY, BrightnessEncoder, see_brightness, tiny_net, tiny_vit
from toy_rounds import SHORT, Serving, labelled, serving, unlabelled

from napari_adasam.domain.rounds import RoundProgress, RoundReport
from napari_adasam.domain.settings import PromptSettings, Recipe, TrainSettings
from napari_adasam.model import adaptation, supervision
from napari_adasam.model.adasam import AdaSam
from napari_adasam.services import part_file
from napari_adasam.services import trainer as trainer_module
from napari_adasam.services.part_file import PartFile
from napari_adasam.services.resuming import Training
from napari_adasam.services.trainer import RoundTrainer

__all__ = ["serving"]  # a fixture

USUAL = "as usual"
OF = dict.fromkeys(part_file.WORDS, "the same")
STEPS = replace(SHORT, steps=4, batch=2, warm_up=0.2, rank=2, confidence=0.6)
Make = Callable[[], AdaSam]


def bright() -> AdaSam:
    """It finds the discs from the first step on, so that teachers say something."""
    return see_brightness(tiny_net(encoder=BrightnessEncoder()))


def untaught() -> AdaSam:
    """It knows no structure yet, so that maps are fitted ahead of the first step."""
    return tiny_net(structures=(), encoder=tiny_vit(depth=2))


def with_gradcam() -> AdaSam:
    """Its classifier drops features out, which draws from torch's generator."""
    return tiny_net(encoder=tiny_vit(depth=2), form="gradcam")


def with_recipe(**parts: object) -> TrainSettings:
    return replace(STEPS, recipe=replace(Recipe(), **parts))  # type: ignore[arg-type]


KINDS: dict[str, tuple[Make, TrainSettings, PromptSettings]] = {
    USUAL: (bright, STEPS, PromptSettings()),
    "structures that are new": (untaught, STEPS, PromptSettings()),
    "gradcam": (with_gradcam, replace(STEPS, method="lora"), PromptSettings()),
    "feedback": (bright, with_recipe(feedback="train+infer"), PromptSettings()),
    "cutmix": (bright, with_recipe(cutmix=True, ramp=False), PromptSettings()),
    "tokens": (
        lambda: tiny_net(structures=(BELLY, APONEUROSIS), encoder=tiny_vit(depth=2)),
        replace(with_recipe(cutmix=True, ramp=False), method="masam"),
        PromptSettings(use_token=True),
    ),
    "the classifier alone": (bright, replace(STEPS, steps=8).mild(), PromptSettings()),
}


@dataclass
class Bench:
    """Trains one kind in a folder, as often as it is stopped."""

    serve: Serving
    folder: Path
    kind: tuple[Make, TrainSettings, PromptSettings]

    def train(self, heard: Callable[[RoundProgress], None]) -> tuple[list[float], dict[str, torch.Tensor]] | None:
        """Losses and adapter; ``None`` where what hears of its progress has stopped it."""
        make, settings, prompts = self.kind
        net = seeded(make)
        predictor = self.serve(net)
        trainer = RoundTrainer(predictor, settings, prompts=prompts, gated=False)
        try:
            with PartFile(self.folder / "m.safetensors", OF, print) as part:
                trainer.at_start = part.take_up
                for event in trainer.round(labelled(2), unlabelled(2, {1: True}), net.card.structures or (BELLY,)):
                    if isinstance(event, RoundProgress):
                        heard(event)
                        part.keep_if_due()
        except KeyboardInterrupt:
            return None
        assert isinstance(event, RoundReport)
        return list(event.losses), adaptation.state(predictor.net)


def to_its_end(event: RoundProgress) -> None:
    """Nobody stops it."""


def stopped_behind(views: int) -> Callable[[RoundProgress], None]:
    """Somebody stops it behind so many words on its learning."""
    left = [views]

    def heard(event: RoundProgress) -> None:
        left[0] -= event.what.startswith("learning")
        if left[0] <= 0:
            raise KeyboardInterrupt

    return heard


def seeded(make: Make) -> AdaSam:
    """The same weights at each call, and torch's draws as they were."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make()


def draw_elsewhere() -> None:
    """A new process begins with other draws."""
    random.seed()
    np.random.seed()
    torch.manual_seed(random.randrange(2**30))


def check_same(first: object, second: object) -> None:
    assert isinstance(first, tuple)
    assert isinstance(second, tuple)
    assert first[0] == second[0]
    assert first[1].keys() == second[1].keys()
    assert [name for name in first[1] if not torch.equal(first[1][name], second[1][name])] == []


@pytest.fixture
def bench(serving: Serving, tmp_path: Path) -> Callable[[str], Bench]:
    return lambda name: Bench(serving, tmp_path, KINDS[name])


@pytest.mark.parametrize(
    ("name", "stops"),
    [
        (USUAL, (1, 3, 5, 4, 0)),
        ("structures that are new", (9,)),
        ("gradcam", (8,)),
        ("feedback", (9,)),
        ("cutmix", (9,)),
        ("tokens", (9,)),
        ("the classifier alone", (6,)),
    ],
)
def test_a_stopped_training_ends_as_one_that_was_not(
    bench: Callable[[str], Bench], name: str, stops: tuple[int, ...]
) -> None:
    """Stopped within a step and behind one, in the warm-up and later, once more when it had gone on, and before it."""
    own = bench(name)
    whole = own.train(to_its_end)
    assert whole is not None
    assert any(tensor.any() for tensor in whole[1].values())
    for views in stops:
        draw_elsewhere()
        assert own.train(stopped_behind(views)) is None
    assert len(kept(own)["losses"]) >= 2
    draw_elsewhere()
    check_same(own.train(to_its_end), whole)
    assert list(own.folder.iterdir()) == []


def kept(bench: Bench) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(bench.folder / "m.safetensors.part", weights_only=True)["training"]
    return found


def test_a_graphics_card_draws_on_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a generator of its own; here one that is made up."""
    card = torch.Generator().manual_seed(3)
    module = SimpleNamespace(get_rng_state=card.get_state, set_rng_state=card.set_state)
    monkeypatch.setattr(torch, "get_device_module", {torch.device("cuda"): module}.__getitem__)
    monkeypatch.setattr(AdaSam, "device", torch.device("cuda"))
    net, mean = bright(), bright()
    optimiser = torch.optim.AdamW(net.parameters())
    training = Training(net, mean, optimiser, np.random.default_rng(0))
    captured = training.capture()
    assert captured is not None
    drawn = torch.rand(3, generator=card)
    training.restore(captured)
    assert torch.equal(torch.rand(3, generator=card), drawn)


def test_stopped_while_weights_move_it_goes_on_from_what_was_kept_before(
    bench: Callable[[str], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = bench(USUAL)
    whole = own.train(to_its_end)
    assert own.train(stopped_behind(4)) is None
    real, calls = trainer_module.average, iter(range(10))

    def broken(*given: object) -> None:
        if next(calls) == 1:
            raise KeyboardInterrupt
        real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer_module, "average", broken)
    assert own.train(to_its_end) is None
    monkeypatch.setattr(trainer_module, "average", real)
    assert len(kept(own)["losses"]) == 1
    check_same(own.train(to_its_end), whole)


def test_what_was_given_up_for_want_of_memory_stays_given_up(
    bench: Callable[[str], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is short in the second step alone, so that one that goes on could afford all of it again."""
    own = bench(USUAL)
    real, hungry, asked = supervision.answered, [False], list[int]()

    def answered(net: AdaSam, embedding: torch.Tensor, prompts: list[object]) -> object:
        asked.append(len(prompts))
        if hungry[0] and len(prompts) > 1:
            raise MemoryError
        return real(net, embedding, prompts)  # type: ignore[arg-type]

    def short(event: RoundProgress) -> None:
        hungry[0] = event.step == 1

    def short_and_stopped(event: RoundProgress) -> None:
        short(event)
        stop(event)

    monkeypatch.setattr(supervision, "answered", answered)
    stop = stopped_behind(9)
    whole = own.train(short)
    assert max(asked) > 1
    assert own.train(short_and_stopped) is None
    assert kept(own)["others"]["thrift"]["most_prompts"] == 1
    asked.clear()
    check_same(own.train(to_its_end), whole)
    assert set(asked) == {1}
