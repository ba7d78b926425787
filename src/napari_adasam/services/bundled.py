"""Making the bundled model ``adasam-us`` from a pretrained MobileSAM and labelled ultrasound, on a CPU.

Everything is trained: encoder, prompt encoder, decoder, classifier. Each step takes ``accumulate`` single views, one
data set drawn by weight for each. Weights are averaged (EMA) and pulled softly to where they began, so that kinds of
ultrasound that are not in the data do not get worse. Groups held back by :func:`domain.splits.split_groups` are
not read.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.settings import LossWeights
from napari_adasam.domain.splits import split_groups
from napari_adasam.domain.structures import Structure
from napari_adasam.files.clips import content_id
from napari_adasam.files.dataset import Dataset
from napari_adasam.model import augment, checkpoints
from napari_adasam.model.adasam import AdaSam, ModelCard
from napari_adasam.model.canvas import grey_canvas, label_canvas, normalise
from napari_adasam.model.classifier import build
from napari_adasam.model.drawn import with_shapes
from napari_adasam.model.supervision import Lesson, class_loss, labelled_loss, masks_of, prompted_loss

STRUCTURES = (
    Structure(1, "muscle belly"),
    Structure(2, "aponeurosis", several_parts=True),
    Structure(3, "lesion"),
    Structure(4, "fetal head"),
)
LICENCE = (
    "Apache-2.0 (weights of Segment Anything and MobileSAM); trained on DL_Track (Apache-2.0), BUS-BRA (cite "
    "Gómez-Flores et al. 2024) and HC18 (CC-BY-4.0)"
)


@dataclass(frozen=True, slots=True)
class Source:
    """A data set to train on: its folder, how its label values map to :data:`STRUCTURES`, its share of the views."""

    folder: str
    values: tuple[tuple[int, int], ...]
    share: float


SOURCES = (
    Source("muscle", ((1, 1), (2, 2)), 0.6),
    Source("breast", ((1, 3),), 0.27),
    Source("fetal_head", ((1, 4),), 0.13),
)


def names_by_folder(folder: str) -> tuple[tuple[int, str], ...]:
    """Label values of a data set of this name, and the structures the bundled model learned from it; empty if none."""
    names = {s.value: s.name for s in STRUCTURES}
    return next((tuple((value, names[own]) for value, own in s.values) for s in SOURCES if s.folder == folder), ())


@dataclass(frozen=True, slots=True)
class BundledSettings:
    """The recipe's figures. ``lr`` is the encoder's; the decoder learns twice, the classifier forty times as fast.

    ``blend`` is the share of what was learned in the weights at the end, the rest is where it began: on kinds of
    ultrasound that training never saw, weights in between do better than either (Wortsman et al. 2022, arXiv
    2109.01903). The classifier is blended where the base has learned one. ``settle`` is for how many steps the
    classifier then learns alone, on what the blend sees.
    Of each view some answers are corrected, up to ``corrections`` times in a row.
    ``drawn`` is the share of views with random shapes in them, which alone are asked for (:mod:`model.drawn`).
    ``without`` names data sets that are left out whole, to measure what the recipe gives on a kind it never saw.
    """

    steps: int = 900
    accumulate: int = 4
    size: int = 512
    lr: float = 1.5e-4
    warm_up: int = 50
    ema: float = 0.995
    anchor: float = 0.5
    blend: float = 1.0
    settle: int = 0
    seed: int = 0
    corrections: int = 1
    drawn: float = 0.0
    without: tuple[str, ...] = ()
    learned: Path | None = None
    weights: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        known = {source.folder for source in SOURCES}
        if not set(self.without) < known:
            raise InputError(
                f"The kinds to train without are {', '.join(self.without)}; expected some, not all, of "
                f"{', '.join(sorted(known))}. Nothing was trained."
            )


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One image to train on, as it lies on the square."""

    view: augment.View


Loaded = list[tuple[float, list[Item]]]


def load_sources(data: Path, size: int, without: Sequence[str] = ()) -> tuple[Loaded, frozenset[str]]:
    """Training images of all sources but some on the square, with their shares; and the ids of all these images."""
    loaded: Loaded = []
    seen: set[str] = set()
    for source in (one for one in SOURCES if one.folder not in without):
        dataset = Dataset.open(data / source.folder)
        groups = set(split_groups(dataset.groups.values()).train)
        items = []
        for name in dataset.ids:
            if dataset.groups[name] not in groups:
                continue
            grey, valid, _ = grey_canvas(dataset.grey(name), size)
            labels = label_canvas(dataset.labels(name), size)
            mapped = torch.zeros_like(labels)
            for value, structure in source.values:
                mapped[labels == value] = structure
            items.append(Item(augment.View(grey.byte(), valid, mapped.byte())))
            seen.add(content_id(dataset.images[name]))
        loaded.append((source.share, items))
    return loaded, frozenset(seen)


def draw_image(loaded: Loaded, rng: np.random.Generator) -> augment.View:
    """A random image of a random source, as it is."""
    shares = np.array([share for share, _ in loaded])
    items = loaded[int(rng.choice(len(loaded), p=shares / shares.sum()))][1]
    view = items[int(rng.integers(len(items)))].view
    return augment.View(view.grey.float(), view.valid, view.labels)


