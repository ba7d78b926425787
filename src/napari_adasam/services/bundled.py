"""Making the bundled model ``adasam-us`` from a pretrained MobileSAM and labelled ultrasound, on a CPU.

Everything is trained: encoder, prompt encoder, decoder, classifier. Each step takes ``accumulate`` single views, one
data set drawn by weight for each. Weights are averaged (EMA) and pulled softly to where they began, so that kinds of
ultrasound that are not in the data do not get worse. Groups held back by :func:`domain.splits.split_groups` are
not read. With ``decoder_only`` the encoder and the classifier stay as they are, and whatever they see stays the same;
with ``scores_only`` all masks do; with ``skip`` the decoder learns to use the encoder's finer features, too.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_adasam.domain.structures import Structure
from napari_adasam.model import checkpoints
from napari_adasam.model.adapters import skips
from napari_adasam.model.adasam import AdaSam, ModelCard
from napari_adasam.model.augment import View
from napari_adasam.model.canvas import normalise
from napari_adasam.model.classifier import build
from napari_adasam.model.supervision import Lesson, class_loss, labelled_loss, masks_of, prompted_loss
from napari_adasam.services import bundled_data
from napari_adasam.services.bundled_data import Loaded, contents, draw_view, load_sources
from napari_adasam.services.bundled_settings import BundledSettings
from napari_adasam.services.part_file import PartFile, Tell, about, say_nothing
from napari_adasam.services.resuming import Training

LICENCE = (
    "Apache-2.0 (weights of Segment Anything and MobileSAM); trained on DL_Track (Apache-2.0), BUS-BRA (cite "
    "Gómez-Flores et al. 2024) and HC18 (CC-BY-4.0)"
)


def parameter_groups(net: AdaSam, lr: float) -> list[dict[str, Any]]:
    """Four speeds: encoder 1, decoder and prompt encoder 2, skip 4, classifier 40; of what is trained at all."""
    decoder = [*net.sam.prompt_encoder.parameters(), *net.sam.mask_decoder.parameters()]
    encoder, skip = net.sam.encoder.units.parameters(), net.sam.encoder.skip
    new = () if skip is None else skip.parameters()
    speeds = ((encoder, lr), (decoder, 2 * lr), (new, 4 * lr), (net.head.parameters(), 40 * lr))
    return [{"params": [p for p in own if p.requires_grad], "lr": speed} for own, speed in speeds]


def embedded(net: AdaSam, view: View) -> torch.Tensor:
    """The embedding (1, 256, h, w) of a view; with a gradient where the encoder, or a skip in it, learns."""
    with torch.set_grad_enabled(any(p.requires_grad for p in net.sam.encoder.parameters())):
        embedding: torch.Tensor = net.sam.encoder(normalise(view.grey[None], view.valid[None]))
    return embedding


def lesson_of(settings: BundledSettings, rng: np.random.Generator) -> Lesson:
    """How the next view is taught."""
    corrections = int(rng.integers(1, settings.corrections + 1))
    weights = settings.weights
    if settings.scores_only:
        weights = replace(weights, segmentation=0.0, presence=0.0, map=0.0)
    return Lesson(weights, corrections=corrections, whole=0.5 if settings.decoder_only else 0.0)


def next_view(loaded: Loaded, rng: np.random.Generator, settings: BundledSettings) -> tuple[View, bool]:
    """A view to learn from, and whether it shows random shapes."""
    if settings.scores_only:
        return bundled_data.draw_image(loaded, rng), False
    shapes = bool(settings.drawn and rng.random() < settings.drawn)
    return draw_view(loaded, rng, shapes, settings.enclosures), shapes


def hold_still(net: AdaSam, settings: BundledSettings) -> None:
    """Let only those parts learn that are meant to."""
    if settings.decoder_only:
        net.sam.encoder.requires_grad_(False).eval()
        net.head.requires_grad_(False)
    if net.sam.encoder.skip is not None:
        net.sam.encoder.skip.requires_grad_(True)
    if settings.scores_only:
        net.requires_grad_(False).eval()
        net.sam.mask_decoder.iou_prediction_head.requires_grad_(True)


def schedule(step: int, settings: BundledSettings) -> float:
    """Linear warm-up, then half a cosine to 2 %."""
    if step < settings.warm_up:
        return (step + 1) / settings.warm_up
    share = (step - settings.warm_up) / max(1, settings.steps - settings.warm_up)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share))


@torch.no_grad()
def pull(parameters: Sequence[torch.Tensor], start: Sequence[torch.Tensor], share: float) -> None:
    """Move parameters this share of the way back to where they began."""
    for parameter, origin in zip(parameters, start, strict=True):
        parameter.lerp_(origin, share)


@torch.no_grad()
def average(mean: torch.nn.Module, net: torch.nn.Module, decay: float) -> None:
    """Exponential moving average of every parameter, in place."""
    for slow, fast in zip(mean.parameters(), net.parameters(), strict=True):
        slow.lerp_(fast, 1 - decay)


def start_model(base: Path, size: int, structures: Sequence[Structure]) -> AdaSam:
    """A pretrained SAM with an untrained classifier of these structures, or an earlier file of this recipe.

    Such a file goes on with its own structures, and then those of ``structures`` that it does not know.
    """
    weights, fields = checkpoints.read(base)
    if fields:
        net = checkpoints.load_full(weights, fields, size)
        net.set_structures((*net.card.structures, *(one for one in structures if net.index_of(one) is None)))
        return net
    sam = checkpoints.from_sam_weights(weights, size)
    card = ModelCard("adasam-us", checkpoints.architecture(weights), size, tuple(structures), ambiguous_points=False)
    return AdaSam(sam, build("classmap", len(structures)), card)


OnStep = Callable[[int, float, float], None]
"""Takes a step's number, its loss and the seconds until then."""


