"""What a click on a suggestion brings, by who answers it and what it is asked with (docs/choices.md).

``python tests/correction_figures.py DATASET BASE [ADAPTER]``: images of validation groups of a data set with one
structure of one part; BASE is the model that learning began with, ADAPTER what ``train`` has made of it (left out: BASE
does both). A person's box and clicks are simulated from the true masks, which nothing else sees. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.overlap import dice
from napari_adasam.domain.prompts import Box, Point, Prompt
from napari_adasam.domain.records import Mask, Suggestion
from napari_adasam.domain.settings import ModelSettings, PromptSettings
from napari_adasam.domain.simulated import next_click, tight_box
from napari_adasam.evaluation.oracle import Rules
from napari_adasam.evaluation.subjects import Subject, structures_of, subjects, unseen_ids
from napari_adasam.files.dataset import Dataset
from napari_adasam.services.parts import grown
from napari_adasam.services.predictor import ModelPredictor

CLICKS = 3
GOOD = Rules().good


@dataclass(frozen=True, slots=True)
class Asked:
    """A way to ask: whether by what has learned, with the suggestion's logits or not, and with which box."""

    learned: bool
    logits: bool
    box: Callable[[Suggestion, Point, Mask], Box | None]


def of_prompt(suggestion: Suggestion, click: Point, truth: Mask) -> Box | None:
    """That of the suggestion's prompt, where the click lies in it."""
    y0, x0, y1, x1 = box = suggestion.prompts[0].box or (0.0, 0.0, -1.0, -1.0)
    return box if y0 <= click.y <= y1 and x0 <= click.x <= x1 else None


def around(suggestion: Suggestion, click: Point, truth: Mask) -> Box | None:
    """Around the suggestion, grown to the click."""
    return grown(tight_box(suggestion.mask), [click])


def true(suggestion: Suggestion, click: Point, truth: Mask) -> Box | None:
    """Around the truth."""
    return tight_box(truth)


WAYS = {
    "learned: logits, box of the prompt": Asked(True, True, of_prompt),
    "began with: logits, box of the prompt": Asked(False, True, of_prompt),
    "began with: box around the suggestion": Asked(False, False, around),
    "began with: logits, box around the suggestion": Asked(False, True, around),
    "began with: true box": Asked(False, False, true),
}


def clicked(by: ModelPredictor, one: Subject, suggestion: Suggestion, truth: Mask, how: Asked) -> list[float]:
    """Dice behind one, two and three clicks; a good outline is not clicked on any more."""
    mask: Mask = suggestion.mask
    points: tuple[Point, ...] = ()
    box: Box | None = None
    previous: NDArray[np.float32] | None = suggestion.logits[0] if how.logits else None
    found: list[float] = []
    for _ in range(CLICKS):
        click = None if dice(mask, truth) >= GOOD else next_click(mask, truth)
        if click is not None:
            points, box = (*points, click), box if points else how.box(suggestion, click, truth)
            answer = by.segment(one.frame_id, one.pixels, Prompt(points, box), previous)
            mask, previous = answer.mask, answer.logits
        found.append(dice(mask, truth))
    return found


def boxed(by: ModelPredictor, one: Subject, truth: Mask) -> list[float]:
    """Dice behind the true box, and behind a click on its largest error."""
    box = tight_box(truth)
    first = by.segment(one.frame_id, one.pixels, Prompt(box=box), None)
    click = next_click(first.mask, truth)
    asked = Prompt((click,) if click else (), box)
    return [dice(one, truth) for one in (first.mask, by.segment(one.frame_id, one.pixels, asked, first.logits).mask)]


def figures(dataset: Dataset, began: ModelPredictor, learned: ModelPredictor) -> dict[str, Any]:
    """Of all images that have the structure, and of the suggestions that are worth correcting and not yet good."""
    ids = unseen_ids(dataset, learned.net.card.trained_on, "validation")
    (structure,) = structures_of(dataset, ids, (), learned.net.card.structures)
    boxes: dict[str, list[list[float]]] = {"began with": [], "learned": []}
    clicks: dict[str, list[list[float]]] = {name: [] for name in WAYS}
    suggested: list[float] = []
    for one in subjects(dataset, ids):
        truth: Mask = one.labels == structure.value
        if not truth.any():
            continue
        boxes["began with"].append(boxed(began, one, truth))
        boxes["learned"].append(boxed(learned, one, truth))
        (suggestion,) = learned.suggest(one.frame_id, one.pixels, (structure,), PromptSettings())
        if not Rules().hopeless <= dice(suggestion.mask, truth) < GOOD:
            continue
        suggested.append(dice(suggestion.mask, truth))
        for name, how in WAYS.items():
            clicks[name].append(clicked(learned if how.learned else began, one, suggestion, truth, how))
    return {
        "images": len(boxes["learned"]),
        "true_box, and a click": {name: np.mean(each, axis=0).round(3).tolist() for name, each in boxes.items()},
        "suggestions": len(suggested),
        "suggested": round(float(np.mean(suggested)), 3),
        "clicks": {name: _told(np.array(each)) for name, each in clicks.items()},
    }


def _told(dice_by_click: NDArray[np.float64]) -> dict[str, list[float]]:
    return {"dice": dice_by_click.mean(0).round(3).tolist(), "good": (dice_by_click >= GOOD).sum(0).tolist()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("base")
    parser.add_argument("adapter", nargs="?")
    given = parser.parse_args()
    began = ModelPredictor(ModelSettings(given.base, device="cpu"))
    learned = began
    if given.adapter:
        learned = ModelPredictor(ModelSettings(given.adapter, device="cpu", base=given.base))
    print(json.dumps(figures(Dataset.open(given.dataset), began, learned), indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
