"""The study ``propagation``: a key frame's true masks through a clip or a volume, and how far they hold.

Figures by the code of the window: the same predictor, confidence and stop. The truth is used as the key frame that a
person has accepted, and to measure; nothing else sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.overlap import dice
from napari_adasam.domain.propagation import STOP_BELOW, Run, runs
from napari_adasam.domain.protection import lay_suggestions
from napari_adasam.domain.records import Labels
from napari_adasam.domain.structures import MUSCLE_PRESET, Structure
from napari_adasam.evaluation.subjects import Names, Part, structures_of, unseen_ids
from napari_adasam.files.dataset import SLICES, Dataset
from napari_adasam.files.labels import read_labels
from napari_adasam.files.phantom import Motion, PhantomSettings, clip
from napari_adasam.files.readers import open_file
from napari_adasam.services.ports import Picture, Predictor

PHANTOM = "phantom"
FIRST_SEED = 500
"""Of the drawn clips that are reported; what was chosen was chosen on others."""
SIZE = PhantomSettings(320, 380)
DISTANCES = (5, 10, 20, 40, 80, 200)
"""Ends of the ranges of the distance from the key frame, in frames."""
LOW, WANTED = 0.85, 0.95
KEYS_TRIED = 8
"""At most one key frame in so many frames is tried."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """A clip or a volume with its truth: frames and labels, all (height, width) uint8; and where a person begins."""

    name: str
    frames: Sequence[NDArray[np.uint8]]
    truth: Sequence[Labels]
    first: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Reached:
    """What came to a frame: its labels, how sure it is, and how far from its key frame it lies."""

    labels: Labels
    confidence: float
    distance: int


def drawn(seeds: Sequence[int], frames: int) -> Iterator[Film]:
    """Clips of moving muscle; the second of every three goes over to another person after six tenths."""
    motions = (Motion(2.5, 6.0, 6.0), Motion(2.0, 4.0, 4.0, cut=round(0.6 * frames)), Motion(3.0, 10.0, 8.0))
    for seed in seeds:
        images = list(clip(FIRST_SEED + seed, frames, SIZE, motions[seed % len(motions)]))
        yield Film(f"drawn_{seed}", [one.pixels for one in images], [one.labels for one in images])


def volumes(
    folder: Path,
    trained_on: frozenset[str],
    part: Part,
    names: Names,
    limit: int | None,
    known: Sequence[Structure] = (),
) -> tuple[tuple[Structure, ...], Iterator[Film]]:
    """The structures of a data set's volumes, and those volumes that no training saw; InputError if there are none.

    The key frame is the slice that shows most; ``known`` is what the model has learned of structures.
    """
    dataset = Dataset.open(folder, slices=SLICES)
    ids = unseen_ids(dataset, trained_on, part)
    files = dict.fromkeys((dataset.images[key], dataset.labelled[key]) for key in ids if key in dataset.places)
    chosen = list(files)[:limit]
    if not chosen:
        raise InputError(f"{folder} holds no volumes to go through. Nothing was measured. Give a folder of some.")
    tested = [key for key in ids if dataset.images[key] in dict(chosen)]
    structures = structures_of(dataset, tested, names, known)

    def read() -> Iterator[Film]:
        for image, labels in chosen:
            opened = open_file(image)
            truth = [read_labels(labels, at) for at in range(len(opened.frames))]
            most = int(np.argmax([np.count_nonzero(one) for one in truth]))
            yield Film(image.name, [opened.grey(at) for at in range(len(truth))], truth, most)

    return structures, read()


def go(predictor: Predictor, film: Film, run: Run, structures: Sequence[Structure]) -> Iterator[tuple[int, Reached]]:
    """Frames of a run with what came to them, whether it has drifted or not; confidence never rises again."""
    labels, before, sure = film.truth[run.key], _picture(film, run.key), 1.0
    several = [one.value for one in structures if one.several_parts]
    for at in run.frames:
        after = _picture(film, at)
        answer = predictor.follow(before, after, labels, structures)
        sure = min(sure, answer.confidence)
        masks = {one.structure: one.mask for one in answer.suggestions}
        labels, before = lay_suggestions(np.zeros_like(labels), masks, several), after
        yield at, Reached(labels, sure if sure < STOP_BELOW else answer.confidence, abs(at - run.key))


def keys_needed(
    predictor: Predictor, film: Film, structures: Sequence[Structure], known: Mapping[int, Reached]
) -> Mapping[int, int | None]:
    """Structure value to how many key frames bring its mean Dice over all frames to 0.95; ``None``: more than tried.

    The next key frame is the one that is least sure, as the window shows it, of those that lie half of ``KEYS_TRIED``
    and more from any other; a frame that nothing came to counts 0.
    """
    keys, reached = [film.first], dict(known)
    needed: dict[int, int | None] = dict.fromkeys((one.value for one in structures), None)
    while True:
        for value in [value for value, count in needed.items() if count is None]:
            if np.mean(_by_frame(film, reached, keys, value)) >= WANTED:
                needed[value] = len(keys)
        rest = [at for at in range(len(film.frames)) if min(abs(at - key) for key in keys) >= KEYS_TRIED // 2]
        if len(keys) >= most_keys(film) or None not in needed.values() or not rest:
            return needed
        keys.append(min(rest, key=lambda at: (reached[at].confidence, at)))
        for run in runs(keys, len(film.frames)):
            if run.key == keys[-1]:
                arrived = takewhile(lambda pair: pair[1].confidence >= STOP_BELOW, go(predictor, film, run, structures))
                reached |= dict(arrived)  # beyond a stop frames keep what they had


def most_keys(film: Film) -> int:
    """How many key frames are tried."""
    return max(1, len(film.frames) // KEYS_TRIED)


def _by_frame(film: Film, reached: Mapping[int, Reached], keys: Sequence[int], value: int) -> list[float]:
    figures = []
    for at, truth in enumerate(film.truth):
        if at in keys:
            figures.append(1.0)
        else:
            kept = reached[at].confidence >= STOP_BELOW
            figures.append(dice(reached[at].labels == value, truth == value) if kept else 0.0)
    return figures


def study(
    predictor: Predictor,
    films: Iterator[Film],
    structures: Sequence[Structure],
    on_progress: Callable[[int, int, str], None],
) -> list[Row]:
    """Rows of the study; see docs/clips.md."""
    seen: list[tuple[Film, dict[int, Reached]]] = []
    needed: list[Mapping[int, int | None]] = []
    for number, film in enumerate(films, start=1):
        own = runs([film.first], len(film.frames))
        reached = {at: one for run in own for at, one in go(predictor, film, run, structures)}
        seen.append((film, reached))
        needed.append(keys_needed(predictor, film, structures, reached))
        on_progress(number, number, film.name)
    rows = [row for structure in structures for row in _distances(seen, structure)]
    return [*rows, _drift(seen, structures), *(_keys(needed, seen, one) for one in structures)]


def _distances(seen: Sequence[tuple[Film, Mapping[int, Reached]]], structure: Structure) -> Iterator[Row]:
    """Dice by distance: of all frames, and of those that got masks, with their share."""
    start = 1
    for end in DISTANCES:
        here = [
            (dice(one.labels == structure.value, film.truth[at] == structure.value), one.confidence >= STOP_BELOW)
            for film, reached in seen
            for at, one in reached.items()
            if start <= one.distance <= end
        ]
        if here:
            kept = [figure for figure, stays in here if stays]
            yield {
                "what": "distance",
                "structure": str(structure.value),
                "name": structure.name,
                "from": start,
                "to": end,
                "dice": float(np.mean([figure for figure, _ in here])),
                "dice_kept": float(np.mean(kept)) if kept else None,
                "kept": len(kept) / len(here),
                "n": len(here),
            }
        start = end + 1


def _drift(seen: Sequence[tuple[Film, Mapping[int, Reached]]], structures: Sequence[Structure]) -> Row:
    """Of frames with a mean Dice below 0.85 over their structures: which share was not given masks; and the cost."""
    low, flagged = [], []
    for film, reached in seen:
        for at, one in reached.items():
            values = [structure.value for structure in structures]
            figures = [dice(one.labels == value, film.truth[at] == value) for value in values]
            low.append(float(np.mean(figures)) < LOW)
            flagged.append(one.confidence < STOP_BELOW)
    bad, told = np.array(low, np.bool_), np.array(flagged, np.bool_)
    return {
        "what": "drift",
        "stop_below": STOP_BELOW,
        "frames": len(bad),
        "low": int(bad.sum()),
        "caught": float(told[bad].mean()) if bad.any() else None,
        "good_lost": float(told[~bad].mean()) if (~bad).any() else None,
    }


def _keys(
    needed: Sequence[Mapping[int, int | None]], seen: Sequence[tuple[Film, Mapping[int, Reached]]], one: Structure
) -> Row:
    return {
        "what": "keys",
        "structure": str(one.value),
        "name": one.name,
        "keys": [counts[one.value] for counts in needed],
        "most_tried": [most_keys(film) for film, _ in seen],
        "frames": [len(film.frames) for film, _ in seen],
    }


def _picture(film: Film, at: int) -> Picture:
    return Picture(f"{film.name}-{at}", film.frames[at])


def structures_of_drawn() -> tuple[Structure, ...]:
    """What drawn clips show."""
    return MUSCLE_PRESET
