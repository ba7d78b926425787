"""napari's sample data: drawn B-mode images of muscle with their exact outlines."""

from __future__ import annotations

from typing import Any

from napari_adasam.files import phantom

SEEDS = (1, 2, 3)


def phantom_muscle() -> list[tuple[Any, dict[str, Any], str]]:
    """One drawn image and its labels, in mm."""
    drawn = phantom.draw(SEEDS[0])
    place = {"scale": (drawn.spacing.y_mm, drawn.spacing.x_mm), "units": ("mm", "mm")}
    return [
        (drawn.pixels, {"name": "Phantom muscle", **place}, "image"),
        (drawn.labels, {"name": "Phantom outlines", "opacity": 0.4, **place}, "labels"),
    ]
