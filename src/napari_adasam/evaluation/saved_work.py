"""What learning and the order save: results of the study ``session`` beside each other.

Effort is compared as the mean an image. Its 95 % intervals are a bootstrap over groups (patients, or near-duplicates):
one wants to know about other people's images, and seeds work on much the same ones, so that they are no independent
repeats. All ways of working share what is drawn, and all seeds of one way do; what the seeds differ by stands beside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.errors import InputError
from napari_adasam.files import learning_plot
from napari_adasam.files.learning_plot import Curve, CurvePanel

MEASURES = ("clicks", "strokes_px")
DRAWS = 2000
WINDOW = 10
"""Images that a point of a learning curve is the mean of."""
Row = Mapping[str, Any]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Way:
    """A way of working: model, whether it learns, order; with its rows, one a seed."""

    model: str
    learning: bool
    order: str
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """As it stands in the table and the plot."""
        return f"{self.model}, {'learning' if self.learning else 'static'}, {self.order}"

    def by_unit(self, measure: str) -> list[tuple[str, float]]:
        """(unit of the bootstrap, effort) of each image of each row.

        A row that does not tell its groups has its images in order of effort as units, the same for all seeds, as if
        these agreed in full: its intervals are wider than they need be.
        """
        found: list[tuple[str, float]] = []
        for row in self.rows:
            efforts, groups = row[f"{measure}_by_image"], row.get("groups_by_image")
            if groups is None:
                efforts, groups = sorted(efforts), [f"{self.name} {place}" for place in range(len(efforts))]
            found += zip(groups, efforts, strict=True)
        return found


def read_results(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Results of the study as they were written.

    Raises
    ------
    InputError
        For a file that is none, or is of another data set, or of another model of the same name.
    """
    found: list[dict[str, Any]] = []
    for path in paths:
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
            good = result["study"] == "session" and bool(summary([result])["ways"]) and bool(curves([result]))
        except (OSError, ValueError, LookupError, TypeError, ArithmeticError, AttributeError, RecursionError):
            good = False
        if not good:
            raise InputError(
                f"{path} is no result of the study session. Nothing was written. Give files that "
                "`evaluate --study session --json FILE` has written."
            )
        found.append(result)
    sets = sorted({str(one["dataset"]) for one in found if "dataset" in one})
    if len(sets) > 1:
        raise InputError(
            f"These are results of several data sets: {', '.join(sets)}. Effort is compared on the same images. "
            "Nothing was written. Give the results of one of them."
        )
    _check_models(found)
    return found


def _check_models(results: Sequence[Mapping[str, Any]]) -> None:
    """Raise InputError where two models have one name: they would pass for two seeds of one way of working."""
    prints: dict[str, str] = {}
    for result in results:
        name = _model_of(result)
        if prints.setdefault(name, result.get("fingerprint", "")) != result.get("fingerprint", ""):
            raise InputError(
                f"These are results of two models that are both called {name}. Nothing was written. Give the results "
                "of one of them, or measure one under another name."
            )


def _model_of(result: Mapping[str, Any]) -> str:
    return f"{Path(result['model']).stem}@{result['input_size']}"


def ways(results: Sequence[Mapping[str, Any]]) -> list[Way]:
    """The ways of working in results, the order of the files kept."""
    rows: dict[tuple[str, bool, str], dict[int, Row]] = {}
    for result in results:
        model = _model_of(result)
        for row in result["rows"]:
            rows.setdefault((model, row["learning"], row["order"]), {})[row["seed"]] = row
    return [Way(*key, tuple(of_seed[seed] for seed in sorted(of_seed))) for key, of_seed in rows.items()]


def summary(results: Sequence[Mapping[str, Any]], seed: int = 0) -> dict[str, Any]:
    """Each way's effort for a session, and ratios: static over learning, other orders over the active one."""
    found = ways(results)
    drawn = {measure: _drawn_means(found, measure, seed) for measure in MEASURES}
    return {
        "ways": [_way(one, {measure: drawn[measure][at] for measure in MEASURES}) for at, one in enumerate(found)],
        "ratios": [
            {"of": found[of].name, "over": found[over].name}
            | {m: _interval(*(_ratio(drawn[m][of], drawn[m][over]))) for m in MEASURES}
            for of, over in _pairs(found)
        ],
    }


def _pairs(found: Sequence[Way]) -> list[tuple[int, int]]:
    """Static over learning; other orders over the active one, of a model that learns; static over the first static."""
    learning = [at for at, one in enumerate(found) if one.learning]
    static = [at for at, one in enumerate(found) if not one.learning]
    orders = [
        (of, over)
        for over in learning
        for of in learning
        if found[of].model == found[over].model and found[over].order == "active" != found[of].order
    ]
    between = [(of, static[0]) for of in static[1:] if found[of].model != found[static[0]].model]
    return [(of, over) for over in learning for of in static] + orders + between