def learned(
    net: AdaSam, mean: AdaSam, loaded: Loaded, settings: BundledSettings, at_start: Callable[[Training], None]
) -> Iterator[tuple[int, float]]:
    """Train ``net`` and its average in place; yield how many optimiser steps are done, and the loss of the last.

    ``at_start`` may restore in what is trained what a stopped one has come to.
    """
    rng = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)
    hold_still(net, settings)
    optimiser = torch.optim.AdamW(parameter_groups(net, settings.lr), weight_decay=0.0)
    speeds = [group["lr"] for group in optimiser.param_groups]
    taught_parts = [p for p in net.sam.parameters() if p.requires_grad]
    start = [p.detach().clone() for p in taught_parts]
    training = Training(net, mean, optimiser, rng)
    at_start(training)
    for step in range(training.step, settings.steps):
        factor = schedule(step, settings)
        for group, speed in zip(optimiser.param_groups, speeds, strict=True):
            group["lr"] = speed * factor
        total = 0.0
        for _ in range(settings.accumulate):
            view, shapes = next_view(loaded, rng, settings)
            assert view.labels is not None
            embedding, lesson = embedded(net, view), lesson_of(settings, rng)
            taught = prompted_loss if shapes else labelled_loss
            loss = taught(net, embedding, view.labels, rng, lesson) / settings.accumulate
            if loss.requires_grad:  # nothing was asked of a view without a shape
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        with training.moving(total):
            optimiser.step()
            optimiser.zero_grad()
            pull(taught_parts, start, settings.anchor * settings.lr * factor)
            average(mean, net, min(settings.ema, (1 + step) / (10 + step)))
        yield step + 1, total


def settled(net: AdaSam, loaded: Loaded, settings: BundledSettings) -> Iterator[float]:
    """Train the classifier alone, in place; yield the loss of each step."""
    rng = np.random.default_rng((settings.seed, 1))
    net.requires_grad_(False)
    net.head.requires_grad_(True).train()
    optimiser = torch.optim.AdamW(net.head.parameters(), lr=40 * settings.lr, weight_decay=0.0)
    for step in range(settings.settle):
        optimiser.param_groups[0]["lr"] = 40 * settings.lr * (1 - step / settings.settle)
        total = 0.0
        for _ in range(settings.accumulate):
            view = draw_view(loaded, rng)
            assert view.labels is not None
            with torch.no_grad():
                embedding = net.sam.encoder(normalise(view.grey[None], view.valid[None]))
            masks = masks_of(view.labels, net.card.structures)
            loss = class_loss(net.head(embedding), masks, settings.weights) / settings.accumulate
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        optimiser.step()
        optimiser.zero_grad()
        yield total


