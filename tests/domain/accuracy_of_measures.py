"""How far measured figures are from exact ones: ``python tests/domain/accuracy_of_measures.py`` prints the table.

Each shape is drawn at many angles and shifts against the grid; errors are in per cent of the true figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from shapes import Shape, band, draw, ellipse, rectangle, ring, spacing, wedge

from napari_adasam.domain.measures import area, feret, perimeter, thickness

DRAWINGS = 15
STEEPEST = 40.0
"""Thickness is between an upper and a lower border, so that shapes with one are turned by this much at most."""


@dataclass(frozen=True)
class Case:
    """A shape on a grid, one of its figures, and what its mean and its worst error may be, in per cent."""

    shape: Shape
    pixel: tuple[float, float]
    measure: str
    mean: float
    worst: float


FAMILIES: dict[str, Callable[..., tuple[Any, ...]]] = {
    "area": lambda *one: (area(*one),),
    "perimeter": lambda *one: (perimeter(*one),),
    "Feret": feret,
    "thickness": thickness,
}
SQUARE, FLAT = (1.0, 1.0), (0.1, 0.05)
CASES = (
    Case(ellipse(150, 150), SQUARE, "perimeter", 0.05, 0.05),
    Case(ellipse(50, 50), SQUARE, "perimeter", 0.15, 0.2),
    Case(ellipse(20, 20), SQUARE, "perimeter", 0.6, 0.9),
    Case(ellipse(10, 10), SQUARE, "perimeter", 1.2, 2),
    Case(ellipse(150, 75), SQUARE, "perimeter", 0.05, 0.1),
    Case(ellipse(60, 20), SQUARE, "perimeter", 0.2, 0.5),
    Case(ellipse(15, 5), FLAT, "perimeter", 0.1, 0.2),
    Case(ring(40, 80), SQUARE, "perimeter", 0.15, 0.2),
    Case(rectangle(300, 100), SQUARE, "perimeter", 0.5, 0.7),
    Case(rectangle(100, 50), SQUARE, "perimeter", 0.8, 1.5),
    Case(rectangle(30, 10), FLAT, "perimeter", 0.4, 0.6),
    Case(ellipse(50, 50), SQUARE, "area", 0.05, 0.15),
    Case(rectangle(100, 50), SQUARE, "area", 0.05, 1.5),
    Case(ellipse(50, 50), SQUARE, "Feret maximum", 1.5, 1.6),
    Case(ellipse(60, 20), SQUARE, "Feret minimum", 3, 4),
    Case(rectangle(100, 50), SQUARE, "Feret maximum", 0.5, 1),
    Case(rectangle(100, 50), SQUARE, "Feret minimum", 2.8, 3.5),
    Case(rectangle(240, 80), SQUARE, "thickness mean", 0.05, 0.1),
    Case(rectangle(240, 80), SQUARE, "thickness minimum", 0.3, 0.5),
    Case(rectangle(24, 8), FLAT, "thickness mean", 0.05, 0.1),
    Case(rectangle(24, 8), FLAT, "thickness minimum", 0.3, 0.8),
    Case(wedge(150, 400, 15), SQUARE, "thickness mean", 0.25, 0.5),
    Case(wedge(150, 400, 15), SQUARE, "thickness middle", 0.3, 0.8),
    Case(wedge(150, 400, 15), SQUARE, "thickness minimum", 2, 3.5),
    Case(band(360, 420, 40), SQUARE, "thickness mean", 0.05, 0.1),
    Case(band(360, 420, 40), SQUARE, "thickness middle", 0.1, 0.2),
    Case(band(360, 420, 40), SQUARE, "thickness minimum", 0.4, 0.8),
    Case(band(18, 21, 60), FLAT, "thickness mean", 0.05, 0.1),
)


def errors(case: Case) -> np.ndarray:
    """(DRAWINGS,) errors in per cent."""
    return np.array([100 * (found / _true(case) - 1) for found in _found(case)])


def _true(case: Case) -> float:
    return {
        "area": case.shape.area,
        "perimeter": case.shape.perimeter,
        "Feret maximum": case.shape.longest,
        "Feret minimum": case.shape.narrowest,
        "thickness mean": case.shape.thickness,
        "thickness middle": case.shape.middle,
        "thickness minimum": case.shape.thinnest,
    }[case.measure]


def _found(case: Case) -> Iterator[float]:
    rng = np.random.default_rng(0)
    far = STEEPEST if case.measure.startswith("thickness") else 90.0
    bend = 30.0 if case.shape.name.startswith("band") else 0.0  # its ends are steeper than its middle
    for degrees in np.linspace(bend - far, far - bend, DRAWINGS):
        shift = (float(rng.uniform(0, case.pixel[0])), float(rng.uniform(0, case.pixel[1])))
        labels, scale = draw(case.shape, float(degrees), shift, case.pixel), spacing(case.pixel)
        figures = FAMILIES[case.measure.split()[0]](labels, 1, scale)
        yield next(figure.value for figure in figures if figure.name == case.measure)


def main() -> None:
    """Print the table."""
    print("| figure | shape, mm | pixel, mm | mean error, % | worst error, % |")  # noqa: T201
    print("| --- | --- | --- | --- | --- |")  # noqa: T201
    for case in CASES:
        found = errors(case)
        worst = found[np.abs(found).argmax()]
        grid = f"{case.pixel[0]:g} × {case.pixel[1]:g}"
        print(f"| {case.measure} | {case.shape.name} | {grid} | {found.mean():+.2f} | {worst:+.2f} |")  # noqa: T201


if __name__ == "__main__":
    main()
