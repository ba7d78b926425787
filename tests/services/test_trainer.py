"""A fine-tuning round on toy images: a bright disc on a dark ground."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import BELLY, BrightnessEncoder, blob, embed, picture, tiny_net, tiny_vit
from toy_rounds import BONE, LET_PASS, REFUSE, SHORT, Serving, labelled, serving, to_the_end, unlabelled

from napari_adasam.domain.errors import ModelError
from napari_adasam.domain.overlap import dice
from napari_adasam.domain.rounds import RoundProgress, RoundReport
from napari_adasam.domain.settings import (
    NEVER,
    LossWeights,
    Method,
    ModelSettings,
    PromptSettings,
    Recipe,
    TrainSettings,
)
from napari_adasam.model import adaptation, checkpoints, pseudo, registry, supervision
from napari_adasam.model.adapters import lora
from napari_adasam.model.adapters.parts import HEADS
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.canvas import label_canvas
from napari_adasam.model.classifier import ClassMap
from napari_adasam.model.sam import PromptBatch, SamNet
from napari_adasam.model.supervision import Lesson, labelled_loss
from napari_adasam.services import judging
from napari_adasam.services import trainer as trainer_module
from napari_adasam.services.descent import risen
from napari_adasam.services.gate import TELLING, Held, Past, hold_out
from napari_adasam.services.ports import LabelledFrame, UnlabelledFrame
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.trainer import Material, RoundTrainer
from napari_adasam.services.views import Views

__all__ = ["serving"]  # a fixture


def asked_alike(net: AdaSam) -> float:
    """The mean loss of six frames as they are, with the same draw of questions for every model."""
    losses = []
    for frame in labelled(6):
        labels, rng = label_canvas(frame.labels, net.sam.size), np.random.default_rng(0)
        losses.append(labelled_loss(net, embed(net, frame.pixels), labels, rng, Lesson(LossWeights())).item())
    return float(np.mean(losses))


class Learned:
    """One round that is long enough to learn the discs."""

    def __init__(self) -> None:
        net = tiny_net(structures=(), encoder=BrightnessEncoder())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(registry, "load", lambda settings: net)
            self.predictor = ModelPredictor(ModelSettings("tiny", device="cpu"))
            self.predictor.info()
        settings = TrainSettings(method="lora", steps=40, batch=2, views=3, lr=1e-2)
        trainer = RoundTrainer(self.predictor, settings)
        self.at_first = asked_alike(trainer._student((BELLY,))[0])
        self.events = list(trainer.round(labelled(6), [], (BELLY,)))
        self.steps = [e for e in self.events if isinstance(e, RoundProgress)]
        report = self.events[-1]
        assert isinstance(report, RoundReport)
        self.report = report


@pytest.fixture(scope="module")
def learned() -> Learned:
    return Learned()


def test_the_loss_falls(learned: Learned) -> None:
    """Of the same questions: a step's own loss depends more on what is asked in it."""
    assert len(learned.report.losses) == 40
    assert asked_alike(learned.predictor.net) < 0.75 * learned.at_first


def test_held_out_dice_rises_and_the_student_serves(learned: Learned) -> None:
    report = learned.report
    assert report.before == {1: 0.0}
    assert report.after[1] > 0.7
    assert report.accepted
    assert (report.number, report.labelled, report.held_out, report.unlabelled) == (1, 4, 2, 0)
    assert report.model == learned.predictor.info().fingerprint
    assert report.seconds > 0


def test_frames_that_no_round_saw_are_found_too(learned: Learned) -> None:
    figures = []
    for seed in range(60, 66):
        pixels, labels = blob(seed)
        (made,) = learned.predictor.suggest(f"new{seed}", pixels, (BELLY,), PromptSettings())
        assert made.presence > 0.5
        figures.append(dice(made.mask, labels.astype(bool)))
    assert np.mean(figures) > 0.7


