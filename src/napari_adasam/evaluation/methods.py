"""The methods of the study ``labels``, by name: ADA-SAM's rounds, and the baselines. A method may carry settings.

``adasam``, ``adasam:feedback=off``, ``lora:rank=4:steps=80``, ``unet:lr=0.003``: an ablation is a list of such names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.prompts import Prompt
from napari_adasam.domain.records import Mask
from napari_adasam.domain.settings import Method, PromptSettings, Settings, TrainSettings
from napari_adasam.domain.switches import ABLATION, names_in, with_fields, with_settings
from napari_adasam.evaluation.baselines import head, learned_prompts, unet, unet3d
from napari_adasam.evaluation.baselines.lessons import Fitted, Lessons
from napari_adasam.model import adaptation
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.trainer import RoundTrainer
from napari_adasam.services.training import as_told, for_labels, run_round

START = "start"
ROUNDS: tuple[Method, ...] = ("adasam", "lora", "medsa", "masam", "decoder", "classifier")
BASELINES: dict[str, Any] = {
    "unet": unet.UnetSettings(),
    "unet-mean-teacher": unet.UnetSettings(consistency=10.0),
    "unet3d": unet3d.Unet3dSettings(),
    "head": head.HeadSettings(),
    "learned-prompts": learned_prompts.LearnedSettings(),
}
METHODS = (START, *ROUNDS, *BASELINES)
OnStep = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Choice:
    """One method with its settings.

    Parameters
    ----------
    text
        As it was asked for: the name that its rows have.
    settings
        A :class:`Settings` for a round, the baseline's own otherwise.
    image_labels
        Whether unlabelled frames come with what they show, as ticks; nothing else of their labels is used.
    steps_said
        Whether somebody said how many steps a round has; if not, they are counted by its labels.
    """

    text: str
    name: str
    settings: Any
    image_labels: bool = False
    steps_said: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """An answer on one structure of one image; ``cam`` and ``before`` (without feedback) where a method has a map."""

    mask: Mask
    cam: NDArray[np.float32] | None = None
    prompts: tuple[Prompt, ...] = ()
    before: tuple[NDArray[np.float32], tuple[Prompt, ...]] | None = None


Answer = Callable[[str, NDArray[np.uint8]], dict[int, Found]]


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What a training came to: how it answers, how long it took, and what else its rows say.

    ``prompted`` answers prompts too, where the method does. ``alone`` answers without what the slices beside one in a
    volume say, where ``answer`` listens to them.
    """

    answer: Answer
    seconds: float
    about: dict[str, Any] = field(default_factory=dict)
    prompted: ModelPredictor | None = None
    alone: Answer | None = None


def choice_of(text: str, base: Settings, said: Collection[str] = ()) -> Choice:
    """A method with settings from ``NAME:SETTING=VALUE:…``; raises InputError for what there is not.

    ``said`` are names of settings that are somebody's wish in ``base``, though they be as usual: what is done about
    the steps and about ticks depends on whether anybody has said something.
    """
    name, *changes = text.split(":")
    said = {*said, *names_in(changes)}
    if name in BASELINES:
        return Choice(text, name, with_fields(BASELINES[name], changes))
    if name not in METHODS:
        raise InputError(f'There is no method "{name}". Nothing was measured. Choose from: {", ".join(METHODS)}.')
    if "seed" in names_in(changes):
        raise InputError(f"{text} sets a seed, which the study does. Nothing was measured. Leave it out; give --seeds.")
    train = next((replace(base.train, method=method) for method in ROUNDS if method == name), base.train)
    settings = with_settings(replace(base, train=train), changes)
    ticks = name in ROUNDS and "image_labels" in said and settings.train.recipe.image_labels
    return Choice(text, name, settings, ticks, "steps" in said or train.steps != TrainSettings().steps)


def ablation(base: Settings) -> list[str]:
    """The method with each of its parts switched, where that changes it; and with image-level labels."""
    whole = choice_of("adasam", base).settings
    texts = [f"adasam:{one}" for one in ABLATION]
    return [t for t in texts if choice_of(t, base).settings != whole] + ["adasam:image_labels=yes"]