def train_bundled(
    data: Path, base: Path, out: Path, settings: BundledSettings, on_step: OnStep, tell: Tell = say_nothing
) -> dict[str, Any]:
    """Train and write the model; ``on_step`` is called after each step.

    Every 100 steps the average so far is written, so that a stopped run leaves a model. ``settings.learned`` is one
    that such a run wrote: it is not trained again, but blended with the base, and its classifier settled.
    What a stopped run of the same has left beside ``out`` is gone on from; ``tell`` is given a sentence on that. Where
    it was stopped while the classifier settled, that begins anew.
    """
    began = time.monotonic()
    loaded, seen = load_sources(data, settings.size, settings.without)
    net, mean = _networks(base, settings)
    start = [p.detach().clone() for p in _blended(net, net)]
    seen |= net.card.trained_on | mean.card.trained_on
    origin = f"{base.stem} {checkpoints.fingerprint(checkpoints.read(base)[0])}"
    parent = net.card.lineage or (origin,)
    card = replace(mean.card, name="adasam-us", licence=LICENCE, lineage=mean.card.lineage or parent, trained_on=seen)
    steps = 0 if settings.learned else settings.steps
    all_steps = f"{steps} steps, seed {settings.seed}{_apart(settings, net)}"
    weights = (origin, checkpoints.fingerprint(mean.state_dict()), checkpoints.card_to_json(mean.card))

    def write(line: str) -> None:
        mean.card = replace(card, lineage=(*card.lineage, line))
        checkpoints.write(out, mean.state_dict(), checkpoints.card_to_json(mean.card, kind="full"))

    with PartFile(out, about((settings,), contents(loaded, seen), weights, net.device), tell) as part:
        began -= part.seconds
        trained = learned(net, mean, loaded, settings, part.take_up) if steps else ()
        for step, loss in trained:
            on_step(step, loss, time.monotonic() - began)
            if step % 100 == 0 and step < steps:
                write(f"adasam-us, {step} of {all_steps}")
            part.keep_if_due()
        if steps:
            write(f"adasam-us, {steps} of {all_steps}")
        if settings.blend < 1:
            part.let_go()
            card = replace(card, lineage=mean.card.lineage)
            pull(_blended(mean, net), start, 1 - settings.blend)
            for step, loss in enumerate(settled(mean, loaded, settings), start=steps + 1):
                on_step(step, loss, time.monotonic() - began)
            share = f"{settings.blend:.0%} of what was learned, the rest {origin}"
            write(f"{share}; classifier: {settings.settle} more steps")
    return {"images": sum(len(i) for _, i in loaded), "steps": steps, "seconds": time.monotonic() - began}


def _networks(base: Path, settings: BundledSettings) -> tuple[AdaSam, AdaSam]:
    """What learns, and its average; that is what was learned before where it is given."""
    taught = bundled_data.taught(settings.without)
    net = start_model(base, settings.size, taught).train()
    if settings.skip:
        skips.insert(net.sam.encoder)
    return net, copy.deepcopy(net) if settings.learned is None else start_model(settings.learned, settings.size, taught)


def _apart(settings: BundledSettings, net: AdaSam) -> str:
    """What was left out, or alone was trained, for the model's card."""
    apart = f", without {' and '.join(settings.without)}" if settings.without else ""
    if settings.scores_only:
        apart += ", predicted scores alone"
    if settings.decoder_only:
        apart += ", decoder and finer features alone" if net.sam.encoder.skip is not None else ", decoder alone"
    return apart


def _blended(net: AdaSam, base: AdaSam) -> list[torch.nn.Parameter]:
    """What lies between base and learned in a blend: SAM, and the classifier where the base has learned one."""
    return list((net if base.card.lineage else net.sam).parameters())