def test_the_gates_figure_is_what_the_predictor_then_gives(learned: Learned) -> None:
    out = learned.predictor.past.held
    figures = []
    for frame in labelled(6):
        if frame.group in out:
            (made,) = learned.predictor.suggest(frame.frame_id, frame.pixels, (BELLY,), PromptSettings())
            figures.append(dice(made.mask, frame.labels == 1))
    assert len(figures) == 2
    assert np.mean(figures) == pytest.approx(learned.report.after[1])


def test_progress_counts_up_and_yields_within_each_step(learned: Learned) -> None:
    learning = [e for e in learned.steps if e.what == "learning"]
    steps = [e.step for e in learning]
    assert steps == sorted(steps)
    assert steps[-1] == 40
    assert len(steps) == 3 * 40  # each of two frames, and the step itself
    assert learned.steps[0].seconds_left is None
    assert learning[-1].seconds_left is not None
    assert [e.what for e in learned.steps[:2]] == ["measuring the serving model"] * 2
    assert [e.what for e in learned.steps[-2:]] == ["measuring the new model"] * 2


def steps_of(trainer: RoundTrainer, frames: list[LabelledFrame]) -> int:
    """How many steps a round on these frames has; 20 are a mild one's."""
    events = trainer.round(frames, [], (BELLY,))
    first = next(event for event in events if event.what == "learning")  # type: ignore[union-attr]
    events.close()  # type: ignore[attr-defined]
    assert isinstance(first, RoundProgress)
    return first.steps


def missed(count: int, start: int) -> list[LabelledFrame]:
    """Frames on which the model that has learned is wrong."""
    return [replace(f, labels=(1 - f.labels).astype(np.uint8)) for f in labelled(count, start)]


@pytest.mark.parametrize(
    ("mild_from", "count", "steps"),
    [(0.5, TELLING, 20), (1.01, TELLING, 40), (0.5, TELLING - 1, 40)],
)
def test_a_model_that_does_well_already_is_adjusted_mildly(
    learned: Learned, mild_from: float, count: int, steps: int
) -> None:
    """One that did not know the structure before learning began only where there are enough frames to say so."""
    settings = TrainSettings(method="lora", steps=40, batch=2, mild_from=mild_from)
    assert steps_of(RoundTrainer(learned.predictor, settings), labelled(count, 100)) == steps