def learn(choice: Choice, lessons: Lessons, predictor: ModelPredictor, gated: bool, on_step: OnStep) -> Learned:
    """Train a method on the lessons; ``predictor`` serves the starting weights, and nothing else."""
    if choice.name == START:
        return _learned(predictor, choice.settings.prompts, lessons, 0.0, {})
    if choice.name in ROUNDS:
        return _round(choice, lessons, predictor, gated, on_step)
    began = time.perf_counter()
    answer, trained = _baseline(choice, lessons, predictor, on_step)

    def found(frame_id: str, pixels: NDArray[np.uint8]) -> dict[int, Found]:
        return {value: Found(mask) for value, mask in answer(frame_id, pixels).items()}

    seconds = time.perf_counter() - began
    used = len(lessons.unlabelled) if choice.name == "unet-mean-teacher" else 0
    about = {"unlabelled": used, "held_out": 0, "accepted": True, "parameters": trained}
    return Learned(found, seconds, about)


def _baseline(choice: Choice, lessons: Lessons, predictor: ModelPredictor, on_step: OnStep) -> Fitted:
    def on(step: int, steps: int) -> None:
        on_step(step, steps, "learning")

    if choice.name == "head":
        return head.fit(lessons, predictor, choice.settings, on)
    if choice.name == "learned-prompts":
        return learned_prompts.fit(lessons, predictor, choice.settings, on)
    if choice.name == "unet3d":
        return unet3d.fit(lessons, predictor.neighbours, choice.settings, on)
    return unet.fit(lessons, choice.settings, on)


def _round(choice: Choice, lessons: Lessons, predictor: ModelPredictor, gated: bool, on_step: OnStep) -> Learned:
    settings: Settings = choice.settings
    train = replace(settings.train, seed=lessons.seed)
    train = as_told(train) if choice.steps_said else for_labels(train, len(lessons.labelled))
    adaptation.check_kept(predictor.net, train)
    trainer = RoundTrainer(predictor, train, settings.learn, settings.prompts, gated=gated)
    report = run_round(
        trainer,
        lessons.labelled,
        lessons.unlabelled,
        lessons.structures,
        lambda event: on_step(event.step, event.steps, event.what),
    )
    about: dict[str, Any] = {
        "unlabelled": report.unlabelled,
        "held_out": report.held_out,
        "accepted": report.accepted,
        "parameters": trainer.trained,
    }
    if predictor.net.feedback is not None:
        about["feedback_gamma"] = float(predictor.net.feedback.gamma)
    return replace(_learned(predictor, settings.prompts, lessons, report.seconds, about), prompted=predictor)


def _learned(
    predictor: ModelPredictor, prompts: PromptSettings, lessons: Lessons, seconds: float, about: dict[str, Any]
) -> Learned:
    single = replace(prompts, use_neighbours=False)
    alone = _answer_of_predictor(predictor, single, lessons) if prompts.use_neighbours else None
    return Learned(_answer_of_predictor(predictor, prompts, lessons), seconds, about, alone=alone)


def _answer_of_predictor(predictor: ModelPredictor, prompts: PromptSettings, lessons: Lessons) -> Answer:
    structures: Sequence[Any] = lessons.structures

    def answer(frame_id: str, pixels: NDArray[np.uint8]) -> dict[int, Found]:
        own = predictor.suggest(frame_id, pixels, structures, prompts)
        card = predictor.net.card
        if card.feedback != "train+infer":
            return {s.structure: Found(s.mask, s.cam, s.prompts) for s in own}
        predictor.net.card = replace(card, feedback="train")
        try:
            plain = predictor.suggest(frame_id, pixels, structures, prompts)
        finally:
            predictor.net.card = card
        return {
            s.structure: Found(s.mask, s.cam, s.prompts, (p.cam, p.prompts)) for s, p in zip(own, plain, strict=True)
        }

    return answer
