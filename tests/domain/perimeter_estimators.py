"""Estimators of a perimeter side by side: ``python tests/domain/perimeter_estimators.py [DATASET]`` prints the table.

On exact shapes, and, where a data set is given whose index.csv has head_circumference_mm, against that. The interval is
a bootstrap over heads (the number that an ID begins with): 2000 draws, percentiles 2.5 and 97.5, seed 0.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from shapes import Shape, draw, ellipse, rectangle
from skimage.measure import perimeter as of_chain
from skimage.measure import perimeter_crofton

from napari_adasam.domain.measures import perimeter
from napari_adasam.domain.records import Labels
from napari_adasam.evaluation.metrics import interval
from napari_adasam.files.dataset import Dataset

SHAPES = (ellipse(150, 150), ellipse(20, 20), ellipse(150, 75), rectangle(300, 100))


def ours(labels: Labels) -> float:
    found = perimeter(labels, 1, None)
    return found.value if found else 0.0


def of_cracks(labels: Labels) -> float:
    """Counting the sides of pixels."""
    framed = np.pad(labels, 1).astype(np.int8)
    return float(np.abs(np.diff(framed, axis=0)).sum() + np.abs(np.diff(framed, axis=1)).sum())


ESTIMATORS: dict[str, Callable[[Labels], float]] = {
    "ours": ours,
    "Crofton, 4 directions": lambda labels: float(perimeter_crofton(labels, 4)),
    "chain of border pixels": lambda labels: float(of_chain(labels, 4)),
    "sides of pixels": of_cracks,
}


def of_shape(shape: Shape, estimate: Callable[[Labels], float]) -> np.ndarray:
    """Errors in per cent at nine angles."""
    return np.array([100 * (estimate(draw(shape, angle)) / shape.perimeter - 1) for angle in np.linspace(0, 80, 9)])


def of_heads(folder: Path, estimate: Callable[[Labels], float]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """By ID: the perimeter in px, head_circumference_mm in px, and the head."""
    data = Dataset.open(folder)
    rows = [data.rows[key] for key in data.ids]
    true = [float(row["head_circumference_mm"]) / float(row["pixel_size_mm"]) for row in rows]
    found = [estimate(data.labels(key)) for key in data.ids]
    return np.array(found), np.array(true), [data.groups[key] for key in data.ids]


def by_head(errors: np.ndarray, heads: Sequence[str]) -> np.ndarray:
    """Mean absolute error of each head."""
    return np.array([np.abs(errors[np.array(heads) == head]).mean() for head in sorted(set(heads))])


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    print("| estimator | shape | mean error, % | worst error, % |\n| --- | --- | --- | --- |")  # noqa: T201
    for name, estimate in ESTIMATORS.items():
        for shape in SHAPES:
            found = of_shape(shape, estimate)
            print(f"| {name} | {shape.name} | {found.mean():+.2f} | {found[np.abs(found).argmax()]:+.2f} |")  # noqa: T201
    for folder in map(Path, arguments):
        for name, estimate in ESTIMATORS.items():
            found, true, heads = of_heads(folder, estimate)
            errors, more = 100 * (found / true - 1), found - true
            low, high = interval(by_head(errors, heads)) or (np.nan, np.nan)
            print(  # noqa: T201
                f"{name}: {len(found)} images of {len(set(heads))} heads, {true.min():.0f} to {true.max():.0f} px: "
                f"mean absolute error {np.abs(errors).mean():.2f} % ({low:.2f} to {high:.2f}), "
                f"mean {errors.mean():+.2f}, worst {errors[np.abs(errors).argmax()]:+.2f}; "
                f"too long by {more.mean():.1f} px, s.d. {more.std(ddof=1):.1f}"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
