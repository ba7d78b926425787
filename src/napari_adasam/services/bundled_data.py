"""What the bundled model learns from: the data sets, their structures, and views drawn from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from napari_adasam.domain.splits import split_groups
from napari_adasam.domain.structures import Structure
from napari_adasam.files.clips import content_id
from napari_adasam.files.dataset import Dataset
from napari_adasam.model import augment
from napari_adasam.model.canvas import grey_canvas, label_canvas
from napari_adasam.model.drawn import with_shapes

STRUCTURES = (
    Structure(1, "muscle belly"),
    Structure(2, "aponeurosis", several_parts=True),
    Structure(3, "lesion"),
    Structure(4, "fetal head"),
)


@dataclass(frozen=True, slots=True)
class Source:
    """A data set to train on: its folder, how its label values map to :data:`STRUCTURES`, its share of the views."""

    folder: str
    values: tuple[tuple[int, int], ...]
    share: float


SOURCES = (
    Source("muscle", ((1, 1), (2, 2)), 0.5),
    Source("breast", ((1, 3),), 0.38),
    Source("fetal_head", ((1, 4),), 0.12),
)


def taught(without: Sequence[str] = ()) -> tuple[Structure, ...]:
    """The structures of all sources but some: a classifier that is never shown one learns that it is never there."""
    values = {own for source in SOURCES if source.folder not in without for _, own in source.values}
    return tuple(one for one in STRUCTURES if one.value in values)


def names_by_folder(folder: str) -> tuple[tuple[int, str], ...]:
    """Label values of a data set of this name, and the structures the bundled model learned from it; empty if none."""
    names = {s.value: s.name for s in STRUCTURES}
    return next((tuple((value, names[own]) for value, own in s.values) for s in SOURCES if s.folder == folder), ())


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


def contents(loaded: Loaded, seen: frozenset[str]) -> Iterator[object]:
    """What tells loaded images, in order, from others: by the ids of all, and by their labels."""
    yield sorted(seen)
    for share, items in loaded:
        digest = hashlib.sha256()
        for item in items:
            assert item.view.labels is not None
            digest.update(item.view.labels.numpy().tobytes())
        yield share, len(items), digest.hexdigest()


def draw_image(loaded: Loaded, rng: np.random.Generator) -> augment.View:
    """A random image of a random source, as it is."""
    shares = np.array([share for share, _ in loaded])
    items = loaded[int(rng.choice(len(loaded), p=shares / shares.sum()))][1]
    view = items[int(rng.integers(len(items)))].view
    return augment.View(view.grey.float(), view.valid, view.labels)


def draw_view(loaded: Loaded, rng: np.random.Generator, shapes: bool = False, enclosures: bool = False) -> augment.View:
    """A random image, with random shapes for labels if asked, augmented; three in ten as they are but for the tone.

    One in seven is seen through a fan or a rectangle.
    """
    whole = draw_image(loaded, rng)
    if shapes:
        whole = with_shapes(whole, draw_image(loaded, rng), rng, enclosures)
    strength = 0.0 if rng.random() < 0.3 else 1.0
    return augment.apply(whole, augment.draw_geometry(rng, strength, 0.2 * strength), augment.draw_tone(rng))