def test_a_few_frames_are_enough_where_the_structure_was_known_before(
    learned: Learned, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TrainSettings(method="lora", steps=40, batch=2, mild_from=0.5)
    monkeypatch.setattr(learned.predictor, "_began", learned.predictor._seer)
    assert steps_of(RoundTrainer(learned.predictor, settings), labelled(6, 100)) == 20


def test_a_model_that_does_well_on_the_held_out_frames_alone_is_not(learned: Learned) -> None:
    settings = TrainSettings(method="lora", steps=40, batch=2, mild_from=0.5)
    assert steps_of(RoundTrainer(learned.predictor, settings), [*labelled(6), *missed(6, 20)]) == 40


@pytest.mark.parametrize(("wrong", "known", "steps"), [(1, False, 20), (2, False, 40), (2, True, 20), (4, True, 40)])
def test_a_model_that_misses_a_few_of_many_is_adjusted_mildly_all_the_same(
    learned: Learned, wrong: int, known: bool, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full round on a few images makes a good model worse; but one that misses many has much to learn.

    One that had to learn the structure anew has to do better to pass for a good one.
    """
    if known:
        monkeypatch.setattr(learned.predictor, "_began", learned.predictor._seer)
    settings = TrainSettings(method="lora", steps=40, batch=2, mild_from=0.65)
    frames = [*labelled(12 - wrong, start=40), *missed(wrong, 20)]
    assert steps_of(RoundTrainer(learned.predictor, settings), frames) == steps


@pytest.mark.parametrize(("before", "steps"), [((), 40), ((0.9,) * 20, 20)])
def test_images_that_a_model_misses_are_weighed_with_those_before(
    learned: Learned, before: tuple[float, ...], steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned.predictor, "past", Past(found={1: before}))
    settings = TrainSettings(method="lora", steps=40, batch=2, mild_from=0.65)
    assert steps_of(RoundTrainer(learned.predictor, settings), missed(2, 60)) == steps


def test_rates_rise_over_the_first_fifth_of_the_steps() -> None:
    assert [risen(step, 40) for step in (0, 3, 7, 8, 39)] == [1 / 8, 1 / 2, 1.0, 1.0, 1.0]
    assert risen(0, 1) == 1.0


def test_the_first_step_goes_an_eighth_of_the_way(serving: Serving) -> None:
    ways = []
    for steps in (1, 40):  # of one step the first is at full height
        predictor = serving(see_everything(tiny_net(structures=(BELLY,))))
        trainer = RoundTrainer(predictor, replace(SHORT, steps=steps, batch=1, warm_up=1.0), LET_PASS)
        student, since = trainer._student((BELLY,))
        before = [p.detach().clone() for p in student.parameters() if p.requires_grad]
        held = Held(tuple(labelled(2)), ())
        views, material = Views(predictor, student, since), Material(held, (), (BELLY,))
        events = trainer._steps(student, copy.deepcopy(student), views, material)
        next(event for event in events if event.step == 1)
        after = [p.detach() for p in student.parameters() if p.requires_grad]
        ways.append(max(float((p - b).abs().max()) for p, b in zip(after, before, strict=True)))
    assert ways[1] == pytest.approx(ways[0] / 8, rel=0.1)


def test_a_mild_round() -> None:
    full = TrainSettings(steps=41, batch=2, most_prompts=4, unlabelled_every=1, lr=5e-4)
    mild = full.fit_for(0.85, 0.7)
    assert (mild.method, mild.steps, mild.batch, mild.unlabelled_every, mild.lr) == ("classifier", 21, 1, 2, 2e-4)
    assert not mild.teaches_masks
    assert replace(full, recipe=Recipe(feedback="train")).fit_for(0.85, 0.7).teaches_masks
    assert full.fit_for(0.84, 0.84) == full.fit_for(float("nan"), float("nan")) == full
    assert full.fit_for(0.95, 0.69) == full, "what is missed now and then is to be learned"


MILD = TrainSettings(steps=4, warm_up=0.0, unlabelled_every=1, mild_from=-1.0)


@pytest.mark.parametrize("method", ["adasam", "lora", "medsa", "masam", "decoder"])
def test_a_mild_round_changes_the_classifier_and_nothing_else(serving: Serving, method: Method) -> None:
    predictor = serving()
    before = {name: tensor.clone() for name, tensor in predictor.net.state_dict().items()}
    trainer = RoundTrainer(predictor, replace(MILD, method=method), LET_PASS)
    report = to_the_end(trainer.round(labelled(6), unlabelled(3), (BELLY,)))
    assert report.accepted
    assert report.verdict.endswith("clicks are answered as before.")
    after = predictor.net.state_dict()
    assert after.keys() == before.keys()  # nothing was inserted
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert changed
    assert all(name.startswith("head.") for name in changed)
    assert trainer.trained == sum(tensor.numel() for name, tensor in after.items() if name.startswith("head."))


@pytest.mark.parametrize("mild", [True, False])
def test_after_a_mild_round_nothing_is_encoded_anew(serving: Serving, mild: bool) -> None:
    predictor = serving()
    frame = labelled(1)[0]
    at_hand = predictor.embedding(frame.frame_id, frame.pixels)
    settings = replace(MILD, mild_from=-1.0 if mild else NEVER)
    assert to_the_end(RoundTrainer(predictor, settings, LET_PASS).round(labelled(6), [], (BELLY,))).accepted
    assert (predictor.embedding(frame.frame_id, frame.pixels) is at_hand) is mild
    predictor.go_back()
    assert torch.equal(predictor.embedding(frame.frame_id, frame.pixels), at_hand)


def test_a_mild_round_asks_for_no_mask_but_the_teachers(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer could teach the classifier anything: its prompts are drawn from the map, and carry no gradient."""
    monkeypatch.setattr(supervision, "decode", None)
    monkeypatch.setattr(pseudo, "_mask_loss", None)
    net = see_everything(tiny_net(encoder=tiny_vit(depth=2)))
    report = to_the_end(RoundTrainer(serving(net), MILD, LET_PASS).round(labelled(6), unlabelled(3), (BELLY,)))
    assert len(report.losses) == 2
    assert all(loss > 0 for loss in report.losses)


def test_who_asks_for_the_classifier_alone_is_told_of_no_mild_round(serving: Serving) -> None:
    trainer = RoundTrainer(serving(), replace(MILD, method="classifier", mild_from=NEVER), LET_PASS)
    report = to_the_end(trainer.round(labelled(6), [], (BELLY,)))
    assert report.accepted
    assert len(report.losses) == MILD.steps
    assert "as before" not in report.verdict


def test_after_a_mild_round_a_full_one_may_follow(serving: Serving, tmp_path: Path) -> None:
    predictor = serving()
    for mild_from in (-1.0, NEVER):
        trainer = RoundTrainer(predictor, replace(MILD, mild_from=mild_from), LET_PASS)
        assert to_the_end(trainer.round(labelled(6), [], (BELLY,))).accepted
    assert [one.kind for one in predictor.net.adapted] == ["classifier", "lora"]
    net, path = predictor.net, tmp_path / "a.safetensors"
    registry.save_adapter(path, net, registry.AdapterOrigin("tiny", "base", "adasam"))
    assert set(adaptation.state(net)) >= lora.parameters(net).keys()


def test_the_card_tells_what_happened(learned: Learned) -> None:
    card = learned.predictor.net.card
    assert card.structures == (BELLY,)
    assert card.lineage[-1] == f"round 1: 6 accepted frames, held-out Dice {learned.report.after[1]:.3f}"
    past = learned.predictor.past
    assert card.trained_on == {f.frame_id for f in labelled(6)}  # the two that the gate has judged it by, too
    assert past.held | past.learned == {f"g{i}" for i in range(6)}
    assert not past.held & past.learned


@pytest.mark.parametrize("stop_after", [1, 3, 5])
def test_closing_midway_leaves_the_serving_weights_bit_for_bit(serving: Serving, stop_after: int) -> None:
    predictor = serving()
    info = predictor.info()
    before = {name: tensor.clone() for name, tensor in predictor.net.state_dict().items()}
    events = RoundTrainer(predictor, SHORT, LET_PASS).round(labelled(6), unlabelled(2), (BELLY, BONE))
    for _ in range(stop_after):
        assert isinstance(next(events), RoundProgress)
    events.close()  # type: ignore[attr-defined]
    after = predictor.net.state_dict()
    assert set(after) == set(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert predictor.info() == info
    assert predictor.net.card.structures == (BELLY,)
    assert not predictor.net.training
    assert predictor.rounds == 0
    assert predictor.past == Past()
    with pytest.raises(ModelError):
        predictor.go_back()


def test_a_refused_student_leaves_the_serving_weights_bit_for_bit(serving: Serving) -> None:
    predictor = serving()
    info = predictor.info()
    report = to_the_end(RoundTrainer(predictor, SHORT, REFUSE).round(labelled(6), [], (BELLY,)))
    assert not report.accepted
    assert "stays in use" in report.verdict
    assert predictor.info() == info
    assert checkpoints.fingerprint(predictor.net.state_dict()) == info.fingerprint
    assert report.model == info.fingerprint
    assert predictor.rounds == report.number == 1
    assert not predictor.past.learned
    assert len(predictor.past.held) == 2


@pytest.mark.parametrize(("way", "better"), [(0.1, True), (0.5, False)])
def test_a_student_that_is_refused_is_tried_part_of_the_way_back(
    serving: Serving, way: float, better: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And serves only if it is better there: half of so little is nothing yet."""
    net = tiny_net(encoder=tiny_vit(depth=2))
    net.head.maps.bias.data.fill_(-3.9)  # type: ignore[union-attr]  # it knows the structure: no head start
    predictor, tried, whole = serving(net), list[bool](), dict[str, torch.Tensor]()
    judged, moved = judging.decide, judging.go_back

    def refuse_once(*figures: Any) -> tuple[bool, str]:
        tried.append(True)
        return judged(*figures) if len(tried) > 1 else (False, "Worse.")

    def move(net: AdaSam, start: checkpoints.Weights, share: float) -> None:
        whole.update(adaptation.state(net))
        began.update(start)
        moved(net, start, share)

    began = dict[str, torch.Tensor]()
    monkeypatch.setattr(judging, "decide", refuse_once)
    monkeypatch.setattr(judging, "go_back", move)
    monkeypatch.setattr(judging, "HALF_WAY", way)
    report = to_the_end(RoundTrainer(predictor, SHORT, LET_PASS).round(labelled(6), [], (BELLY,)))
    assert report.accepted is better
    if not better:
        assert report.verdict == "Worse."
        assert predictor.rounds == 1
        assert not predictor.past.learned
        return
    assert report.verdict.startswith("The new model is in use")
    assert "half of it" in report.verdict
    assert report.after[1] > report.before[1]
    for name, weight in adaptation.state(predictor.net).items():
        torch.testing.assert_close(weight, whole[name].lerp(began[name], way), atol=1e-3, rtol=1e-3)
    assert any(not torch.equal(whole[name], began[name]) for name in whole)


@pytest.mark.parametrize(
    ("method", "adapted", "frames"), [("adasam", True, 2), ("lora", True, 0), ("decoder", False, 0)]
)
def test_what_each_method_changes(serving: Serving, method: Method, adapted: bool, frames: int) -> None:
    predictor = serving()
    before = {name: p.clone() for name, p in predictor.net.named_parameters()}
    settings = replace(SHORT, method=method, steps=3)
    report = to_the_end(RoundTrainer(predictor, settings, LET_PASS).round(labelled(3), unlabelled(2), (BELLY,)))
    assert report.unlabelled == frames
    after = dict(predictor.net.named_parameters())
    updates = [p for name, p in after.items() if name.endswith("qkv.b")]
    assert bool(updates) is adapted
    assert all(p.any() for p in updates)
    heads = [name for name in before if name.startswith(HEADS)]
    assert sum(not torch.equal(after[name], before[name]) for name in heads) > 0.5 * len(heads)
    for name, p in before.items():
        if name not in heads:
            assert torch.equal(after.get(name, after.get(name.replace("qkv.", "qkv.base."), p)), p), name


def test_the_same_seed_gives_the_same_weights(serving: Serving) -> None:
    def fingerprint(seed: int) -> str:
        predictor = serving(tiny_net())
        trainer = RoundTrainer(predictor, replace(SHORT, seed=seed), LET_PASS)
        return to_the_end(trainer.round(labelled(3), unlabelled(1), (BELLY, BONE))).model

    assert fingerprint(0) == fingerprint(0)
    assert fingerprint(0) != fingerprint(1)


def test_held_out_frames_do_not_reach_the_training(serving: Serving) -> None:
    """Whatever the held-out frames show, the student comes out the same; what the others show matters."""

    def student(spoiled: str) -> str:
        predictor = serving(tiny_net())
        frames = labelled(6)
        out = hold_out(frames).out
        assert len(out) == 2
        spoil = {"held out": {f.frame_id for f in out}, "trained on": {f.frame_id for f in frames if f not in out}}
        chosen = spoil.get(spoiled, set())
        given = [
            LabelledFrame(f.frame_id, picture(7, (64, 64)), 1 - f.labels, f.group) if f.frame_id in chosen else f
            for f in frames
        ]
        trainer = RoundTrainer(predictor, replace(SHORT, method="lora", steps=3), LET_PASS)
        return to_the_end(trainer.round(given, [], (BELLY,))).model

    assert student("nothing") == student("held out")
    assert student("nothing") != student("trained on")


def test_without_a_gate_every_frame_is_learned_from(serving: Serving) -> None:
    predictor = serving()
    trainer = RoundTrainer(predictor, SHORT, REFUSE, gated=False)
    report = to_the_end(trainer.round(labelled(6), [], (BELLY,)))
    assert (report.labelled, report.held_out, report.before, report.after) == (6, 0, {}, {})
    assert report.accepted
    assert predictor.net.card.trained_on == {f"f{i}" for i in range(6)}


def test_a_new_structure_is_learned_beside_an_old_one(serving: Serving) -> None:
    net = tiny_net(encoder=BrightnessEncoder())
    with torch.no_grad():
        net.head.maps.weight.normal_(std=0.1)
    predictor = serving(net)
    pixels = picture(0)
    before = net.head(embed(net, pixels)).presence[0, 0]
    trainer = RoundTrainer(predictor, replace(SHORT, steps=1, lr=1e-9), LET_PASS)
    to_the_end(trainer.round(labelled(2), [], (BONE, BELLY)))
    assert predictor.net.card.structures == (BONE, BELLY)
    after = predictor.net.head(embed(predictor.net, pixels)).presence[0]
    assert after[1].item() == pytest.approx(before.item(), abs=1e-3)
    assert torch.sigmoid(after[0]) < 0.05


def test_a_second_round_goes_on_from_the_first(serving: Serving) -> None:
    predictor = serving()
    trainer = RoundTrainer(predictor, SHORT, LET_PASS)
    to_the_end(trainer.round(labelled(2), [], (BELLY,)))
    first = {name: p.clone() for name, p in lora.parameters(predictor.net).items()}
    report = to_the_end(trainer.round(labelled(4), [], (BELLY,)))
    second = lora.parameters(predictor.net)
    assert set(second) == set(first)
    for name, p in first.items():
        assert (second[name] - p).abs().max() < 0.1
    assert any(not torch.equal(second[name], p) for name, p in first.items())
    assert report.number == 2
    assert len(predictor.net.card.lineage) == 2


def test_ticks_teach_the_classifier(serving: Serving) -> None:
    def presence(tick: bool) -> float:
        net = tiny_net(encoder=BrightnessEncoder())
        predictor = serving(net)
        settings = replace(SHORT, steps=8, lr=2e-2, weights=LossWeights(presence=3.0))
        frames = unlabelled(1, {BELLY.value: tick})
        empty = [LabelledFrame("e", picture(3, (64, 64)), np.zeros((64, 64), np.uint8), "e")]
        to_the_end(RoundTrainer(predictor, settings, LET_PASS).round(empty, frames, (BELLY,)))
        return float(predictor.net.head(embed(predictor.net, frames[0].pixels)).presence[0, 0])

    assert presence(True) > presence(False) + 0.5


def test_no_more_unlabelled_frames_than_the_setting_allows(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    used: set[str] = set()
    strong = Views.strong

    def spy(views: Views, frame: UnlabelledFrame) -> torch.Tensor:
        used.add(frame.frame_id)
        return strong(views, frame)

    monkeypatch.setattr(Views, "strong", spy)
    settings = replace(SHORT, steps=6, batch=2, max_unlabelled=2)
    report = to_the_end(RoundTrainer(serving(), settings, LET_PASS).round(labelled(1), unlabelled(5), (BELLY,)))
    assert report.unlabelled == 2
    assert used == {"u0", "u1"}


def test_the_warm_up_sees_labelled_frames_alone(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    monkeypatch.setattr(pseudo, "ramp", lambda share: steps.append(round(share, 6)) or 0.0)
    settings = replace(SHORT, steps=4, warm_up=0.5)
    to_the_end(RoundTrainer(serving(), settings, LET_PASS).round(labelled(1), unlabelled(1), (BELLY,)))
    assert steps == [0, 0.5]


def test_nothing_accepted_is_one_sentence(serving: Serving) -> None:
    with pytest.raises(ModelError, match="no accepted frame"):
        next(RoundTrainer(serving(), SHORT).round([], unlabelled(3), (BELLY,)))


@pytest.mark.parametrize("full", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")])
def test_where_memory_is_full_the_round_goes_on_with_fewer_prompts(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, full: Exception
) -> None:
    asked: list[int] = []
    real = supervision.decode

    def hungry(net: SamNet, embeddings: torch.Tensor, prompts: PromptBatch) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(len(embeddings))
        if len(embeddings) > 1:
            raise full
        return real(net, embeddings, prompts)

    net = tiny_net(structures=(BELLY, BONE))
    monkeypatch.setattr(supervision, "decode", hungry)
    trainer = RoundTrainer(serving(see_everything(net)), replace(SHORT, most_prompts=4), LET_PASS)
    *steps, report = trainer.round(labelled(2), [], (BELLY, BONE))
    assert max(asked) > 1
    assert asked[-1] == 1
    assert report.accepted
    assert next(one.what for one in steps if one.step) == "learning with fewer prompts at once, because memory is short"
    assert report.verdict.endswith("It learned with fewer prompts at once, because memory was short.")
    asked.clear()
    to_the_end(trainer.round(labelled(2), [], (BELLY, BONE)))
    assert set(asked) == {1}


def see_everything(net: AdaSam) -> AdaSam:
    """Make the CAM of every structure positive everywhere, so that each frame is asked with more than one prompt."""
    assert isinstance(net.head, ClassMap)
    with torch.no_grad():
        net.head.maps.bias.fill_(3.0)
    return net


def test_memory_that_is_full_all_the_same_ends_the_round(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    def hungry(*_: object) -> torch.Tensor:
        raise MemoryError

    predictor = serving()
    info = predictor.info()
    monkeypatch.setattr(trainer_module, "labelled_loss", hungry)
    with pytest.raises(MemoryError):
        to_the_end(RoundTrainer(predictor, SHORT).round(labelled(2), [], (BELLY,)))
    assert predictor.info() == info


def test_a_loss_that_is_not_a_number_ends_the_round_and_changes_nothing(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = serving()
    info = predictor.info()
    real = trainer_module.labelled_loss
    monkeypatch.setattr(trainer_module, "labelled_loss", lambda *given: real(*given) * float("nan"))
    with pytest.raises(ModelError, match="went astray"):
        to_the_end(RoundTrainer(predictor, SHORT).round(labelled(1), [], (BELLY,)))
    assert predictor.info() == info


def test_gradients_that_are_not_numbers_in_the_last_step_end_the_round(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is a number still, no step comes after it, and on frames that show nothing no mask is right."""

    def loss(student: AdaSam, embedding: torch.Tensor, *_: Any) -> torch.Tensor:
        return embedding.sum() * 0 + 1 + (0 * student.head.maps.weight.sum()).sqrt()  # type: ignore[union-attr]

    predictor = serving()
    info = predictor.info()
    monkeypatch.setattr(trainer_module, "labelled_loss", loss)
    empty = [replace(frame, labels=0 * frame.labels) for frame in labelled(3)]
    with pytest.raises(ModelError, match="went astray"):
        to_the_end(RoundTrainer(predictor, replace(SHORT, steps=1)).round(empty, [], (BELLY,)))
    assert predictor.info() == info


def test_a_structure_that_was_named_late_is_learned_from_the_frames_that_show_it(serving: Serving) -> None:
    """Both show the same disc, under two names; the earlier frames were accepted before the second was named."""
    early = [replace(frame, judged=frozenset({1})) for frame in labelled(6)]
    late = [replace(frame, labels=2 * frame.labels, judged=frozenset({2})) for frame in labelled(3, start=20)]
    settings = TrainSettings(method="lora", steps=40, batch=2, views=3, lr=1e-2)
    predictor = serving(tiny_net(structures=(BELLY,), encoder=BrightnessEncoder()))
    report = to_the_end(RoundTrainer(predictor, settings).round([*early, *late], [], (BELLY, BONE)))
    assert report.accepted, report.verdict
    made = predictor.suggest("new", blob(60)[0], (BELLY, BONE), PromptSettings())
    assert all(one.presence > 0.5 for one in made)


def test_a_structure_that_no_frame_of_its_first_round_tells_of_has_its_head_start_in_the_next(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[list[int]] = []
    real = trainer_module.fit_class_maps
    monkeypatch.setattr(
        trainer_module, "fit_class_maps", lambda head, rows, *rest: (fitted.append(rows), real(head, rows, *rest))
    )
    trainer = RoundTrainer(serving(tiny_net(structures=())), SHORT, LET_PASS)
    early = [replace(frame, judged=frozenset({1})) for frame in labelled(3)]
    to_the_end(trainer.round(early, [], (BELLY, BONE)))
    assert fitted == [[0]]
    late = [replace(frame, labels=2 * frame.labels, judged=frozenset({1, 2})) for frame in labelled(3, start=20)]
    to_the_end(trainer.round([*early, *late], [], (BELLY, BONE)))
    assert fitted == [[0], [1]]


def test_new_structures_that_no_frame_tells_of_together_have_a_head_start_each(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[tuple[list[int], int]] = []
    real = trainer_module.fit_class_maps

    def fit(head: Any, rows: list[int], embeddings: torch.Tensor, *rest: Any) -> None:
        fitted.append((rows, len(embeddings)))
        real(head, rows, embeddings, *rest)

    monkeypatch.setattr(trainer_module, "fit_class_maps", fit)
    one = [replace(frame, judged=frozenset({1})) for frame in labelled(2)]
    other = [replace(frame, labels=2 * frame.labels, judged=frozenset({2})) for frame in labelled(3, start=20)]
    trainer = RoundTrainer(serving(tiny_net(structures=())), SHORT, gated=False)
    to_the_end(trainer.round([*one, *other], [], (BELLY, BONE)))
    assert fitted == [([0], 2 * SHORT.views), ([1], 3 * SHORT.views)]


def test_what_a_frame_says_nothing_of_is_not_measured_on_it(serving: Serving) -> None:
    frames = [replace(frame, judged=frozenset({1})) for frame in labelled(6)]
    report = to_the_end(RoundTrainer(serving(), SHORT, LET_PASS).round(frames, [], (BELLY, BONE)))
    assert set(report.before) == set(report.after) == {1}


def test_other_frames_of_a_clip_that_is_held_out_are_not_learned_from(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: set[str] = set()
    strong = Views.strong

    def spy(views: Views, frame: UnlabelledFrame) -> torch.Tensor:
        used.add(frame.frame_id)
        return strong(views, frame)

    monkeypatch.setattr(Views, "strong", spy)
    (held,) = hold_out(labelled(2)).out
    rest = [replace(one, group=f"g{i % 2}") for i, one in enumerate(unlabelled(6))]
    settings = replace(SHORT, steps=12)
    report = to_the_end(RoundTrainer(serving(), settings, LET_PASS).round(labelled(2), rest, (BELLY,)))
    assert report.unlabelled == 3
    assert used == {one.frame_id for one in rest if one.group != held.group}
