"""The study ``prompts``: masks from a box, from one point, and from no prompt at all; and clicks to IoU 0.90.

Box and points are simulated from the true mask, as the study means them to be. The prompt-free rows are computed by
:func:`prompt_free`, which gets pixels only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.overlap import dice, iou
from napari_adasam.domain.prompts import Prompt
from napari_adasam.domain.records import Suggestion
from napari_adasam.domain.settings import PromptSettings
from napari_adasam.domain.simulated import next_click, parts, tight_box
from napari_adasam.domain.structures import Structure
from napari_adasam.evaluation.limits import a_pixel_off, through_grid
from napari_adasam.evaluation.metrics import hd95, interval
from napari_adasam.evaluation.presence import auc, beside
from napari_adasam.evaluation.subjects import Subject
from napari_adasam.services.predictor import ModelPredictor

Mask = NDArray[np.bool_]
MOST_CLICKS = 20
CLICKS_TO = 0.90


@dataclass(slots=True)
class Tally:
    """Figures of one row while they come in; one entry an image."""

    dice: list[float] = field(default_factory=list)
    hd95: list[float] = field(default_factory=list)
    off: list[float] = field(default_factory=list)
    off_groups: list[str] = field(default_factory=list)
    clicks: list[int] = field(default_factory=list)
    decode: list[float] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    present: list[float] = field(default_factory=list)
    absent: list[float] = field(default_factory=list)
    limits: list[tuple[float, float]] = field(default_factory=list)

    def add(self, found: Mask, truth: Mask, score: float, group: str) -> None:
        """Take in one image.

        Where nothing is there and nothing was found, there is no IoU that the score could tell of.
        """
        self.dice.append(dice(found, truth))
        self.hd95.append(hd95(found, truth))
        self.groups.append(group)
        if found.any() or truth.any():
            self.off.append(score - iou(found, truth))
            self.off_groups.append(group)


def prompt_free(
    predictor: ModelPredictor,
    frame_id: str,
    pixels: NDArray[np.uint8],
    structures: Sequence[Structure],
    settings: PromptSettings = PromptSettings(),
) -> list[Suggestion]:
    """What the model says of an image by itself; no mask can reach this function."""
    return predictor.suggest(frame_id, pixels, structures, settings)


def askable(truth: Mask, structure: Structure) -> bool:
    """Whether there is a part to ask about: of several, one that is no speck."""
    return bool(truth.any() and parts(truth, structure))


def boxed(predictor: ModelPredictor, subject: Subject, truth: Mask, structure: Structure) -> tuple[Mask, float]:
    """The answer to a tight box around each part: union of the masks, mean of the scores."""
    return _answered(predictor, subject, boxes(truth, structure))[:2]


def pointed(predictor: ModelPredictor, subject: Subject, truth: Mask, structure: Structure) -> tuple[Mask, float]:
    """The answer to one click at the innermost pixel of each part."""
    return _answered(predictor, subject, first_clicks(truth, structure))[:2]


def boxes(truth: Mask, structure: Structure) -> list[Prompt]:
    """A tight box around each part."""
    return [Prompt(box=tight_box(part)) for part in parts(truth, structure)]


def first_clicks(truth: Mask, structure: Structure) -> list[Prompt]:
    """A click at the innermost pixel of each part."""
    clicks = [next_click(np.zeros_like(part), part) for part in parts(truth, structure)]
    return [Prompt(points=(click,)) for click in clicks if click is not None]


def _answered(predictor: ModelPredictor, subject: Subject, prompts: Sequence[Prompt]) -> tuple[Mask, float, float]:
    """Union of the masks, mean of the scores, and seconds a prompt."""
    began = time.perf_counter()
    answers = [predictor.segment(subject.frame_id, subject.pixels, prompt, None) for prompt in prompts]
    took = (time.perf_counter() - began) / len(prompts)
    return np.any([a.mask for a in answers], axis=0), float(np.mean([a.score for a in answers])), took


def clicks_needed(predictor: ModelPredictor, subject: Subject, truth: Mask) -> int:
    """Clicks until IoU 0.90, each at the centre of the largest error region, masks fed back; capped at 20."""
    found, points, previous = np.zeros_like(truth), [], None
    for count in range(1, MOST_CLICKS + 1):
        click = next_click(found, truth)
        if click is None:
            return count - 1
        points.append(click)
        answer = predictor.segment(subject.frame_id, subject.pixels, Prompt(points=tuple(points)), previous)
        found, previous = answer.mask, answer.logits
        if iou(found, truth) >= CLICKS_TO:
            return count
    return MOST_CLICKS


def study(
    predictor: ModelPredictor,
    subjects: Sequence[Subject],
    structures: Sequence[Structure],
    clicks: bool,
    on_progress: Callable[[int, int, str], None],
    settings: PromptSettings = PromptSettings(),
) -> list[dict[str, Any]]:
    """Rows of the study, as ``evaluate`` writes them; ``dice_ci95`` is a bootstrap over groups.

    ``settings`` say how a CAM becomes prompts, in the rows without one. ``iou_error`` is the mean absolute difference
    of predicted and real IoU, ``iou_bias`` the mean difference and ``iou_bias_ci95`` its bootstrap, all three over the
    images where the structure is there or something was found; ``grid_iou`` and ``one_px_iou`` are what the true mask
    itself comes to (:mod:`napari_adasam.evaluation.limits`); ``presence_auc`` is of the rows without a prompt
    (:mod:`napari_adasam.evaluation.presence`). ``encode_ms`` is the median time of an image without finding its scan
    sector, ``decode_ms`` of one prompt.
    """
    tallies: dict[tuple[str, Structure], Tally] = {
        (p, s): Tally() for p in ("box", "point", "auto") for s in structures
    }
    encode: list[float] = []
    for number, subject in enumerate(subjects, start=1):
        predictor.seen(subject.frame_id, subject.pixels)  # finds the scan sector: a file's, whatever the model
        began = time.perf_counter()
        predictor.embedding(subject.frame_id, subject.pixels)
        encode.append(time.perf_counter() - began)
        began = time.perf_counter()
        own = prompt_free(predictor, subject.frame_id, subject.pixels, structures, settings)
        seconds = (time.perf_counter() - began) / len(structures)
        for structure, suggestion in zip(structures, own, strict=True):
            truth = subject.labels == structure.value
            auto = tallies["auto", structure]
            auto.add(suggestion.mask, truth, suggestion.score, subject.group)
            auto.decode.append(seconds)
            (auto.present if truth.any() else auto.absent).append(suggestion.presence)
            auto.absent += _beside(predictor, subject, structure, settings)
            if askable(truth, structure):
                _prompted(predictor, subject, structure, tallies, clicks)
        predictor.forget(subject.frame_id)
        on_progress(number, len(subjects), subject.key)
    return [_row(prompt, s, tally, encode) for (prompt, s), tally in tallies.items() if tally.dice]


def _beside(predictor: ModelPredictor, subject: Subject, structure: Structure, settings: PromptSettings) -> list[float]:
    """The presence score of the part of the image that lies beside the structure, if there is one."""
    strip = beside(subject.labels == structure.value)
    if strip is None:
        return []
    rows, columns = strip  # in the name, since identical pictures may have other labels
    part = f"{subject.frame_id}[{rows.start}:{rows.stop}, {columns.start}:{columns.stop}]"
    apart = prompt_free(predictor, part, np.ascontiguousarray(subject.pixels[strip]), (structure,), settings)[0]
    predictor.forget(part)
    return [apart.presence]


def _prompted(
    predictor: ModelPredictor,
    subject: Subject,
    structure: Structure,
    tallies: dict[tuple[str, Structure], Tally],
    clicks: bool,
) -> None:
    truth = subject.labels == structure.value
    limits = through_grid(truth, predictor.net.sam.size), a_pixel_off(truth)
    for prompt, asked in (("box", boxes(truth, structure)), ("point", first_clicks(truth, structure))):
        mask, score, took = _answered(predictor, subject, asked)
        tallies[prompt, structure].decode.append(took)
        tallies[prompt, structure].add(mask, truth, score, subject.group)
        tallies[prompt, structure].limits.append(limits)
    if clicks:
        tallies["point", structure].clicks.append(clicks_needed(predictor, subject, truth))


def _row(prompt: str, structure: Structure, tally: Tally, encode: list[float]) -> dict[str, Any]:
    grid, pixel = np.mean(tally.limits, axis=0).tolist() if tally.limits else (None, None)
    return {
        "prompt": prompt,
        "structure": str(structure.value),
        "name": structure.name,
        "dice": float(np.mean(tally.dice)),
        "dice_ci95": interval(tally.dice, tally.groups),
        "hd95": float(np.mean(tally.hd95)),
        "noc90": float(np.mean(tally.clicks)) if tally.clicks else None,
        "iou_error": float(np.mean(np.abs(tally.off))) if tally.off else None,
        "iou_bias": float(np.mean(tally.off)) if tally.off else None,
        "iou_bias_ci95": interval(tally.off, tally.off_groups),
        "grid_iou": grid,
        "one_px_iou": pixel,
        "presence_auc": auc(tally.present, tally.absent),
        "n_absent": len(tally.absent),
        "encode_ms": 1000 * float(np.median(encode)),
        "decode_ms": 1000 * float(np.median(tally.decode)),
        "n": len(tally.dice),
    }