def draw_view(loaded: Loaded, rng: np.random.Generator, shapes: bool = False) -> augment.View:
    """A random image, with random shapes for labels if asked, augmented; three in ten as they are but for the tone.

    One in seven is seen through a fan or a rectangle.
    """
    whole = draw_image(loaded, rng)
    if shapes:
        whole = with_shapes(whole, draw_image(loaded, rng), rng)
    strength = 0.0 if rng.random() < 0.3 else 1.0
    return augment.apply(whole, augment.draw_geometry(rng, strength, 0.2 * strength), augment.draw_tone(rng))


def parameter_groups(net: AdaSam, lr: float) -> list[dict[str, Any]]:
    """Three speeds: encoder 1, decoder and prompt encoder 2, classifier 40."""
    decoder = [*net.sam.prompt_encoder.parameters(), *net.sam.mask_decoder.parameters()]
    return [
        {"params": list(net.sam.encoder.parameters()), "lr": lr},
        {"params": decoder, "lr": 2 * lr},
        {"params": list(net.head.parameters()), "lr": 40 * lr},
    ]


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


def start_model(base: Path, size: int) -> AdaSam:
    """A pretrained SAM with an untrained classifier, or an earlier file of this recipe to go on from."""
    weights, fields = checkpoints.read(base)
    if fields:
        return checkpoints.load_full(weights, fields, size)
    sam = checkpoints.from_sam_weights(weights, size)
    card = ModelCard("adasam-us", checkpoints.architecture(weights), size, STRUCTURES, ambiguous_points=False)
    return AdaSam(sam, build("classmap", len(STRUCTURES)), card)


def learned(net: AdaSam, mean: AdaSam, loaded: Loaded, settings: BundledSettings) -> Iterator[float]:
    """Train ``net`` and its average in place; yield the loss of each optimiser step."""
    rng = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)
    optimiser = torch.optim.AdamW(parameter_groups(net, settings.lr), weight_decay=0.0)
    speeds = [group["lr"] for group in optimiser.param_groups]
    encoder = list(net.sam.parameters())
    start = [p.detach().clone() for p in encoder]
    for step in range(settings.steps):
        factor = schedule(step, settings)
        for group, speed in zip(optimiser.param_groups, speeds, strict=True):
            group["lr"] = speed * factor
        total = 0.0
        for _ in range(settings.accumulate):
            shapes = bool(settings.drawn and rng.random() < settings.drawn)
            view = draw_view(loaded, rng, shapes)
            assert view.labels is not None
            embedding = net.sam.encoder(normalise(view.grey[None], view.valid[None]))
            lesson = Lesson(settings.weights, corrections=int(rng.integers(1, settings.corrections + 1)))
            taught = prompted_loss if shapes else labelled_loss
            loss = taught(net, embedding, view.labels, rng, lesson) / settings.accumulate
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        pull(encoder, start, settings.anchor * settings.lr * factor)
        average(mean, net, min(settings.ema, (1 + step) / (10 + step)))
        yield total


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
    data: Path, base: Path, out: Path, settings: BundledSettings, on_step: Callable[[int, float, float], None]
) -> dict[str, Any]:
    """Train and write the model; ``on_step(step, loss, seconds)`` is called after each step.

    Every 100 steps the average so far is written, so that a stopped run leaves a model. ``settings.learned`` is one
    that such a run wrote: it is not trained again, but blended with the base, and its classifier settled.
    """
    began = time.monotonic()
    loaded, seen = load_sources(data, settings.size, settings.without)
    net = start_model(base, settings.size).train()
    start = [p.detach().clone() for p in _blended(net, net)]
    mean = copy.deepcopy(net) if settings.learned is None else start_model(settings.learned, settings.size)
    seen |= net.card.trained_on | mean.card.trained_on
    origin = f"{base.stem} {checkpoints.fingerprint(checkpoints.read(base)[0])}"
    parent = net.card.lineage or (origin,)
    card = replace(mean.card, name="adasam-us", licence=LICENCE, lineage=mean.card.lineage or parent, trained_on=seen)
    apart = f", without {' and '.join(settings.without)}" if settings.without else ""
    steps = 0 if settings.learned else settings.steps

    def write(line: str) -> None:
        mean.card = replace(card, lineage=(*card.lineage, line))
        checkpoints.write(out, mean.state_dict(), checkpoints.card_to_json(mean.card, kind="full"))

    for step, loss in enumerate(learned(net, mean, loaded, replace(settings, steps=steps)), start=1):
        on_step(step, loss, time.monotonic() - began)
        if step % 100 == 0 or step == steps:
            write(f"adasam-us, {step} of {steps} steps, seed {settings.seed}{apart}")
    if settings.blend < 1:
        card = replace(card, lineage=mean.card.lineage)
        pull(_blended(mean, net), start, 1 - settings.blend)
        for step, loss in enumerate(settled(mean, loaded, settings), start=steps + 1):
            on_step(step, loss, time.monotonic() - began)
        write(f"{settings.blend:.0%} of what was learned, the rest {origin}; classifier: {settings.settle} more steps")
    return {"images": sum(len(i) for _, i in loaded), "steps": steps, "seconds": time.monotonic() - began}


def _blended(net: AdaSam, base: AdaSam) -> list[torch.nn.Parameter]:
    """What lies between base and learned in a blend: SAM, and the classifier where the base has learned one."""
    return list((net if base.card.lineage else net.sam).parameters())