def _drawn_means(found: Sequence[Way], measure: str, seed: int) -> list[tuple[float, Values]]:
    """Mean effort an image of each way, as it is and in every draw of units; one unit has no draws: NaN."""
    pairs = [one.by_unit(measure) for one in found]
    places = {unit: at for at, unit in enumerate(sorted({unit for own in pairs for unit, _ in own}))}
    share = np.full(len(places), 1 / len(places))
    weights = np.random.default_rng(seed).multinomial(len(places), share, size=DRAWS).astype(np.float64)
    means = []
    for own in pairs:
        sums, counts = np.zeros(len(places)), np.zeros(len(places))
        for unit, effort in own:
            sums[places[unit]] += effort
            counts[places[unit]] += 1
        draws = (weights @ sums) / np.maximum(weights @ counts, 1)
        means.append((float(sums.sum() / counts.sum()), draws if np.count_nonzero(counts) > 1 else draws * np.nan))
    return means


def _ratio(of: tuple[float, Values], over: tuple[float, Values]) -> tuple[float, Values]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.float64(of[0]) / over[0]), of[1] / over[1]


def _interval(value: float, draws: Values) -> list[float | None]:
    """Value, low, high; ``None`` for what is infinite or unknown: nothing was left to do."""
    known = np.where(np.isnan(draws), np.inf, draws)
    low, high = np.percentile(known, [2.5, 97.5], method="nearest")
    return [float(one) if np.isfinite(one) else None for one in (value, low, high)]


def _way(one: Way, means: Mapping[str, tuple[float, Values]]) -> dict[str, Any]:
    images = float(np.mean([row["images"] for row in one.rows]))
    efforts = {measure: _interval(value * images, draws * images) for measure, (value, draws) in means.items()}
    mean = {name: float(np.mean([row[name] for row in one.rows])) for name in ("as_suggested", "dice_accepted")}
    return {
        "name": one.name,
        "seeds": len(one.rows),
        "images": images,
        **efforts,
        "clicks_by_seed": [row["clicks"] for row in one.rows],
        "strokes_px_by_seed": [row["strokes_px"] for row in one.rows],
        **mean,
        "dice": float(np.mean([np.mean(row["dice_by_image"]) for row in one.rows])),
        "rounds": sum(row["rounds"] for row in one.rows),
        "rounds_accepted": sum(row["rounds_accepted"] for row in one.rows),
    }


def table(found: Mapping[str, Any]) -> str:
    """A summary as two Markdown tables."""
    lines = [
        "| model, learning, order | images | clicks a session (95 %) | by seed | stroke pixels a session (95 %) "
        "| Dice as suggested | accepted as suggested | rounds accepted |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in found["ways"]:
        seeds = " / ".join(str(count) for count in one["clicks_by_seed"])
        rounds = f"{one['rounds_accepted']} of {one['rounds']}" if one["rounds"] else "–"
        lines.append(
            f"| {one['name']} | {one['images']:.0f} | {_cell(one['clicks'], ',.0f')} | {seeds} "
            f"| {_cell(one['strokes_px'], ',.0f')} | {one['dice']:.3f} | {one['as_suggested']:.1f} | {rounds} |"
        )
    lines += ["", "| effort of … over that of … | clicks (95 %) | stroke pixels (95 %) |", "| --- | --- | --- |"]
    for pair in found["ratios"]:
        cells = (_cell(pair[measure], ".2f") for measure in MEASURES)
        lines.append(f"| {pair['of']} / {pair['over']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(values: Sequence[float | None], how: str) -> str:
    value, low, high = ("–" if one is None else format(one, how) for one in values)
    return f"{value} ({low}–{high})"


def curves(results: Sequence[Mapping[str, Any]]) -> str:
    """Learning curves as SVG: moving means over the order of work, then means over seeds."""
    panels = (
        ("Dice as suggested", "dice_by_image", "Dice"),
        ("Clicks, boxes and ticks an image", "clicks_by_image", "clicks"),
        ("Pixels brushed an image", "strokes_px_by_image", "pixels"),
    )
    drawn = [CurvePanel(title, unit, tuple(_curve(one, key) for one in ways(results))) for title, key, unit in panels]
    return learning_plot.plot(drawn)


def _curve(one: Way, key: str) -> Curve:
    length = min(len(row[key]) for row in one.rows)
    width = min(WINDOW, length)
    kernel = np.full(width, 1 / width)
    means = np.mean([np.convolve(row[key][:length], kernel, "valid") for row in one.rows], axis=0)
    places = np.arange(length - width + 1) + (width + 1) / 2  # the middle of the images that a point is the mean of
    return Curve(one.name, tuple((float(x), float(y)) for x, y in zip(places, means, strict=True)), not one.learning)
